"""What a method returned as a tensor, where it does not say what it returns.

Numbers in arrays stay tensors. Everything else is JSON documents: one for a call
of a method that is not batchable, one for each row of one that is.
"""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from . import foreign, jsonvalues
from .dtypes import Tensor, of_array, of_items
from .errors import OutputError, what


def encode(value: Any, rows: Optional[int]) -> Tensor:
    """The tensor of a value; rows is None for a method that is not batchable."""
    if not isinstance(value, np.ndarray):
        array = as_array(value)
        if array is None:
            return _documents(value, rows)
        if isinstance(array, Tensor):
            return array
        value = array
    if masked(value):
        return _array_documents(value, rows)
    return of_array(value) or _array_documents(value, rows)


def masked(value: Any) -> bool:
    """Whether an array has elements that are masked, which tensors cannot say."""
    return isinstance(value, np.ma.MaskedArray) and bool(np.ma.is_masked(value))


def as_array(value: Any) -> Any:
    """The array of a value that is one by another name, such as a torch.Tensor, a
    series of numbers or a numpy number; a Tensor for bfloat16; None for others."""
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value)
    if foreign.is_torch(value):
        return foreign.from_torch(value)
    if foreign.is_series(value):  # pandas has numbers of its own, some of which are missing
        plain = isinstance(value.dtype, np.dtype) and value.dtype.kind in "biuf"
        return value.to_numpy() if plain else None
    if foreign.is_frame(value) or foreign.is_image(value):
        return None
    if hasattr(type(value), "__array__"):  # TensorFlow, JAX and others
        return np.asarray(value)
    return None


def _array_documents(array: np.ndarray[Any, Any], rows: Optional[int]) -> Tensor:
    """The documents of an array of strings or objects, or of one of which some
    elements are masked: those are null."""
    if array.dtype.kind not in ("OUSTbiuf" if masked(array) else "OUST"):
        raise OutputError(
            f"an array of {array.dtype} was returned, which cannot be sent: "
            "make it numbers of a size that numpy and others share, or strings"
        )
    if rows is None:
        return of_items([jsonvalues.dumps(array)], ())
    if array.ndim == 0:
        raise _no_rows(array, rows)
    return of_items(jsonvalues.dumps_all(list(array)), (len(array),))


def _documents(value: Any, rows: Optional[int]) -> Tensor:
    if rows is None:
        return of_items([jsonvalues.dumps(value)], ())
    return of_items(documents_of_rows(value, rows), (len(value),))


def documents_of_rows(value: Any, rows: int) -> list[bytes]:
    """A document for each row of a list, a data frame or an array."""
    if foreign.is_frame(value) or foreign.is_series(value):
        return jsonvalues.records(value)
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim):
        return jsonvalues.dumps_all(value)
    raise _no_rows(value, rows)


def _no_rows(value: Any, rows: int) -> OutputError:
    return OutputError(
        f"{what(value)} was returned for a batch of {rows} rows: return an array or a list with one value for each row"
    )
