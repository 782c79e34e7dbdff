"""Classes in Python that Ekiben serves.

    import ekiben

    class Classifier(ekiben.Runnable):
        @ekiben.Runnable.method(batchable=True)
        def predict(self, x):
            return self.model.predict(x)

Arrays that a method is given are views of memory that the next call overwrites:
a value that is kept beyond its call must be copied.
"""

from ._version import VERSION
from .errors import InputError, Retryable, RowErrors
from .runnable import Runnable, RunnableMethod
from .values import Spec as Tensor

__version__ = VERSION

__all__ = ["InputError", "Retryable", "RowErrors", "Runnable", "RunnableMethod", "Tensor", "__version__"]
