"""Kinds of values that are BYTES: text, opaque bytes, JSON, images, data frames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any, Optional

import numpy as np

from . import foreign, jsonvalues, layouts, undeclared
from .channel import Input, Items
from .dtypes import Tensor, of_items
from .errors import InputError, OutputError, what
from .values import Value, rows_fault


class ItemsValue(Value):
    """One BYTES element, or a list of them. load makes the value of an element,
    dump the element of a value."""

    datatype = "BYTES"

    def __init__(
        self,
        declared: str,
        content: str,
        load: Callable[[bytes], Any],
        dump: Callable[[Any], bytes],
        many: bool = False,
    ) -> None:
        self.declared = declared
        self.content = content
        self.shape = (-1,) if many else ()
        self.many = many
        self._load = load
        self._dump = dump

    def listed(self, declared: str) -> ItemsValue:
        """The list of such values."""
        return type(self)(declared, self.content, self._load, self._dump, many=True)

    def batch_fault(self, dim: int) -> Optional[str]:
        return rows_fault(self.declared, self.many, dim)

    def decode(self, raw: Input) -> Any:
        items = elements(raw)
        if not self.many:
            return self._load(items[0])
        if self._load is jsonvalues.loads:
            return jsonvalues.loads_all(items)
        return [self._row(i, item) for i, item in enumerate(items)]

    def _row(self, i: int, item: bytes) -> Any:
        """One of many. Rows are counted from 0."""
        try:
            return self._load(item)
        except InputError as exc:
            raise InputError(f"is wrong in row {i}: it {exc}") from exc.__cause__

    def encode(self, value: Any, rows: Optional[int]) -> Tensor:
        if not self.many:
            return of_items([self._dump(value)], ())
        if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__len__"):
            raise OutputError(f"{what(value)} was returned, declared is {self.declared}")
        if self._dump is jsonvalues.dumps:
            items = undeclared.documents_of_rows(value, 0 if rows is None else rows)
        else:
            items = [self._dump(item) for item in value]
        return of_items(items, (len(items),))


class FrameValue(ItemsValue):
    """pandas.DataFrame or pandas.Series: a JSON document for each row, which is a
    record or the row's values."""

    def __init__(self, declared: str) -> None:
        super().__init__(declared, "json", jsonvalues.loads, jsonvalues.dumps, many=True)

    def mixes(self, raw: Input) -> bool:
        return True

    def layout(self, raw: Items, rows: np.ndarray[Any, Any], dim: int) -> Hashable:
        values = _values(raw)[rows[0] : rows[-1] + 1] if len(rows) else []
        return layouts.of_frame(values) if self.declared.endswith("DataFrame") else layouts.of_column(values)

    def decode(self, raw: Input) -> Any:
        import pandas

        kind = getattr(pandas, self.declared.rpartition(".")[2])
        rows = _values(raw)
        try:
            return kind(rows)
        except (TypeError, ValueError, AttributeError) as exc:
            raise InputError(f"does not make a {self.declared}: {exc}") from exc


def _values(raw: Any) -> list[Any]:
    """The values of the documents that arrived."""
    items = elements(raw)
    if raw.values is None:
        raw.values = jsonvalues.loads_all(items)
    values: list[Any] = raw.values
    return values


def elements(raw: Input) -> list[bytes]:
    """The elements that arrived."""
    if not isinstance(raw, Items) or raw.shape and len(raw.shape) != 1:
        raise InputError("is a tensor of numbers, want BYTES")
    return raw.items


def text() -> ItemsValue:
    """str"""
    return ItemsValue("str", "text", _load_text, _dump_text)


def opaque() -> ItemsValue:
    """bytes"""
    return ItemsValue("bytes", "", bytes, _dump_bytes)


def document(declared: str) -> ItemsValue:
    """Any JSON."""
    return ItemsValue(declared, "json", jsonvalues.loads, jsonvalues.dumps)


def image() -> ItemsValue:
    """PIL.Image.Image"""
    return ItemsValue("PIL.Image.Image", "", foreign.load_image, _dump_image)


def model(cls: Any) -> ItemsValue:
    """A dataclass, or a model of pydantic."""
    make = getattr(cls, "model_validate", None) or getattr(cls, "parse_obj", None)
    if make is None:
        names = {field.name for field in dataclasses.fields(cls)}

        def make(fields: Any) -> Any:
            if not isinstance(fields, dict) or not names.issuperset(fields):
                raise TypeError(f"want an object with {', '.join(sorted(names))}")
            return cls(**fields)

    def load(item: bytes) -> Any:
        fields = jsonvalues.loads(item)
        try:
            return make(fields)
        except (TypeError, ValueError) as exc:
            raise InputError(f"does not make a {cls.__name__}: {exc}") from exc

    return ItemsValue(cls.__name__, "json", load, jsonvalues.dumps)


def _load_text(item: bytes) -> str:
    try:
        return item.decode()
    except UnicodeDecodeError as exc:
        raise InputError(f"is not text in UTF-8: {exc}") from exc


def _dump_text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise OutputError(f"{what(value)} was returned, declared is str")
    return value.encode()


def _dump_bytes(value: Any) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise OutputError(f"{what(value)} was returned, declared is bytes")
    return bytes(value)


def _dump_image(value: Any) -> bytes:
    """An image as PNG. Encoded images pass as they are."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if not foreign.is_image(value):
        raise OutputError(f"{what(value)} was returned, declared is PIL.Image.Image")
    return foreign.dump_image(value)
