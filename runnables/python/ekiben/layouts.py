"""Layouts: what pandas makes of rows, told from the rows before it is made.

Rows of equal layout make frames of the same columns, in the same order, of the
same types, and so does one frame of all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable
from typing import Any

_MISSING = object()
"""A cell that a row does not have, which becomes NaN."""

_NOTHING: set[Any] = {type(None), type(_MISSING)}
_NUMBERS: set[Any] = {int, float}


def of_frame(rows: list[Any]) -> Hashable:
    """The layout of a DataFrame of rows: records, lists or single values. Rows of
    several of these, which make none, are like no others."""
    forms = {type(row) if isinstance(row, (dict, list)) else None for row in rows}
    if len(forms) > 1:
        return object()
    if forms == {dict}:
        cells: dict[str, list[Any]] = {}
        for row in rows:
            for name, value in row.items():
                cells.setdefault(name, []).append(value)
        return tuple((name, of_column(column, len(column) < len(rows))) for name, column in cells.items())
    if forms == {list}:
        return tuple(of_column(column) for column in itertools.zip_longest(*rows, fillvalue=_MISSING))
    return of_column(rows)


def of_column(values: Iterable[Any], gaps: bool = False) -> Hashable:
    """The layout of a column, or of a Series. gaps: some rows lack a value."""
    kinds: set[Any] = {_kind(value) for value in values}
    if gaps:
        kinds.add(type(_MISSING))
    some = kinds - _NOTHING
    if some and some <= _NUMBERS and (float in kinds or kinds != some):
        return "float"  # integers too, and what is missing is NaN
    return frozenset(kinds)


def _kind(value: Any) -> Any:
    """What decides on the type of a column. An integer beyond 64 bits is like no
    other, since what it becomes depends on its column."""
    if type(value) is int and not -(1 << 63) <= value < 1 << 63:
        return object()
    return type(value)
