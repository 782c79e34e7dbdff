"""JSON documents of Python values, and back."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import json
import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np

from . import foreign
from .errors import InputError, OutputError, what


def loads(document: bytes) -> Any:
    """The value of one document."""
    try:
        return json.loads(document)
    except ValueError as exc:
        raise InputError(f"is not one JSON document: {exc}") from exc


def loads_all(documents: list[bytes]) -> list[Any]:
    """The value of each document. They are parsed together, which is the faster
    way by far; documents that are none are found one by one."""
    try:
        values: list[Any] = json.loads(b"[" + b",".join(documents) + b"]")
    except ValueError:
        values = []
    if len(values) != len(documents):
        return [loads(document) for document in documents]
    return values


def dumps(value: Any) -> bytes:
    """One document. Arrays, data frames, dates and bytes (as base64) are known."""
    try:
        return _encoder.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        reason = str(exc)
        if reason.startswith("Out of range float values"):
            reason = (
                "JSON has no NaN and no infinity. Return None in their place, or an array of numbers, "
                "which callers can take as application/x-npy"
            )
        raise OutputError(f"{what(value)} was returned that has no JSON form: {reason}") from exc


def dumps_all(values: Any) -> list[bytes]:
    """A document for each value."""
    return [dumps(value) for value in values]


def records(value: Any) -> list[bytes]:
    """A document for each row of a data frame or series. What is missing is null."""
    return dumps_all(_rows(value) if foreign.is_frame(value) else _column(value))


def _rows(frame: Any) -> Iterable[dict[str, Any]]:
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise OutputError(f"a DataFrame has several columns {twice!r}, of which a record has one: rename them")
    if not names:
        return [{} for _ in range(len(frame))]
    columns = [_column(frame.iloc[:, i]) for i in range(len(names))]
    return [dict(zip(names, row)) for row in zip(*columns)]


def _column(series: Any) -> list[Any]:
    values = series.astype(object).where(series.notna(), None)
    return list(values)


def _default(value: Any) -> Any:
    """What json does not know."""
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if callable(getattr(value, "model_dump", None)):  # pydantic
        return value.model_dump(mode="json")
    if foreign.is_frame(value):
        return list(_rows(value))
    if foreign.is_series(value):
        return _column(value)
    if foreign.is_torch(value):
        return value.detach().cpu().tolist()
    if foreign.is_image(value):
        return _base64(foreign.dump_image(value))
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not known to JSON")


def _array(array: np.ndarray[Any, Any]) -> Any:
    if array.dtype.kind in "cV":
        raise TypeError(f"arrays of {array.dtype} are not known to JSON")
    if array.dtype.kind in "mM":
        text = np.datetime_as_string(array) if array.dtype.kind == "M" else array.astype(str)
        return np.ma.array(text, mask=np.ma.getmask(array)).tolist()
    return array.tolist()


def _scalar(value: np.generic) -> Any:
    return _array(np.asarray(value))


def _base64(value: Any) -> str:
    return base64.b64encode(bytes(value)).decode("ascii")


_CONVERSIONS: tuple[tuple[Any, Any], ...] = (
    (np.ndarray, _array),
    (np.generic, _scalar),
    ((bytes, bytearray, memoryview), _base64),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),  # datetimes are dates
    ((set, frozenset), list),
    ((decimal.Decimal, uuid.UUID, datetime.timedelta), str),
)

_encoder = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_default, check_circular=True
)
