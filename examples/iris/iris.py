"""A scikit-learn classifier of iris flowers."""

import joblib
import numpy as np

import ekiben

SPECIES = ["setosa", "versicolor", "virginica"]


class IrisClassifier(ekiben.Runnable):
    SUPPORTED_RESOURCES = ("cpu",)
    SUPPORTS_CPU_MULTI_THREADING = False

    def __init__(self, model_file):
        self.model = joblib.load(model_file)

    @ekiben.Runnable.method(batchable=True, batch_dim=0)
    def predict(self, flowers):
        return self.model.predict(flowers)

    @ekiben.Runnable.method(batchable=True, batch_dim=0)
    def species(self, flowers: np.ndarray) -> list[str]:
        return [SPECIES[i] for i in self.model.predict(flowers)]
