"""Classes in Python that Ekiben serves.

    import ekiben

    class Classifier(ekiben.Runnable):
        @ekiben.Runnable.method(batchable=True)
        def predict(self, x):
            return self.model.predict(x)

The README says what methods are given and what they may return.
"""

from ._version import VERSION
from .errors import InputError, Retryable, RowErrors
from .runnable import Runnable, RunnableMethod
from .values import Spec as Tensor

__version__ = VERSION

__all__ = ["InputError", "Retryable", "RowErrors", "Runnable", "RunnableMethod", "Tensor", "__version__"]
