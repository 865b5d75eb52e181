"""How the values of a manifest are read: dates, and whether a video is removed. Spark expressions, on the driver."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql.types import DateType, TimestampNTZType, TimestampType

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

FIRST_TIME = datetime(1800, 1, 1, tzinfo=UTC)
END_TIME = datetime(2200, 1, 1, tzinfo=UTC)
"""Dates outside of [FIRST_TIME, END_TIME) stand for "unknown", such as 0001-01-01 of Go and .NET, and 9999-12-31."""
TIME_RULE = (
    f"a date is YYYY-MM-DD from {FIRST_TIME:%Y-%m-%d} to before {END_TIME:%Y-%m-%d}, or a date and a time of ISO 8601"
)
TRUE_WORDS = ("1", "1.0", "true", "t", "yes", "y", "on", "removed", "deleted")
FALSE_WORDS = ("0", "0.0", "false", "f", "no", "n", "off", "nan")
FLAG_RULE = f"write one of {', '.join(TRUE_WORDS)}, or one of {', '.join(FALSE_WORDS)}, or nothing"
_TIMES = (TimestampType, TimestampNTZType, DateType)
_PATTERN = (
    r"^(\d{4}(?:-\d{1,2}-|/\d{1,2}/)\d{1,2})"  # the date
    r"(?:[T ](\d{1,2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?"  # hours and minutes, seconds
    r" ?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?$"  # the offset
)
# Spark trims only spaces; files of spreadsheets also have tabs and no-break spaces.
_OUTER_SPACE = r"^[\s\u00a0]+|[\s\u00a0]+$"


def read_time(source: DataFrame, name: str) -> Column:
    """Read a column as a time, UTC; null if the value is empty, in another form, out of range, or no column exists.

    Accepted are dates with the year first (`2026-01-31`, `2026/1/31`), alone or with a time of ISO 8601 after `T` or a
    space, with an offset or UTC; and values of the types date and timestamp. Numbers, times alone and dates with the
    day or the month first are not: they have more than one meaning.
    """
    if name not in source.columns:
        return F.lit(None).cast("timestamp")
    column = F.col(name)
    if isinstance(source.schema[name].dataType, TimestampType):
        return keep_in_range(column)
    text = F.upper(_trim(column))
    date, clock, seconds, offset = (F.regexp_extract(text, _PATTERN, group) for group in (1, 2, 3, 4))
    full = F.concat(
        F.translate(date, "/", "-"),
        F.lit(" "),
        F.when(clock == "", "00:00").otherwise(clock),
        F.when(seconds == "", ":00").otherwise(seconds),
        # A value without an offset is in UTC, whatever the time zone of the session.
        F.when(offset.isin("", "UTC", "GMT"), "Z").otherwise(offset),
    )
    return keep_in_range(F.when(date != "", full.try_cast("timestamp")))


def has_form_of_time(source: DataFrame, name: str) -> Column:
    """Return whether a value has the form of a date, also if no calendar has it or it is out of range."""
    if isinstance(source.schema[name].dataType, _TIMES):
        return F.col(name).isNotNull()
    return F.coalesce(F.upper(_trim(F.col(name))).rlike(_PATTERN), F.lit(False))


def keep_in_range(time: Column) -> Column:
    """Return times of [FIRST_TIME, END_TIME), and null for others, which Python, pandas or Parquet may not hold."""
    seconds = F.unix_seconds(time)
    return F.when((seconds >= int(FIRST_TIME.timestamp())) & (seconds < int(END_TIME.timestamp())), time)


def read_flag(source: DataFrame, name: str) -> Column:
    """Read a column as a boolean; null if the value is empty or unknown, or no column exists."""
    if name not in source.columns:
        return F.lit(None).cast("boolean")
    word = F.lower(_trim(F.col(name)))
    return F.when(word.isin(*TRUE_WORDS), F.lit(True)).when(word.isin(*FALSE_WORDS), F.lit(False))


def has_text(name: str) -> Column:
    """Return whether a value is neither null nor blank."""
    return F.coalesce(_trim(F.col(name)) != "", F.lit(False))


def _trim(column: Column) -> Column:
    """Return a value as text without white space at its ends."""
    return F.regexp_replace(column.cast("string"), _OUTER_SPACE, "")
