"""Times as text. Their Spark columns are tested with `ndvr sql`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.contracts.times import format_utc, from_unix_micros

NEWFOUNDLAND = timezone(timedelta(hours=-3, minutes=-30))


@pytest.mark.parametrize(
    ("moment", "timespec", "expected"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "auto", "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC), "auto", "2026-01-02T03:04:05.000060Z"),
        (datetime(2026, 1, 1, 23, 34, 5, tzinfo=NEWFOUNDLAND), "auto", "2026-01-02T03:04:05Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "auto", "0001-01-01T00:00:00Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC), "milliseconds", "2026-01-02T03:04:05.999Z"),
    ],
)
def test_a_time_is_formatted_in_utc(moment: datetime, timespec: str, expected: str) -> None:
    assert format_utc(moment, timespec) == expected


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="a time must have an offset, got 2026-01-02T00:00:00"):
        format_utc(datetime(2026, 1, 2))  # noqa: DTZ001 -- the fault


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_and_text_give_the_time_back(moment: datetime) -> None:
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert from_unix_micros(micros) == moment
    assert datetime.fromisoformat(format_utc(moment)) == moment
