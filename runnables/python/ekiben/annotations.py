"""Annotations: what kind of value an argument or an output is declared to be."""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, Optional, Union

import numpy as np

from . import foreign
from .dtypes import CODE_OF, CODES
from .items import FrameValue, ItemsValue, document, image, model, opaque, text
from .values import AnyValue, ArrayValue, NumberValue, Spec, TensorValue, Value, torch_tensor

EMPTY = inspect.Parameter.empty

_LISTS = (
    list,
    tuple,
    collections.abc.Sequence,
    collections.abc.MutableSequence,
    collections.abc.Collection,
    collections.abc.Iterable,
)
_OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_NUMBERS = {int: "INT64", float: "FP64", bool: "BOOL"}
_UNIONS = (Union, getattr(types, "UnionType", Union))


def value_of(annotation: Any, batchable: bool) -> Optional[Value]:
    """The kind of value that an annotation declares, or None for a type of which
    nothing is known."""
    annotation = _plain(annotation)
    if annotation is EMPTY or annotation in (Any, object):
        if annotation is EMPTY or batchable:
            return AnyValue(batchable)
        return document("Any")
    if isinstance(annotation, Spec):
        return _tensor(annotation, None)
    origin = typing.get_origin(annotation)
    args = typing.get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        specs = [item for item in annotation.__metadata__ if isinstance(item, Spec)]
        return _tensor(specs[0], args[0]) if specs else value_of(args[0], batchable)
    if origin in _UNIONS:
        return AnyValue(batchable)
    if origin is typing.Literal:
        return text() if all(isinstance(arg, str) for arg in args) else document("Literal")
    if origin is np.ndarray:
        return ArrayValue("np.ndarray", _element(args))
    if annotation in _LISTS or origin in _LISTS:
        return _list(args)
    if annotation in _OBJECTS or origin in _OBJECTS:
        return document("dict")
    return _single(annotation)


def _plain(annotation: Any) -> Any:
    """An annotation without what says nothing of the type: names, Optional, NewType."""
    while True:
        origin = typing.get_origin(annotation)
        if hasattr(origin, "__value__"):  # type NDArray[T] = ...
            annotation = origin.__value__[typing.get_args(annotation)]
        elif origin is None and hasattr(annotation, "__value__"):
            annotation = annotation.__value__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif origin in _UNIONS:
            args = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
            if len(args) != 1:
                return annotation
            annotation = args[0]
        elif isinstance(annotation, typing.TypeVar):
            return Any
        else:
            return annotation


def _single(annotation: Any) -> Optional[Value]:
    """The kind of value of a class."""
    if annotation is str:
        return text()
    if annotation in (bytes, bytearray, memoryview):
        return opaque()
    if annotation is None or annotation is type(None):
        return document("None")
    if annotation in _NUMBERS:
        return NumberValue(annotation.__name__, CODES[_NUMBERS[annotation]], False)
    if _is_image(annotation):
        return image()
    if not isinstance(annotation, type):
        return None
    for name in ("DataFrame", "Series"):
        if foreign.is_class(annotation, "pandas", name):
            return FrameValue(f"pandas.{name}")
    wrap = _wrapper(annotation)
    if wrap is not None or issubclass(annotation, np.ndarray):
        return ArrayValue(_name(annotation), None, wrap)
    if issubclass(annotation, np.generic):
        code = CODE_OF.get(np.dtype(annotation)) if annotation is not np.generic else None
        return TensorValue(_name(annotation), code, (), lambda array: array[()]) if code else None
    if issubclass(annotation, dict):  # as TypedDict is
        return document("dict")
    if _is_model(annotation):
        return model(annotation)
    return None


def _is_image(annotation: Any) -> bool:
    """PIL.Image.Image, or the module PIL.Image that is often written in its place."""
    if isinstance(annotation, types.ModuleType):
        return annotation.__name__ == "PIL.Image"
    return foreign.is_class(annotation, "PIL", "Image")


def _is_model(annotation: type) -> bool:
    return dataclasses.is_dataclass(annotation) or any(
        callable(getattr(annotation, name, None)) for name in ("model_validate", "parse_obj")
    )


def _wrapper(annotation: Any) -> Optional[Callable[[Any], Any]]:
    """What makes a library's tensor of an array, or None where it is an array."""
    if foreign.is_class(annotation, "torch", "Tensor"):
        return torch_tensor
    if foreign.is_class(annotation, "jax", "Array") or foreign.is_class(annotation, "jaxlib", "Array"):
        return foreign.to_jax
    if foreign.is_class(annotation, "tensorflow", "Tensor"):
        return foreign.to_tensorflow
    return None


