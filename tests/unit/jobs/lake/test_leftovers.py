from __future__ import annotations

from datetime import UTC, datetime

from jobs.contracts.run import make_run_id
from jobs.lake.leftovers import read_run_time


def test_a_run_id_tells_when_its_run_started() -> None:
    started_at = datetime(2024, 5, 1, 2, 3, 4, tzinfo=UTC)
    assert read_run_time(make_run_id(started_at)) == started_at
    assert read_run_time("20240501T020304Z-abcdef") == started_at


def test_anybody_elses_tells_nothing() -> None:
    assert read_run_time("test-run") is None
    assert read_run_time("") is None
