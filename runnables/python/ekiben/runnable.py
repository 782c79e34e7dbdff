"""Classes whose methods are served, and how their methods are marked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Optional, Union

from .errors import SignatureError

NEW_FLAGS = ("SUPPORTED_RESOURCES", "SUPPORTS_CPU_MULTI_THREADING")
OLD_FLAGS = ("SUPPORT_NVIDIA_GPU", "SUPPORT_CPU_MULTI_THREADING")
CPU, NVIDIA_GPU = "cpu", "nvidia.com/gpu"

BatchDim = Union[int, "tuple[int, int]"]


class MethodConfig:
    """The options of a method, which are checked when it is to be served: one that is
    wrong is no fault of other classes of its module."""

    __slots__ = ("batchable", "batch_dim", "input_spec", "output_spec")

    def __init__(
        self,
        batchable: bool = False,
        batch_dim: BatchDim = 0,
        input_spec: Any = None,
        output_spec: Any = None,
    ) -> None:
        self.batchable = batchable
        self.batch_dim = batch_dim
        self.input_spec = input_spec
        self.output_spec = output_spec


class RunnableMethod:
    """A method that is served. On an instance it is the plain method."""

    def __init__(self, func: Callable[..., Any], config: MethodConfig) -> None:
        if isinstance(func, (staticmethod, classmethod)) or not callable(func):
            raise SignatureError(f"{func!r} cannot be served: mark a plain method that takes self")
        self.func = func
        self.config = config
        self.__doc__ = func.__doc__
        self.__name__ = getattr(func, "__name__", "method")
        self.__wrapped__ = func

    def __get__(self, instance: Any, owner: Optional[type] = None) -> Any:
        if instance is None:
            return self
        return self.func.__get__(instance, owner)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function; the first argument is the instance."""
        return self.func(*args, **kwargs)


def method(
    meth: Optional[Callable[..., Any]] = None,
    *,
    batchable: bool = False,
    batch_dim: BatchDim = 0,
    input_spec: Any = None,
    output_spec: Any = None,
) -> Any:
    """Marks a method as served, with or without options.

    batchable: it takes many rows at once, so that calls can be run together.
    batch_dim: the dimension that counts the rows, or that of the inputs and that
    of the outputs. input_spec and output_spec say what annotations can say as
    well: one for a single value, a dict by name, or a tuple in order.
    """
    config = MethodConfig(batchable, batch_dim, input_spec, output_spec)
    if meth is not None:
        return RunnableMethod(meth, config)
    return lambda func: RunnableMethod(func, config)


class _Marker:
    """Runnable.method and Runnable.add_method are for classes only: instances are
    made after it was published what the class serves."""

    def __init__(self, name: str, make: Callable[[type], Any]) -> None:
        self._name = name
        self._make = make

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is not None:
            raise AttributeError(
                f"{self._name} is not for instances: use {owner.__name__}.{self._name} where the class is defined"
            )
        return self._make(owner)


def _adder(owner: type) -> Callable[..., None]:
    def add_method(
        method: Callable[..., Any],
        name: str,
        *,
        batchable: bool = False,
        batch_dim: BatchDim = 0,
        input_spec: Any = None,
        output_spec: Any = None,
    ) -> None:
        """Adds a method to the class: a function whose first argument is the instance."""
        if owner is Runnable:
            raise TypeError("add methods to a class of your own, not to Runnable itself")
        config = MethodConfig(batchable, batch_dim, input_spec, output_spec)
        setattr(owner, name, RunnableMethod(method, config))

    return add_method


class Runnable:
    """A base for classes that are served. It need not be used: any class will do
    that has a method marked with Runnable.method.

    The flags say what an instance can make use of, and are read from the class:
    SUPPORTED_RESOURCES names "cpu", "nvidia.com/gpu" and whatever strategies for
    other hardware know; SUPPORTS_CPU_MULTI_THREADING is that one instance can use
    several cores. SUPPORT_NVIDIA_GPU and SUPPORT_CPU_MULTI_THREADING are the older
    names.
    """

    SUPPORTED_RESOURCES: tuple[str, ...] = (CPU,)
    SUPPORTS_CPU_MULTI_THREADING: bool = False

    method = _Marker("method", lambda owner: method)
    add_method = _Marker("add_method", _adder)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in NEW_FLAGS or name in OLD_FLAGS:
            raise AttributeError(
                f"{name} is read from the class before there is an instance: "
                f"set it on {type(self).__name__}, or make another class"
            )
        super().__setattr__(name, value)


def methods_of(cls: type) -> dict[str, tuple[Callable[..., Any], Any]]:
    """The served methods of a class by their attribute: function and options.

    A subclass that overrides a served method need not mark it again; one that sets
    it to None does not serve it. Methods of real BentoML classes are found alike.
    """
    found: dict[str, tuple[Callable[..., Any], Any]] = {}
    for owner in reversed(cls.__mro__):
        for name, value in vars(owner).items():
            config = getattr(value, "config", None)
            if callable(getattr(value, "func", None)) and hasattr(config, "batchable"):
                found[name] = (value.func, config)
            elif name in found:
                if inspect.isfunction(value):
                    found[name] = (value, found[name][1])
                else:
                    del found[name]
    return found


def resources_of(cls: type) -> dict[str, Any]:
    """What an instance of the class can make use of, as READY has it."""
    names = _flag(cls, _resource_names, (CPU,))
    threads = _flag(cls, _multi_threading, False)
    return {
        "nvidia_gpu": NVIDIA_GPU in names,
        "no_cpu": bool(names) and CPU not in names,
        "multi_threading": threads,
        "custom": [name for name in names if name not in (CPU, NVIDIA_GPU)],
    }


def _flag(cls: type, read: Callable[[dict[str, Any]], Any], default: Any) -> Any:
    """What the nearest class says that says anything, in either spelling."""
    for owner in cls.__mro__:
        value = read(vars(owner))  # type: ignore[arg-type]
        if value is not None:
            return value
    return default


def _resource_names(attributes: dict[str, Any]) -> Optional[tuple[str, ...]]:
    new, old = attributes.get("SUPPORTED_RESOURCES"), attributes.get("SUPPORT_NVIDIA_GPU")
    if new is None and old is None:
        return None
    if isinstance(new, str):  # ("cpu") is no tuple
        new = (new,)
    names = tuple(dict.fromkeys(_strings(new if new is not None else (CPU,))))
    if old and NVIDIA_GPU not in names:
        names += (NVIDIA_GPU,)
    return names


def _strings(names: Any) -> Iterator[str]:
    for name in names:
        if not isinstance(name, str):
            raise SignatureError(f"SUPPORTED_RESOURCES has {name!r}, want names such as {CPU!r}")
        yield name


def _multi_threading(attributes: dict[str, Any]) -> Optional[bool]:
    said = [attributes[name] for name in (NEW_FLAGS[1], OLD_FLAGS[1]) if name in attributes]
    return any(said) if said else None