def _tensor(spec: Spec, base: Any) -> TensorValue:
    """A declared tensor, made what base is."""
    return TensorValue(repr(spec), spec.code, spec.shape, _wrapper(base))


def _element(args: tuple[Any, ...]) -> Optional[int]:
    """The data type that NDArray[np.float32] declares, or None."""
    inner = typing.get_args(args[1]) if len(args) == 2 else ()
    if not inner or not isinstance(inner[0], type) or not issubclass(inner[0], np.generic):
        return None
    try:
        return CODE_OF.get(np.dtype(inner[0]))
    except TypeError:  # np.floating and the like, which is no one type
        return None


def _list(args: tuple[Any, ...]) -> Optional[Value]:
    """The kind of a list, whose elements are rows."""
    if len(args) == 2 and args[1] is Ellipsis:
        args = args[:1]
    if len(args) != 1:
        return document("list").listed("list")
    inner = value_of(args[0], False)
    if isinstance(inner, NumberValue) and inner.shape == ():
        return NumberValue(f"list[{inner.declared}]", CODES[inner.datatype], True)
    if isinstance(inner, ArrayValue):
        wrap = inner.wrap
        rows = list if wrap is None else lambda array: list(wrap(array))
        return ArrayValue(f"list[{inner.declared}]", None, rows)
    if isinstance(inner, ItemsValue) and not inner.many:
        return inner.listed(f"list[{inner.declared}]")
    return document("list").listed("list") if inner is not None else None


def _name(annotation: type) -> str:
    module = annotation.__module__.split(".")[0]
    return f"{'np' if module == 'numpy' else module}.{annotation.__name__}"


def outputs_of(annotation: Any, batchable: bool) -> Optional[list[Value]]:
    """The outputs that a return annotation declares, or None where it says nothing
    that could be relied on."""
    if typing.get_origin(annotation) is tuple:
        args = typing.get_args(annotation)
        if not args or args[-1] is Ellipsis:
            return None
    else:
        args = (annotation,)
    values = [_output_of(arg, batchable) for arg in args]
    return None if None in values else values  # type: ignore[return-value]


def _output_of(annotation: Any, batchable: bool) -> Optional[Value]:
    """The kind of one output. Iterators are a list or not, and None has no type."""
    if typing.get_origin(annotation) not in _UNIONS:
        annotation = _plain(annotation)
    if annotation in (EMPTY, Any, object, tuple) or typing.get_origin(annotation) in _UNIONS:
        return None
    if typing.get_origin(annotation) in (collections.abc.Iterable, collections.abc.Collection):
        return None
    return value_of(annotation, batchable)


def resolve(annotation: Any, func: Callable[..., Any], cls: type) -> Any:
    """An annotation that is a string, as all are with `from __future__ import
    annotations`, as what it names. Raises NameError where that is not to be found."""
    if not isinstance(annotation, str):
        return annotation
    names = dict(_well_known())
    names.update(vars(cls))
    names.update(getattr(inspect.unwrap(func), "__globals__", {}))
    without_none = [part for part in annotation.split("|") if part.strip() != "None"]
    if len(without_none) == 1:  # X | None, which Python knows from 3.10 on
        annotation = without_none[0]
    try:
        return resolve(eval(annotation.strip(), names), func, cls)  # noqa: S307 - the program's own text
    except NameError:
        raise
    except Exception as exc:
        if "|" in annotation and isinstance(exc, TypeError):
            return Union[int, str]  # one of several types, so any
        raise NameError(f"{type(exc).__name__}: {exc}") from exc


class _Lazy:
    """A module that is imported when an annotation names something of it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        import importlib

        try:
            found = importlib.import_module(self._name)
        except ImportError as exc:
            raise NameError(str(exc)) from exc
        if not hasattr(found, attribute) and self._name == "PIL":
            return importlib.import_module(f"PIL.{attribute}")
        return getattr(found, attribute)


def _well_known() -> dict[str, Any]:
    """Names that programs import for type checkers only."""
    names: dict[str, Any] = {"np": np, "numpy": np, "typing": typing, "t": typing, "collections": collections}
    for alias, module in (("pd", "pandas"), ("pandas", "pandas"), ("torch", "torch"), ("PIL", "PIL")):
        names[alias] = _Lazy(module)
    names.update((name, getattr(typing, name)) for name in ("Any", "Dict", "List", "Optional", "Tuple", "Union"))
    return names
