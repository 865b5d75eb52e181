"""Values of DuckDB become the cells that Spark gives."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from jobs.querying.duckdb_cells import choose_reader
from jobs.querying.kinds import BIGINT, BINARY, DATE, DECIMAL, DOUBLE, STRING, TIMESTAMP, Kind, UnsupportedError


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (DOUBLE, 1.5, 1.5),
        (DOUBLE, float("nan"), "NaN"),
        (DOUBLE, float("-inf"), "-Infinity"),
        (DOUBLE, None, None),
        (TIMESTAMP, -1, "1969-12-31T23:59:59.999999Z"),
        (TIMESTAMP, None, None),
        (DATE, date(1, 1, 1), "0001-01-01"),
        (Kind("array", (DOUBLE,)), [1.0, None, float("inf")], [1.0, None, "Infinity"]),
        (Kind("array", (BINARY,)), [b"\x00\xff"], ["00ff"]),
        (Kind("map", (STRING, BIGINT)), {"a": None, "b": 1}, {"a": None, "b": 1}),
        (Kind("map", (STRING, BIGINT)), None, None),
    ],
)
def test_a_value_becomes_a_cell(kind: Kind, value: Any, expected: Any) -> None:
    assert choose_reader(kind)(value) == expected


@pytest.mark.parametrize(
    "kind", [DECIMAL, Kind("array", (TIMESTAMP,)), Kind("map", (BIGINT, STRING)), Kind("map", (STRING, BINARY))]
)
def test_a_type_with_other_rules_is_refused(kind: Kind) -> None:
    with pytest.raises(UnsupportedError, match="are printed"):
        choose_reader(kind)


def test_a_time_that_python_has_not_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="a time is outside of the years 1 to 9999"):
        choose_reader(TIMESTAMP)(253_402_300_800_000_000)
    with pytest.raises(UnsupportedError, match="a date is outside of the years 1 to 9999"):
        choose_reader(DATE)("10000-01-01")
