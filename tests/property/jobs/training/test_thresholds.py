"""Evaluation, calibration and verifier use one rule for the threshold of a precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import UsageError
from jobs.evaluation.ranking import Curve
from jobs.training.calibration import LabelledPairs, choose_similarity, choose_threshold, sweep_thresholds

LABELLED = st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=30).filter(
    lambda rows: any(is_copy for _, is_copy in rows)
)


@given(LABELLED, st.floats(0, 1, allow_nan=False), st.integers(0, 200_000))
def test_a_sweep_and_its_scores_find_the_same_pairs(
    rows: list[tuple[int, bool]], target: float, num_unscored: int
) -> None:
    scores, is_copy = np.array([row[0] for row in rows]) / 1000, np.array([row[1] for row in rows])
    num_negatives = num_unscored + int((~is_copy).sum())
    sweep = sweep_thresholds(LabelledPairs(scores, is_copy, ((),) * len(rows), "drawn"))
    curve = Curve.of(scores, is_copy)
    try:
        exact = choose_threshold(curve, num_negatives, target, "fit a verifier")
    except UsageError:
        with pytest.raises(UsageError, match="no threshold reaches a precision of"):
            choose_similarity(sweep, num_negatives, target)
        return
    of_sweep = choose_similarity(sweep, num_negatives, target)
    assert ((scores >= of_sweep) == (scores >= exact)).all()


@given(LABELLED, st.floats(0, 1, allow_nan=False))
def test_the_threshold_of_a_precision_has_the_recall_that_evaluation_reports(
    rows: list[tuple[int, bool]], target: float
) -> None:
    curve = Curve.of(np.array([row[0] for row in rows]) / 1000, np.array([row[1] for row in rows]))
    recall, threshold = curve.find_recall_at_precision(target)
    if threshold is None:
        assert curve.find_lowest(target) is None
    else:
        lowest = choose_threshold(curve, 10**9, target, "fit a verifier")
        assert curve.count_at(lowest).recall == recall
        assert lowest <= threshold
