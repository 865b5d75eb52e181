from __future__ import annotations

import numpy as np
import pytest

from jobs.estimation.intervals import Answered, Interval, estimate_recall, estimate_share

LARGE = 1e12


@pytest.mark.parametrize(
    ("num_right", "low", "high"),
    [
        (100, 0.972, 1.0),  # the mid-P exact limit is .5 share^100 = .025: .9705
        (99, 0.953, 0.9994),  # mid-P: .9510 and .9995
        (98, 0.936, 0.9964),  # mid-P: .9352 and .9966
        (50, 0.403, 0.597),  # Wilson: .4038 and .5962
        (0, 0.0, 0.028),
    ],
)
def test_limits_of_a_hundred_answers(num_right: int, low: float, high: float) -> None:
    interval = estimate_share(Answered.of([LARGE], [num_right], [100]))
    assert interval == (num_right / 100, pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def test_the_estimate_is_weighted_by_the_sizes_of_strata() -> None:
    assert estimate_share(Answered.of([900.0, 100.0], [50, 25], [50, 50])).value == pytest.approx(0.95)


def test_an_interval_without_errors_is_that_of_the_stratum_drawn_least_densely() -> None:
    all_right = estimate_share(Answered.of([9e11, 1e11], [50, 50], [50, 50]))
    assert all_right.low == pytest.approx(1 - 0.9 * 0.0538, abs=1e-3)  # estimate_share of 50 of 50 is .946 to 1
    assert all_right.high == 1.0


def test_a_small_population_has_limits_of_whole_pairs() -> None:
    assert estimate_share(Answered.of([13.0], [12], [12])) == Interval(1.0, 12 / 13, 1.0)
    assert estimate_share(Answered.of([12.0], [12], [12])) == Interval(1.0, 1.0, 1.0)


def test_recall_is_found_over_found_and_missed() -> None:
    found, missed = Answered.of([90.0, 10.0], [9, 10], [9, 10]), Answered.of([50.0], [5], [10])
    interval = estimate_recall(found, missed)
    assert interval is not None
    assert interval.value == 100 / 125
    assert interval.low < 0.75
    assert interval.high > 0.85


def test_recall_needs_a_pair_that_is_right() -> None:
    assert estimate_recall(Answered.of([5.0], [0], [5]), Answered.of([9.0], [0], [3])) is None


def test_more_answers_keep_the_shares_and_stop_at_the_size() -> None:
    more = Answered.of([30.0, 1000.0], [10, 40], [20, 50]).with_more(1.0)
    np.testing.assert_allclose(more.num_answers, [30, 100])
    np.testing.assert_allclose(more.shares, [0.5, 0.8])
