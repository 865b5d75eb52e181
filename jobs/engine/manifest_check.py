"""Checks the values of a manifest before any work starts, and reports those that the night does without."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import functions as F

from jobs.contracts.manifest_values import FLAG_RULE, TIME_RULE, has_form_of_time, has_text, read_flag, read_time
from jobs.contracts.run_log import log
from jobs.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_NUM_SHOWN = 3
_MAX_SHOWN_CHARACTERS = 100


class UnreadValues(NamedTuple):
    """Values of a column that are read as null, because they break a rule.

    Attributes:
        column: name of the column.
        num_rows: rows with such a value.
        sample: the first of them, each with its video_id.
        rule: what values must be.
    """

    column: str
    num_rows: int
    sample: tuple[str, ...]
    rule: str

    def __str__(self) -> str:
        """Return a line for people."""
        return f"{self.num_rows} rows have no usable {self.column}, such as {'; '.join(self.sample)}: {self.rule}"


def check_values(rows: DataFrame, uri: str) -> list[UnreadValues]:
    """Check `published_at` and `is_removed` of a manifest, and log the values that are read as null.

    Runs on: driver; executors read each of the columns once.

    Raises:
        ContractError: an `is_removed` has an unknown value, or `published_at` has values, but none has the form of a
            date.
    """
    _check_flags(rows, uri, "is_removed")
    unread = _check_times(rows, uri, "published_at")
    for found in unread:
        log.warning("values read as null", manifest=uri, **found._asdict())
    return unread


def _check_flags(rows: DataFrame, uri: str, name: str) -> None:
    """Raise ContractError if a value is neither true nor false nor empty."""
    if name not in rows.columns:
        return
    shown = _show(rows, has_text(name) & read_flag(rows, name).isNull(), name)
    if shown:
        raise ContractError(
            f"manifest {uri!r}: rows have an unknown {name}; {FLAG_RULE}; the first: {'; '.join(shown)}"
        )


def _check_times(rows: DataFrame, uri: str, name: str) -> list[UnreadValues]:
    """Return the values that are no usable dates; raise ContractError if none has the form of a date."""
    if name not in rows.columns:
        return []
    is_bad = has_text(name) & read_time(rows, name).isNull()
    counts = rows.agg(F.count_if(is_bad).alias("bad"), F.count_if(has_form_of_time(rows, name)).alias("dates"))
    num_bad, num_dates = counts.collect()[0]
    if not num_bad:
        return []
    sample = _show(rows, is_bad, name)
    if not num_dates:
        raise ContractError(f"manifest {uri!r}: {name} has no dates; {TIME_RULE}; the first: {'; '.join(sample)}")
    return [UnreadValues(name, num_bad, sample, TIME_RULE)]


def _show(rows: DataFrame, is_bad: Column, name: str) -> tuple[str, ...]:
    """Return the first bad rows as JSON of video_id and the value."""
    values = {name: F.col(name).cast("string").substr(1, _MAX_SHOWN_CHARACTERS) for name in ("video_id", name)}
    shown = F.to_json(F.struct(*[value.alias(column) for column, value in values.items()]))
    return tuple(row[0] for row in rows.where(is_bad).select(shown).take(_NUM_SHOWN))
