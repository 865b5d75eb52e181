from __future__ import annotations

import pytest

from jobs.engine.budget import BackfillBudget, BackfillProgress

SIZES = (16, 4000)


def test_without_a_limit_every_batch_is_full() -> None:
    assert BackfillBudget().choose_batch(10**6, 10.0**6, None, SIZES) == 4000


@pytest.mark.parametrize(("num_tried", "size"), [(0, 4000), (7000, 3000), (9999, 1), (10_000, 0)])
def test_the_last_batch_is_limited_to_the_remaining_videos(num_tried: int, size: int) -> None:
    assert BackfillBudget(max_videos=10_000).choose_batch(num_tried, 0.0, 1.0, SIZES) == size


@pytest.mark.parametrize(("seconds", "size"), [(0.0, 4000), (3000.0, 1200), (3599.9, 1), (3600.0, 0), (4000.0, 0)])
def test_a_batch_is_limited_by_the_remaining_time(seconds: float, size: int) -> None:
    assert BackfillBudget(max_seconds=3600.0).choose_batch(0, seconds, 2.0, SIZES) == size


def test_the_first_batch_is_small_if_time_is_limited_and_the_rate_unknown() -> None:
    assert BackfillBudget(max_seconds=3600.0).choose_batch(0, 0.0, None, SIZES) == 16


def test_the_tighter_of_two_limits_applies() -> None:
    budget = BackfillBudget(max_videos=100, max_seconds=3600.0)
    assert budget.choose_batch(0, 0.0, 1.0, SIZES) == 100
    assert budget.choose_batch(0, 3590.0, 1.0, SIZES) == 10


def test_the_eta_is_the_remaining_videos_divided_by_the_rate() -> None:
    progress = BackfillProgress(num_videos=10_000, num_done=1000, num_failed=200, rate=2.0)
    assert (progress.num_left, progress.eta_seconds) == (8800, 4400.0)
    assert progress.describe() == (
        "done 1,000 of 10,000 videos (10.0 %), 200 in quarantine, 8,800 to go, 2 videos/s, ETA 1:13:20 of work"
    )


def test_there_is_no_eta_without_a_rate() -> None:
    assert BackfillProgress(4, 1, 0).eta_seconds is None
    assert BackfillProgress(4, 1, 0).describe() == "done 1 of 4 videos (25.0 %), 3 to go"


def test_a_finished_backfill_has_no_videos_left() -> None:
    assert BackfillProgress(4, 3, 1, 2.0).describe() == "done 3 of 4 videos (75.0 %), 1 in quarantine, 0 to go"
    assert BackfillProgress(0, 0, 0).describe() == "done 0 of 0 videos (100.0 %), 0 to go"
