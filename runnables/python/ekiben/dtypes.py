"""Data types: their numbers on the wire, their names, and what numpy calls them."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

import numpy as np

from .errors import InputError, SignatureError

# The numbers are those of tensor/dtype.go and never change.
NAMES = {
    1: "BOOL",
    2: "UINT8",
    3: "UINT16",
    4: "UINT32",
    5: "UINT64",
    6: "INT8",
    7: "INT16",
    8: "INT32",
    9: "INT64",
    10: "FP16",
    11: "BF16",
    12: "FP32",
    13: "FP64",
    14: "BYTES",
}
CODES = {name: code for code, name in NAMES.items()}
BOOL, INT64, BF16, FP64, BYTES = 1, 9, 11, 13, 14

ANY = "ANY"
"""The data type, in signatures only, of a value whose type the caller decides."""

_NUMPY = {
    1: "?",
    2: "u1",
    3: "<u2",
    4: "<u4",
    5: "<u8",
    6: "i1",
    7: "<i2",
    8: "<i4",
    9: "<i8",
    10: "<f2",
    12: "<f4",
    13: "<f8",
}
NUMPY: dict[int, np.dtype[Any]] = {code: np.dtype(name) for code, name in _NUMPY.items()}
"""The numpy type of each number; bfloat16 and BYTES have none."""

CODE_OF: dict[np.dtype[Any], int] = {dtype: code for code, dtype in NUMPY.items()}
"""The number of each little-endian numpy type."""

SIZES = {code: dtype.itemsize for code, dtype in NUMPY.items()}
SIZES[BF16] = 2


class Tensor(NamedTuple):
    """A tensor on its way out: its data type, its shape, and its data.

    data is an array of the data type, of any layout and byte order, or for BYTES
    the elements as they go over the wire, each after its length.
    """

    code: int
    shape: tuple[int, ...]
    data: Any
    size: int


def of_array(array: np.ndarray[Any, Any]) -> Optional[Tensor]:
    """The tensor of an array, or None if its elements are of no type of ours."""
    code = CODE_OF.get(array.dtype)
    if code is None:
        if array.dtype.name == "bfloat16":
            code = BF16
            array = array.view(np.uint16)
        else:
            code = CODE_OF.get(array.dtype.newbyteorder("<"))
            if code is None:
                return None
    return Tensor(code, array.shape, array, array.nbytes)


def of_items(items: list[bytes], shape: tuple[int, ...]) -> Tensor:
    """The BYTES tensor of its elements in row-major order."""
    parts: list[bytes] = []
    for item in items:
        parts.append(len(item).to_bytes(4, "little"))
        parts.append(item)
    data = b"".join(parts)
    return Tensor(BYTES, shape, data, len(data))


def bfloat16() -> np.dtype[Any]:
    """The numpy type of bfloat16, which is that of ml_dtypes."""
    try:
        import ml_dtypes
    except ImportError:
        raise InputError("numpy has no bfloat16: send FP32, or install ml_dtypes where the runner lives") from None
    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype


def parse(dtype: Any) -> int:
    """The number of a type that a program names: "float32", np.float32, "FP32"."""
    if isinstance(dtype, str) and dtype in CODES:
        return CODES[dtype]
    if str(dtype) in ("bfloat16", "torch.bfloat16"):
        return BF16
    try:
        code = CODE_OF.get(np.dtype(dtype).newbyteorder("<"))
    except TypeError:
        code = None
    if code is None:
        known = ", ".join(str(d) for d in NUMPY.values())
        raise SignatureError(f"{dtype!r} is no data type of tensors: use one of {known}")
    return code
