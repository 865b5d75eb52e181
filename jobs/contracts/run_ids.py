"""The ids of runs: they start with the UTC time of the start, so that they sort by it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

_TIME_FORMAT = "%Y%m%dT%H%M%SZ"


def make_run_id(started_at: datetime) -> str:
    """Return a unique id, for example 20260501T020304Z-a1b2c3.

    Args:
        started_at: start of the run, UTC.
    """
    return f"{started_at:{_TIME_FORMAT}}-{secrets.token_hex(3)}"


def parse_run_time(run_id: str) -> datetime | None:
    """Return the start of a run, UTC, from its id; None if the id has another format."""
    try:
        return datetime.strptime(run_id.partition("-")[0], _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
