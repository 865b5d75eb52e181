"""Properties of the intervals, against a plain grid search of the score test and against Wilson's closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.estimation.intervals import QUANTILE, Answered, estimate_recall, estimate_share

LARGE = 1e12
"""A size at which a sample without replacement is one with replacement."""


@st.composite
def answered_strata(draw: st.DrawFn, min_size: int = 1) -> Answered:
    number = draw(st.integers(1, 4))
    sizes, right, answers = [], [], []
    for _ in range(number):
        count = draw(st.integers(max(min_size, 1), 30))
        answers.append(count)
        right.append(draw(st.integers(0, count)))
        sizes.append(float(count + draw(st.integers(0, 500))))
    return Answered.of(sizes, right, answers)


def search_limits(num_right: int, num_answers: int) -> tuple[float, float]:
    """Search the skewness-corrected score limits of one share on a fine grid, from the outside."""
    shares = np.linspace(1e-6, 1 - 1e-6, 50_001)
    error = np.sqrt(shares * (1 - shares) / num_answers)
    statistic = (num_right / num_answers - shares) / error
    skewness = (1 - 2 * shares) / np.sqrt(num_answers * shares * (1 - shares))
    correction = skewness * (QUANTILE**2 - 1) / 6
    low = shares[statistic <= QUANTILE + correction][0] if num_right else 0.0
    high = shares[statistic >= -QUANTILE + correction][-1] if num_right < num_answers else 1.0
    return float(low), float(high)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=50)
def test_one_large_stratum_has_the_limits_of_a_grid_search(counts: tuple[int, int]) -> None:
    interval = estimate_share(Answered.of([LARGE], [counts[0]], [counts[1]]))
    # Limits are searched in steps of 3e-4 of a logit, which is up to 8e-5 of a share.
    assert (interval.low, interval.high) == pytest.approx(search_limits(*counts), abs=1e-4)


@given(answered_strata())
@settings(max_examples=50)
def test_the_interval_contains_the_estimate_and_stays_in_bounds(answered: Answered) -> None:
    interval = estimate_share(answered)
    expected = float((answered.sizes * answered.shares).sum() / answered.sizes.sum())
    assert interval.value == pytest.approx(expected)
    assert 0 <= interval.low <= interval.value + 1e-12
    assert interval.value - 1e-12 <= interval.high <= 1


@given(answered_strata())
@settings(max_examples=50)
def test_swapping_right_and_wrong_mirrors_the_interval(answered: Answered) -> None:
    wrong = Answered(
        answered.sizes, answered.num_answers - answered.num_right, answered.num_answers, answered.size_variances
    )
    interval, mirrored = estimate_share(answered), estimate_share(wrong)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((interval.low, interval.high), abs=1e-4)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20)), min_size=1, max_size=4))
def test_a_population_with_all_answers_has_no_width(strata: list[tuple[int, int]]) -> None:
    answers = [count for count, _ in strata]
    right = [min(count, wanted) for count, wanted in strata]
    interval = estimate_share(Answered.of([float(count) for count in answers], right, answers))
    assert (interval.low, interval.high) == pytest.approx((interval.value, interval.value), abs=1e-5)


@given(answered_strata(), answered_strata())
@settings(max_examples=30)
def test_recall_contains_its_estimate(found: Answered, missed: Answered) -> None:
    interval = estimate_recall(found, missed)
    if found.total + missed.total == 0:
        assert interval is None
    else:
        assert interval is not None
        assert interval.value == pytest.approx(found.total / (found.total + missed.total))
        assert 0 <= interval.low <= interval.value + 1e-12
        assert interval.value - 1e-12 <= interval.high <= 1


@given(answered_strata(min_size=3))
@settings(max_examples=30)
def test_uncertain_sizes_never_narrow_the_interval_of_recall(missed: Answered) -> None:
    found = Answered.of([100.0], [9], [10])
    unsure = Answered(missed.sizes, missed.num_right, missed.num_answers, (missed.sizes / 2) ** 2)
    exact, wide = estimate_recall(found, missed), estimate_recall(found, unsure)
    assert exact is not None
    assert wide is not None
    assert wide.low <= exact.low + 1e-3
    assert wide.high >= exact.high - 1e-3
