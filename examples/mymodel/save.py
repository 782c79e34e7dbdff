"""Writes the two models that ekiben.yaml names."""

import numpy as np

np.savez("saved_model_1.npz", weights=np.array([[1.0], [2.0], [3.0]]), bias=np.array([0.5]))
np.savez("saved_model_2.npz", weights=np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), bias=np.array([0.0, -1.0]))
