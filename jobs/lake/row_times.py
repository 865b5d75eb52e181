"""The time of a row that replaces earlier ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.times import from_unix_micros

if TYPE_CHECKING:
    from jobs.contracts.table import Table
    from jobs.lake.lake import Lake


def choose_time(lake: Lake, table: Table, column: str) -> datetime:
    """Return the time of the next row of a table in which the newest row applies. Runs on: driver.

    It is now, or a microsecond after the newest row if the clock that dated that row was ahead.

    Args:
        lake: the lake.
        table: a table whose rows are only added; it exists.
        column: its TIMESTAMP column that says which row is newer.
    """
    newest = lake.read(table.name).agg(F.unix_micros(F.max(column)).alias("micros")).collect()[0]["micros"]
    now = datetime.now(UTC)
    return now if newest is None else max(now, from_unix_micros(newest) + timedelta(microseconds=1))
