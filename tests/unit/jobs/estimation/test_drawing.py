from __future__ import annotations

import pytest

from jobs.estimation.drawing import expand


def test_counts_of_all_videos_are_exact() -> None:
    assert expand([3, 4], 10, 10) == (7.0, 0.0)


def test_counts_of_a_sample_are_expanded_with_their_variance() -> None:
    """Two of four videos, with 3 and 1 candidates: the variance is 4^2 (1 - 2/4) 2 / 2."""
    total, variance = expand([3, 1], 2, 4)
    assert (total, variance) == (8.0, pytest.approx(8.0))
    assert expand([2], 2, 4) == (4.0, pytest.approx(8.0))


def test_one_video_says_nothing_about_the_others() -> None:
    assert expand([3], 1, 5) == (15.0, 225.0)
