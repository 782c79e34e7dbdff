"""A thin `bentoml` for programs that import it where it is not installed.

Classes written for BentoML 1.0 and 1.1 need its Runnable and little else. What
describes services is recorded and does nothing; what needs the real package says
so when it is used, not when it is imported. The real package always wins.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Callable, Sequence
from http import HTTPStatus
from types import ModuleType
from typing import Any, Optional

from .runnable import Runnable

NAME = "bentoml"


def install() -> None:
    """Lets `import bentoml` find the stand-in after everything else was tried."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())


class Finder:
    """Finds the stand-in, last of all finders."""

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """The spec of bentoml, and of modules within the stand-in only."""
        root = sys.modules.get(NAME)
        if fullname != NAME and not (fullname.startswith(NAME + ".") and isinstance(root, StandIn)):
            return None
        loader: Any = Loader()
        return importlib.machinery.ModuleSpec(fullname, loader, is_package=True)


class Loader:
    """Makes the modules of the stand-in."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """An empty module."""
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Fills the module."""
        contents: dict[str, dict[str, Any]] = {
            NAME: {
                "Runnable": Runnable,
                "Runner": Runner,
                "Service": Service,
                "Context": Context,
                "__version__": "1.1",
            },
            f"{NAME}.io": {name: type(name, (Descriptor,), {}) for name in _DESCRIPTORS},
            f"{NAME}.exceptions": _exceptions(),
        }
        vars(module).update(contents.get(module.__name__, {}))
        if module.__name__ == NAME:
            for name in ("io", "exceptions"):
                importlib.import_module(f"{NAME}.{name}")


_DESCRIPTORS = ("Text", "JSON", "NumpyNdarray", "PandasDataFrame", "PandasSeries", "Image", "File", "Multipart")


class StandIn(ModuleType):
    """A module of the stand-in. Names that it has not are there, but of no use."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{self.__name__}.{name}")


class Missing:
    """Something of BentoML that only the real package has."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{self._name}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise ImportError(
            f"{self._name} needs the package bentoml, which is not installed here: pip install 'bentoml<1.2'"
        )

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        self()
        return ()


class Runner:
    """Records the options of a runner. It runs where ekiben.yaml says, not here."""

    def __init__(self, runnable_class: type, **options: Any) -> None:
        self.runnable_class = runnable_class
        self.name = options.pop("name", None) or runnable_class.__name__.lower()
        self.models = options.pop("models", None) or []
        self.options = options

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{NAME}.Runner.{name}")


class Service:
    """Records a service. Its decorators return the function as it is."""

    def __init__(self, name: str, *, runners: Any = None, models: Any = None, **options: Any) -> None:
        self.name = name
        self.runners = list(runners or [])
        self.models = list(models or [])
        self.apis: dict[str, Callable[..., Any]] = {}

    def api(self, input: Any = None, output: Any = None, **options: Any) -> Callable[..., Any]:
        """Records a function as an API."""

        def record(func: Callable[..., Any]) -> Callable[..., Any]:
            if not self.apis:
                runner = os.environ.get("EKIBEN_RUNNER", "NAME")
                print(
                    f"ekiben: the APIs of the service {self.name!r} are not served, "
                    f"its runnable is, at /v1/runners/{runner}/METHOD",
                    file=sys.stderr,
                )
            self.apis[options.get("name") or func.__name__] = func
            return func

        return record

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: args[0] if args else None


class Context:
    """The type of an argument of APIs."""


class Descriptor:
    """What an API takes or returns. Records its options."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.args = args
        self.options = options

    @classmethod
    def from_sample(cls, sample: Any, **options: Any) -> Descriptor:
        """A descriptor of values like the sample."""
        return cls(sample, **options)


def _exceptions() -> dict[str, type]:
    """The exceptions of BentoML, each with the HTTP status that it stands for."""
    base = type("BentoMLException", (Exception,), {"error_code": HTTPStatus.INTERNAL_SERVER_ERROR})
    statuses = {
        "InvalidArgument": HTTPStatus.BAD_REQUEST,
        "BadInput": HTTPStatus.BAD_REQUEST,
        "NotFound": HTTPStatus.NOT_FOUND,
        "UnprocessableEntity": HTTPStatus.UNPROCESSABLE_ENTITY,
        "ServiceUnavailable": HTTPStatus.SERVICE_UNAVAILABLE,
        "InternalServerError": HTTPStatus.INTERNAL_SERVER_ERROR,
        "MissingDependencyException": HTTPStatus.INTERNAL_SERVER_ERROR,
    }
    found = {name: type(name, (base,), {"error_code": status}) for name, status in statuses.items()}
    return {base.__name__: base, **found}
