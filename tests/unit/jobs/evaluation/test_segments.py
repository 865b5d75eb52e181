from __future__ import annotations

import pandas as pd
import pytest

from jobs.evaluation.segments import SegmentFigures, measure_segments
from jobs.evaluation.truth import SEGMENT_COLUMNS

NOTHING = pd.DataFrame(columns=["left_id", "right_id", *SEGMENT_COLUMNS])


def boxes(*rows: tuple[str, float, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame([(*row[0], *row[1:]) for row in rows], columns=["left_id", "right_id", *SEGMENT_COLUMNS])


def test_an_exact_segment_has_precision_and_recall_1() -> None:
    box = boxes(("ab", 1, 5, 11, 15))
    assert measure_segments(box, box) == SegmentFigures(1.0, 1.0, 1.0, 1)


def test_precision_and_recall_are_products_over_the_two_time_axes() -> None:
    # Overlap in the left video: 2 of 4 predicted and 2 of 8 true seconds. In the right video: 4 of 4 and 4 of 5.
    figures = measure_segments(boxes(("ab", 0, 4, 0, 4)), boxes(("ab", 2, 10, 0, 5)))
    assert figures.precision == pytest.approx(2 / 4 * 4 / 4)
    assert figures.recall == pytest.approx(2 / 8 * 4 / 5)


def test_the_overlap_of_two_true_segments_is_counted_once() -> None:
    # The predicted segment overlaps 0-6 and 4-10 on both sides. The union is 10 of its 10 seconds, not 12.
    predicted = boxes(("ab", 0, 10, 0, 10))
    true = boxes(("ab", 0, 6, 0, 6), ("ab", 4, 10, 4, 10))
    figures = measure_segments(predicted, true)
    assert (figures.precision, figures.recall) == (1.0, 1.0)
    # Three segments: 0-8 contains 1-2 and 3-4.
    nested = boxes(("ab", 0, 8, 0, 8), ("ab", 1, 2, 1, 2), ("ab", 3, 4, 3, 4))
    assert measure_segments(predicted, nested).precision == pytest.approx(0.64)


def test_segments_that_overlap_on_one_axis_only_do_not_match() -> None:
    figures = measure_segments(boxes(("ab", 0, 4, 0, 4)), boxes(("ab", 0, 4, 4, 8)))
    assert (figures.precision, figures.recall) == (0.0, 0.0)


def test_pairs_are_independent_and_weighted_by_their_footage() -> None:
    predicted = boxes(("ab", 0, 9, 0, 9), ("cd", 0, 1, 0, 1))
    true = boxes(("ab", 0, 9, 0, 9), ("ce", 0, 3, 0, 3))
    figures = measure_segments(predicted, true)
    assert figures.precision == pytest.approx(0.9 * 0.9)
    assert figures.recall == pytest.approx(9 / 12 * 9 / 12)


def test_without_predicted_segments_nothing_is_found() -> None:
    assert measure_segments(NOTHING, boxes(("ab", 0, 4, 0, 4))) == SegmentFigures(0.0, 0.0, None, 1)


def test_bounds_are_correct_if_all_four_are_within_the_tolerance() -> None:
    predicted = boxes(("ab", 1, 5, 0.5, 4), ("cd", 0, 4, 0, 5.5))
    true = boxes(("ab", 0, 4, 0, 4), ("cd", 0, 4, 0, 4), ("ef", 0, 4, 0, 4))
    assert measure_segments(predicted, true).within_tolerance_fraction == 0.5
    assert measure_segments(predicted, true, 1.5).within_tolerance_fraction == 1.0
    assert measure_segments(predicted, true, 0.9).within_tolerance_fraction == 0.0


def test_a_pair_is_correct_if_each_true_segment_has_a_predicted_one() -> None:
    true = boxes(("ab", 0, 4, 0, 4), ("ab", 8, 12, 8, 12))
    assert measure_segments(true.iloc[:1], true).within_tolerance_fraction == 0.0
    assert measure_segments(pd.concat([true, boxes(("ab", 20, 24, 0, 4))]), true).within_tolerance_fraction == 1.0


def test_segments_without_bounds_and_a_truth_without_segments_are_rejected() -> None:
    box = boxes(("ab", 0, 4, 0, 4))
    with pytest.raises(ValueError, match="predicted segments must have four bounds each, got segments without"):
        measure_segments(box.assign(left_end_seconds=None), box)
    with pytest.raises(ValueError, match="true segments must have four bounds each, got segments without"):
        measure_segments(box, box.assign(left_end_seconds=None))
    with pytest.raises(ValueError, match="true segments must have at least one row, got none"):
        measure_segments(box, NOTHING)
