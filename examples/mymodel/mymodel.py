"""The reusable runnable of BentoML's page "Using Runners", with a linear model of
NumPy in place of PyTorch's."""

import bentoml
import numpy as np


class LinearModel:
    def __init__(self, file):
        with np.load(file) as saved:
            self.weights, self.bias = saved["weights"], saved["bias"]

    def __call__(self, inputs):
        return inputs @ self.weights + self.bias


class MyModelRunnable(bentoml.Runnable):
    SUPPORT_NVIDIA_GPU = True
    SUPPORT_CPU_MULTI_THREADING = True

    def __init__(self, model_file):
        self.model = LinearModel(model_file)

    @bentoml.Runnable.method(batchable=True, batch_dim=0)
    def predict(self, input_tensor):
        return self.model(input_tensor)
