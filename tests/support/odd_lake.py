"""A lake whose rows hold the values on which SQL dialects differ. One table of it is used: `runs`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from jobs.lake.lake import Lake
from jobs.tables import runs
from tests.support.written_lake import append_rows

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

_DOUBLES = (
    *(0.0, -0.0, 1.0, -1.5, 2.5, 3.5, 1.005, 0.125, 0.285, 33.335, 1e-7, 1e16, 123456789.98765433, 0.1, 0.3),
    *(float("nan"), float("inf"), float("-inf"), 1e300, 5e-324),
)
_INTEGERS = (
    None,
    0,
    1,
    -1,
    2,
    3,
    7,
    -7,
    10,
    255,
    2**31 - 1,
    -(2**31),
    2**31,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
    100,
    5,
    6,
    8,
)
_TEXTS = (
    *(None, "", "a", "A", "b", "aa", "ab", "Ä", "ß", "İstanbul", " x ", "it's", "a%b_c", "back\\slash", "new\nline"),
    *("😀é", "e\u0301", "NaN", "10", "9"),
)
_TIMES = (
    *(None, datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime(1900, 1, 1, tzinfo=UTC)),
    *(
        datetime(2024, 2, 29, 12, 30, 15, 5, UTC),
        datetime(2024, 12, 30, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ),
    datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
)
_MAPS: tuple[dict[str, int | None], ...] = ({}, {"a": 1}, {"a": None}, {"b": 2, "a": 3}, {"": -1})


def write_odd_lake(spark: SparkSession, folder: Path) -> Path:
    """Write the table in two files, of which one lacks the newest columns, and return the folder of the lake."""
    lake = Lake(spark, str(folder))
    lake.create(runs.TABLE)
    rows = [_make_row(number) for number in range(2 * len(_DOUBLES))]
    half = len(_DOUBLES)
    append_rows(lake, runs.TABLE, rows[:half])
    append_rows(lake, runs.TABLE, rows[half:])
    return folder


def _make_row(number: int) -> dict[str, Any]:
    step = number // len(_DOUBLES)

    def pick(values: tuple[Any, ...], stride: int) -> Any:
        return values[(number * (1 + step) + stride * step) % len(values)]

    return {
        "run_id": f"run-{number:02}",
        "stage": ("run", "pairs", "duplicates")[number % 3],
        "status": ("done", "failed")[number % 2],
        "run_date": date(2024, 1 + number % 12, 1 + number % 28),
        "started_at": pick(_TIMES[1:], 2),
        "seconds": pick(_DOUBLES, 3),
        "num_rows": pick(_INTEGERS, 5),
        "output_version": number % 5 if number % 4 else None,
        "input_versions": {"pairs": number},
        "error_counts": pick(_MAPS, 1),
        "error_detail": pick(_TEXTS, 7),
        "search_plan": pick(_TEXTS, 11),
        "search_recall": pick((None, *_DOUBLES), 1),
        "unseen_pairs": None if number % 3 else {"NOT_FOUND": number},
        "audit_values": None if number % 5 else {"x": pick(_DOUBLES, 2)},
        "config": None,
    }
