"""Converts and joins terms; reads times that are written as texts."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from jobs.querying.kinds import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DECIMAL,
    DOUBLE,
    FLOAT,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    UnsupportedError,
)
from jobs.querying.scope import Term

if TYPE_CHECKING:
    from jobs.querying.kinds import Kind

DAY = re.compile(r"(?!0000)(19|20)\d\d-[01]\d-[0-3]\d")
MOMENT = re.compile(rf"{DAY.pattern}( [0-2]\d:[0-5]\d:[0-5]\d)?")
LOSSLESS = {(INT, BIGINT), (INT, DOUBLE), (BIGINT, DOUBLE), (FLOAT, DOUBLE), (INT, STRING), (BIGINT, STRING)} | {
    (NULL, kind) for kind in (STRING, BOOLEAN, DATE, TIMESTAMP, INT, BIGINT, DOUBLE, FLOAT, BINARY)
}
"""(from, to) of the casts that cannot fail, and that give equal values in Spark and DuckDB."""


def convert(term: Term, kind: Kind) -> Term:
    """Convert a term to the common type of several.

    Raises:
        UnsupportedError: the conversion is not one that Spark does without a cast.
    """
    if term.kind == kind:
        return term
    if term.kind == DECIMAL and kind == DOUBLE:
        return Term(term.sql, DOUBLE, term.is_aggregated)
    is_text = kind == STRING and term.kind != NULL
    if is_text or (term.kind, kind) not in LOSSLESS:
        raise UnsupportedError(f"{term.kind} becomes {kind}")
    return Term(f"CAST({term.sql} AS {kind.duckdb})", kind, term.is_aggregated)


def join_terms(operator: str, terms: list[Term], kind: Kind) -> Term:
    """Join terms by an operator."""
    return Term(f"({operator.join(term.sql for term in terms)})", kind, any(term.is_aggregated for term in terms))


def make_time(text: str, kind: Kind, pattern: re.Pattern[str]) -> Term:
    """Return a date or a time in UTC, the time zone of the session, from a text.

    Raises:
        UnsupportedError: the text has another form than 2026-01-02 or 2026-01-02 03:04:05, or names no time.
    """
    if not pattern.fullmatch(text):
        raise UnsupportedError(f"{text!r} is not a plain time")
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise UnsupportedError(f"{text!r} is no time") from error
    if kind == TIMESTAMP:
        text += "+00" if " " in text else " 00:00:00+00"
    return Term(f"CAST('{text}' AS {kind.duckdb})", kind)
