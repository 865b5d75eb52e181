"""Lets Delta skip the files that have none of some ids."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import Column

_MAX_RANGES = 100


def covers(column: str, values: Iterable[str] | Iterable[int]) -> Column:
    """Return a condition that all rows with one of these values meet, and few others. Join exactly afterwards.

    Delta compares each range of the condition with the smallest and the largest value in a file. It skips nothing for a
    join, and compares only the smallest and the largest value of a list (`DataFiltersBuilder` in Delta's
    DataSkippingReader.scala). Runs on: driver.

    Args:
        column: one of the columns with file statistics (`Table.num_indexed_columns`).
        values: any number; more than 100 are combined into 100 ranges.
    """
    ordered: list[Any] = sorted(set(values))
    length = max(1, -(-len(ordered) // _MAX_RANGES))
    parts = [ordered[begin : begin + length] for begin in range(0, len(ordered), length)]
    return reduce(or_, (F.col(column).between(part[0], part[-1]) for part in parts), F.lit(False))
