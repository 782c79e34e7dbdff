"""Runs: which of the calls that arrive together a method is given at once.

Values of most kinds are the same whichever calls they are run with. A frame of
pandas, or an array made of JSON, is not: its columns and types follow from all of
its rows. Calls share it only if each would have made one of the same layout.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from .channel import Call, Input, Items, items_of
from .dtypes import BYTES, Tensor, of_items
from .errors import InputError, MixedOutputs

if TYPE_CHECKING:
    from .methods import Method

    Rows = np.ndarray[Any, Any]


def runs_of(method: Method, call: Call) -> Optional[list[Rows]]:
    """The rows of each run, or None where all calls are run at once."""
    if not call.tail or not any(raw is not None and a.value.mixes(raw) for a, raw in zip(method.inputs, call.inputs)):
        return None
    ends = np.cumsum(call.sizes())
    found: dict[Hashable, list[Any]] = {}
    for begin, end in zip([0, *ends], ends):
        found.setdefault(_layout(method, call, begin, end), []).append(np.arange(begin, end))
    return [np.concatenate(calls) for calls in found.values()] if len(found) > 1 else None


def _layout(method: Method, call: Call, begin: int, end: int) -> Hashable:
    """What must be equal of calls that share a run."""
    layouts = []
    for argument, raw in zip(method.inputs, call.inputs):
        if raw is None or not argument.value.mixes(raw):
            continue
        try:
            layouts.append(argument.value.layout(raw, np.arange(begin, end), method.batch_in))
        except InputError as exc:
            raise InputError(f"argument {argument.name!r} {exc}") from exc.__cause__
    return tuple(layouts)


def take(raw: Input, rows: Rows, dim: int) -> Input:
    """Some rows of an argument."""
    if raw is None:
        return None
    if not isinstance(raw, Items):
        return raw.take(rows, dim)
    places = np.arange(len(raw.items)).reshape(raw.shape).take(rows, dim)
    return Items([raw.items[i] for i in places.flat], places.shape)


def joined(runs: list[Rows], outputs: list[list[Tensor]], dim: int) -> list[Tensor]:
    """The outputs of all runs as if there had been one, each row in its place."""
    back = np.argsort(np.concatenate(runs))
    return [_joined(tensors, back, dim) for tensors in zip(*outputs)]


def _joined(tensors: tuple[Tensor, ...], back: Rows, dim: int) -> Tensor:
    code = tensors[0].code
    if code == BYTES:
        items = [item for _, shape, data, size in tensors for item in items_of(data, 0, size, shape)]
        return of_items([items[i] for i in back], (len(items),))
    data = np.concatenate([tensor.data for tensor in tensors], dim).take(back, dim)
    return Tensor(code, data.shape, data, data.nbytes)


def owned(tensor: Tensor) -> Tensor:
    """The tensor with data of its own: a method may return memory that it writes to
    again when it is called for the next run."""
    return tensor if tensor.code == BYTES else tensor._replace(data=np.array(tensor.data))


def check_alike(first: list[Tensor], other: list[Tensor], dim: int) -> None:
    """Refuses outputs that are of different types: made one tensor they would become
    what neither is. The worker then runs the calls apart."""

    def kind(tensor: Tensor) -> tuple[int, tuple[int, ...]]:
        return tensor.code, tensor.shape[:dim] + tensor.shape[dim + 1 :]

    if list(map(kind, first)) != list(map(kind, other)):
        raise MixedOutputs("calls whose values have different columns or types were answered with different types")
