"""The threshold of a night, chosen on labelled candidates. Few labels do not move it to the scores of their copies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import UsageError
from jobs.training.calibration import LabelledPairs
from jobs.training.threshold import ScoredCandidates

COPIES = [0.9991, 0.9984, 0.996]


def scored(copies: list[float], others: list[float], num_negatives: int, threshold: float = 0.8) -> ScoredCandidates:
    """Make candidates; all copies are candidates, and `num_negatives` includes the others."""
    is_copy = np.array([True] * len(copies) + [False] * len(others))
    labelled = LabelledPairs(np.array(copies + others), is_copy, ((),) * len(is_copy), "test")
    return ScoredCandidates(labelled, len(copies), num_negatives, threshold)


def test_a_lake_whose_copies_all_score_high_keeps_the_threshold_in_use() -> None:
    assert scored(COPIES, [], 31).choose_threshold(0.99) == 0.8
    assert scored(COPIES, [0.2, 0.05], 31).choose_threshold(0.99) == 0.8


def test_the_threshold_rises_just_above_the_false_pairs_and_not_to_the_copies() -> None:
    assert scored([*COPIES, 0.95], [0.9114, 0.3], 31).choose_threshold(0.99) == 0.912


def test_the_threshold_falls_only_if_enough_negatives_show_that_it_may() -> None:
    copies, others = [*COPIES, 0.6], [0.4006, 0.2]
    assert scored(copies, others, 9_999).choose_threshold(0.99) == 0.8
    assert scored(copies, others, 19_999).choose_threshold(1.0) == 0.401


def test_labels_that_no_threshold_satisfies_are_reported() -> None:
    with pytest.raises(UsageError, match=r"no threshold reaches a precision of 0\.99"):
        scored([0.5], [0.999, 0.998], 31).choose_threshold(0.99)


_PROBABILITIES = st.lists(st.floats(0, 0.9994), min_size=1, max_size=30)


@given(copies=_PROBABILITIES, others=_PROBABILITIES, precision=st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_the_chosen_threshold_reaches_the_precision_on_the_labels(
    copies: list[float], others: list[float], precision: float
) -> None:
    candidates = scored(copies, others, 1000)
    try:
        threshold = candidates.choose_threshold(precision)
    except UsageError:
        return
    found = [score for score in copies if score >= threshold]
    false = [score for score in others if score >= threshold]
    assert len(false) == 0, "1 in 10,000 of 1,000 negatives is none"
    assert not found or len(found) / (len(found) + len(false)) >= precision
    assert threshold <= max(0.8, max(others) + 0.001)


def test_the_curve_counts_copies_that_are_no_candidates() -> None:
    candidates = ScoredCandidates(scored(COPIES, [0.1], 31).labelled, 4, 31, 0.8)
    assert candidates.curve.recalls.tolist() == [0.25, 0.5, 0.75, 0.75]
