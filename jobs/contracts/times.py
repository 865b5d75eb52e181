"""Times as text: UTC in ISO 8601, ending in Z, in any time zone of the machine and of the session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import Column

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IN_UTC = {"timeZone": "UTC", "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX"}
_ZERO_FRACTION = r"\.0+Z$"


def format_utc(moment: datetime, timespec: str = "auto") -> str:
    """Return a time as text, for example 2026-01-02T03:04:05Z.

    Args:
        moment: with an offset.
        timespec: as for `datetime.isoformat`; "auto" gives six digits of a second, or none if they are zero.

    Raises:
        ValueError: the time has no offset.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a time must have an offset, got {moment.isoformat()}")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def from_unix_micros(micros: int) -> datetime:
    """Return a time, in UTC, from microseconds since 1970.

    PySpark returns a TIMESTAMP as a naive local time, in which an hour of each autumn is ambiguous. Code that
    calculates with a time selects `unix_micros` of it and calls this function. Years 1 to 9999.
    """
    return _EPOCH + timedelta(microseconds=micros)


def as_utc_text(column: Column, *, keeps_zeros: bool = False) -> Column:
    """Return a TIMESTAMP column as text like that of `format_utc`; null stays null.

    `date_format` and casts use the time zone of the session, which the operator may set. Years after 9999 have a plus
    sign, years before 1 a minus sign.

    Args:
        column: TIMESTAMP.
        keeps_zeros: whether a fraction of zero is written too, so that all texts have one length.
    """
    from pyspark.sql import functions as F  # `ndvr --help` imports this module, and starts in a tenth of a second

    text = F.to_csv(F.struct(column.alias("time")), _IN_UTC)
    return F.when(column.isNotNull(), text if keeps_zeros else F.regexp_replace(text, _ZERO_FRACTION, "Z"))
