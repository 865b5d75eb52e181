"""Checks the values of a manifest before any work starts, and reports those that the night does without."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import functions as F

from jobs.contracts.manifest_values import FLAG_RULE, TIME_RULE, has_form_of_time, has_text, read_flag, read_time
from jobs.contracts.run_log import log
from jobs.errors import ContractError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_FLAG, _TIME = "is_removed", "published_at"
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

    Runs on: driver; executors read both columns, in one query.

    Raises:
        ContractError: an `is_removed` has an unknown value, or `published_at` has values, but none has the form of a
            date.
    """
    is_unknown, is_unread = _find_unknown_flags(rows), _find_unread_times(rows)
    if is_unknown is None and is_unread is None:
        return []
    no = F.lit(False)
    has_form = no if is_unread is None else has_form_of_time(rows, _TIME)
    bad = [no if is_bad is None else is_bad for is_bad in (is_unknown, is_unread)]
    num_unknown, num_unread, num_dates = rows.agg(*map(F.count_if, (*bad, has_form))).collect()[0]
    if num_unknown:
        shown = "; ".join(_show(rows, bad[0], _FLAG))
        raise ContractError(f"manifest {uri!r}: rows have an unknown {_FLAG}; {FLAG_RULE}; the first: {shown}")
    if not num_unread:
        return []
    unread = UnreadValues(_TIME, num_unread, _show(rows, bad[1], _TIME), TIME_RULE)
    if not num_dates:
        shown = "; ".join(unread.sample)
        raise ContractError(f"manifest {uri!r}: {_TIME} has no dates; {TIME_RULE}; the first: {shown}")
    log.warning("values read as null", manifest=uri, **unread._asdict())
    return [unread]


def _find_unknown_flags(rows: DataFrame) -> Column | None:
    """Return the condition that an is_removed is neither true nor false nor empty; None without the column."""
    return has_text(_FLAG) & read_flag(rows, _FLAG).isNull() if _FLAG in rows.columns else None


def _find_unread_times(rows: DataFrame) -> Column | None:
    """Return the condition that a published_at is no usable date; None without the column."""
    return has_text(_TIME) & read_time(rows, _TIME).isNull() if _TIME in rows.columns else None


def _show(rows: DataFrame, is_bad: Column, name: str) -> tuple[str, ...]:
    """Return the first bad rows as JSON of video_id and the value."""
    values = {name: F.col(name).cast("string").substr(1, _MAX_SHOWN_CHARACTERS) for name in ("video_id", name)}
    shown = F.to_json(F.struct(*[value.alias(column) for column, value in values.items()]))
    return tuple(row[0] for row in rows.where(is_bad).select(shown).take(_NUM_SHOWN))
