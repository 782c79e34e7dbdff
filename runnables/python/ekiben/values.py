"""Kinds of arguments and outputs: what each is in a signature, what Python makes
of the tensor that arrives, and what tensor is made of what Python returns."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Optional

import numpy as np

from . import foreign, undeclared
from .channel import BFloat16, Input, Items
from .dtypes import ANY, BF16, NAMES, NUMPY, Tensor, bfloat16, of_array, parse
from .errors import InputError, OutputError, SignatureError, what
from .jsonvalues import loads, loads_all
from .runs import take
from .wire import MAX_RANK


class Value:
    """One kind of argument or output. declared is the annotation, for messages."""

    datatype = ANY
    shape: Optional[tuple[int, ...]] = None
    content = "json"
    declared = "nothing"

    def spec(self, name: str) -> dict[str, Any]:
        """The entry in a signature."""
        spec: dict[str, Any] = {"name": name, "datatype": self.datatype, "shape": None}
        if self.shape is not None:
            spec["shape"] = list(self.shape)
        if self.content:
            spec["content"] = self.content
        return spec

    def batch_fault(self, dim: int) -> Optional[str]:
        """Why the value cannot be batched along a dimension, and what to do."""
        return None

    def mixes(self, raw: Input) -> bool:
        """Whether the rows of one call can change what is made of those of another."""
        return False

    def layout(self, raw: Any, rows: np.ndarray[Any, Any], dim: int) -> Hashable:
        """Where they can: what is equal of calls that do not. The rows, along dim, are
        those of one call."""
        raise NotImplementedError

    def decode(self, raw: Input) -> Any:
        """The argument that arrived, never one that is left out."""
        raise NotImplementedError

    def encode(self, value: Any, rows: Optional[int]) -> Tensor:
        """The tensor of an output; rows is None where there is no batch."""
        return undeclared.encode(value, rows)


class AnyValue(Value):
    """A value without annotation: the caller decides what it is."""

    def __init__(self, batchable: bool) -> None:
        self._batchable = batchable

    def decode(self, raw: Input) -> Any:
        if isinstance(raw, Items):
            return documents(raw)
        array = numbers(raw)
        return array if self._batchable or array.ndim else array.item()


class ArrayValue(Value):
    """np.ndarray, or what wrap makes of one. Of numbers of any size, unless code
    says which."""

    def __init__(self, declared: str, code: Optional[int] = None, wrap: Optional[Callable[[Any], Any]] = None) -> None:
        self.declared = declared
        self._code = code
        self._dtype = NUMPY.get(code) if code else None
        self.wrap = wrap

    def mixes(self, raw: Input) -> bool:
        return isinstance(raw, Items)

    def layout(self, raw: Items, rows: np.ndarray[Any, Any], dim: int) -> Hashable:
        array = _strings(take(raw, rows, dim))
        return array.dtype.kind, array.shape[:dim] + array.shape[dim + 1 :]

    def decode(self, raw: Input) -> Any:
        if self.wrap is torch_tensor:
            return torch_tensor(raw)
        array = _strings(raw) if isinstance(raw, Items) else numbers(raw)
        if self._dtype is not None and array.dtype != self._dtype:
            array = _cast(array, self._dtype)
        return self.wrap(array) if self.wrap else array

    def encode(self, value: Any, rows: Optional[int]) -> Tensor:
        return undeclared.encode(value, rows) if self._code is None else as_declared(value, self._code)


class TensorValue(Value):
    """A tensor whose data type and shape are declared."""

    content = ""

    def __init__(
        self,
        declared: str,
        code: int,
        shape: tuple[int, ...],
        wrap: Optional[Callable[[Any], Any]] = None,
    ) -> None:
        self.declared = declared
        self.datatype = NAMES[code]
        self.shape = shape
        self._code = code
        self.wrap = wrap

    def batch_fault(self, dim: int) -> Optional[str]:
        shape = self.shape or ()
        if dim >= len(shape):
            return f"has shape {list(shape)}, which has no dimension {dim} to count rows: give it one, of size -1"
        if shape[dim] != -1:
            return f"has shape {list(shape)}, whose dimension {dim} counts rows: make it -1"
        return None

    def decode(self, raw: Input) -> Any:
        if self.wrap is torch_tensor:
            return torch_tensor(raw)
        array = numbers(raw)
        return self.wrap(array) if self.wrap else array

    def encode(self, value: Any, rows: Optional[int]) -> Tensor:
        tensor = as_declared(value, self._code)
        assert self.shape is not None
        fits = len(tensor.shape) == len(self.shape) and all(
            want in (-1, have) for want, have in zip(self.shape, tensor.shape)
        )
        if not fits:
            raise OutputError(f"has shape {list(tensor.shape)}, declared is {list(self.shape)}")
        return tensor


def as_declared(value: Any, code: int) -> Tensor:
    """The tensor, of the data type that is declared, of an output. Numbers become
    the type if they are of its kind, and fit."""
    if any(map(undeclared.masked, value if isinstance(value, (list, tuple)) else [value])):
        raise OutputError(f"has masked elements, declared is {NAMES[code]}: fill them, or declare nothing")
    array = undeclared.as_array(value)
    if array is None:
        array = np.asarray(value)
        if array.ndim == 0 and array.dtype.kind not in "biuf":
            raise OutputError(f"{what(value)} was returned, declared is {NAMES[code]}")
    tensor: Optional[Tensor] = array if isinstance(array, Tensor) else of_array(_of_kind(array, code))
    if tensor is None or tensor.code != code:
        raise OutputError(f"{what(value)} was returned that is not {NAMES[code]}, as declared")
    return tensor


def _of_kind(array: np.ndarray[Any, Any], code: int) -> np.ndarray[Any, Any]:
    want = bfloat16() if code == BF16 else NUMPY[code]
    if array.dtype == want:
        return array
    if not np.can_cast(array.dtype, want, "same_kind"):
        raise OutputError(f"has {_elements(array.dtype)}, declared is {NAMES[code]}")
    with np.errstate(all="ignore"):
        cast = array.astype(want)
    if not _fits(cast, array):
        raise OutputError(f"has numbers that do not fit {NAMES[code]}, which is declared")
    return cast


def _fits(cast: np.ndarray[Any, Any], array: np.ndarray[Any, Any]) -> bool:
    """Whether numbers are still what they were: integers the same, and no other one
    infinite that was not."""
    if cast.dtype.kind in "biu":
        return np.array_equal(cast, array)
    return bool(np.array_equal(np.isinf(cast), np.isinf(array)))


def _elements(dtype: np.dtype[Any]) -> str:
    """What an array has, in words."""
    words = {"U": "strings", "S": "strings", "T": "strings", "O": "elements that are no numbers"}
    return words.get(dtype.kind, f"elements of {dtype}")


class NumberValue(TensorValue):
    """A Python number, or a list of them."""

    def __init__(self, declared: str, code: int, many: bool) -> None:
        super().__init__(declared, code, (-1,) if many else ())
        self._many = many

    def batch_fault(self, dim: int) -> Optional[str]:
        return rows_fault(self.declared, self._many, dim)

    def decode(self, raw: Input) -> Any:
        return numbers(raw).tolist()


def rows_fault(declared: str, many: bool, dim: int) -> Optional[str]:
    """Why what is a list, or one value, cannot be batched."""
    if not many:
        return (
            f"is declared as {declared}, which is the value of one call, but the method is batchable "
            f"and is given those of many: declare list[{declared}] or an array, or set batchable=False"
        )
    if dim:
        return (
            f"is declared as {declared}, whose rows are counted along dimension 0, "
            f"but batch_dim is {dim}: set batch_dim=0, or declare an array"
        )
    return None


def numbers(raw: Any) -> np.ndarray[Any, Any]:
    """The array that arrived."""
    if type(raw) is np.ndarray:
        return raw
    if isinstance(raw, BFloat16):
        return raw.view(np.ndarray).view(bfloat16())
    raise InputError("is BYTES, want a tensor of numbers")


def documents(raw: Items) -> Any:
    """The values of JSON documents, nested in lists as the shape says."""
    if raw.shape == ():
        return loads(raw.items[0])
    return nested(loads_all(raw.items), raw.shape)


def nested(values: list[Any], shape: tuple[int, ...]) -> Any:
    """Values in row-major order as lists in lists."""
    if len(shape) <= 1:
        return values if shape else values[0]
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape).tolist()


def _strings(raw: Items) -> np.ndarray[Any, Any]:
    """An array of strings. Lists of lists of different lengths are no array."""
    try:
        array = np.array(documents(raw))
    except ValueError:
        array = np.empty((), object)
    if array.dtype.kind not in "biufU":
        raise InputError("is no array: want numbers, or strings, in lists of equal lengths")
    return array


def _cast(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """JSON has integers and FP64 only, so whole numbers may become others if they fit."""
    if array.dtype.kind not in "biuf":
        raise InputError(f"has {_elements(array.dtype)}, want {dtype}")
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
        if not _fits(cast, array):
            raise InputError(f"has elements that are no {dtype}")
    return cast


def torch_tensor(raw: Any) -> Any:
    """A tensor of PyTorch on the same memory."""
    if isinstance(raw, Items):
        raise InputError("is BYTES, want a tensor of numbers")
    return foreign.to_torch(raw.view(np.ndarray), isinstance(raw, BFloat16))


class Spec:
    """ekiben.Tensor: a tensor of one data type and shape; -1 or None is any size.

    Use it as an annotation, within Annotated, or as input_spec and output_spec:

        def predict(self, x: Annotated[np.ndarray, ekiben.Tensor("float32", (-1, 4))]): ...
    """

    def __init__(self, dtype: Any, shape: tuple[Optional[int], ...] = ()) -> None:
        self.code = parse(dtype)
        self.shape = tuple(-1 if size is None else size for size in shape)
        if any(not isinstance(size, int) or size == 0 or size < -1 for size in self.shape):
            raise SignatureError(f"shape {shape!r} has a size that is not -1, None or at least 1")
        if len(self.shape) > MAX_RANK:
            raise SignatureError(f"shape {shape!r} has more than {MAX_RANK} dimensions")

    def __repr__(self) -> str:
        return f"ekiben.Tensor({NAMES[self.code]!r}, {self.shape})"
