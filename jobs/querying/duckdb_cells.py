"""Makes the cells of an answer of DuckDB equal to those of `jobs.sharing.cells`, which Spark makes."""

from __future__ import annotations

import math
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from jobs.contracts.times import format_utc, from_unix_micros
from jobs.querying.kinds import BINARY, DECIMAL, TIMESTAMP, Kind, UnsupportedError
from jobs.querying.scope import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.querying.scope import Column

_PLAIN = frozenset({"string", "boolean", "int", "bigint", "void"})
_NUMBERS = frozenset({"float", "double"})


def write_cell(column: Column) -> str:
    """Return the expression that fetches a column in a form from which `choose_reader` makes cells."""
    name = quote(column.stored)
    if column.kind == TIMESTAMP:
        return f"epoch_us({name})"
    return f"lower(hex({name}))" if column.kind == BINARY else name


def choose_reader(kind: Kind) -> Callable[[Any], Any]:
    """Return the function that makes a cell from a fetched value.

    Raises:
        UnsupportedError: the type has parts for which Spark has other rules.
    """
    if kind.name in _PLAIN or kind == BINARY:
        return lambda value: value
    if kind == DECIMAL or _contains_times(kind):
        raise UnsupportedError(f"values of type {kind} are printed")
    if kind.name in _NUMBERS:
        return _read_number
    if kind == TIMESTAMP:
        return _read_micros
    if kind.name == "date":
        return _read_date
    if kind.name == "array":
        read = bytes.hex if kind.parts[0] == BINARY else choose_reader(kind.parts[0])
        return partial(_read_list, read)
    if kind.parts[0].name != "string" or kind.parts[1] == BINARY:
        raise UnsupportedError(f"values of type {kind} are printed")
    return partial(_read_map, choose_reader(kind.parts[1]))


def _contains_times(kind: Kind) -> bool:
    """Return whether the parts of a type are times, which DuckDB returns in other forms."""
    return any(part == TIMESTAMP or _contains_times(part) for part in kind.parts)


def _read_list(read: Callable[[Any], Any], values: list[Any] | None) -> list[Any] | None:
    return None if values is None else [None if value is None else read(value) for value in values]


def _read_map(read: Callable[[Any], Any], values: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else {key: None if value is None else read(value) for key, value in values.items()}


def _read_number(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _read_micros(value: int | None) -> str | None:
    try:
        return None if value is None else format_utc(from_unix_micros(value))
    except OverflowError as error:
        raise UnsupportedError("a time is outside of the years 1 to 9999") from error


def _read_date(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, date):
        raise UnsupportedError("a date is outside of the years 1 to 9999")
    return value.isoformat()
