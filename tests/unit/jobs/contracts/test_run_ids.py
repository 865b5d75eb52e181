from __future__ import annotations

from datetime import UTC, datetime

from jobs.contracts.run_ids import make_run_id, parse_run_time


def test_a_run_id_contains_the_start_of_its_run() -> None:
    started_at = datetime(2024, 5, 1, 2, 3, 4, tzinfo=UTC)
    assert parse_run_time(make_run_id(started_at)) == started_at
    assert parse_run_time("20240501T020304Z-abcdef") == started_at


def test_an_id_of_another_format_has_no_time() -> None:
    assert parse_run_time("test-run") is None
    assert parse_run_time("") is None
