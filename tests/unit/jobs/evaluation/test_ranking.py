from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jobs.evaluation.ranking import (
    Curve,
    PrecisionRecall,
    measure_mean_average_precision,
    measure_recalls,
    rank_scores,
)
from jobs.evaluation.truth import Query


def curve(*pairs: tuple[float, int], num_positives: int | None = None) -> Curve:
    scores, labels = zip(*pairs, strict=True) if pairs else ((), ())
    return Curve.of(np.array(scores, dtype=float), np.array(labels, dtype=bool), num_positives)


def answers(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["left_id", "right_id", "score"])


def test_average_precision_is_the_mean_of_the_precisions_at_the_positives() -> None:
    assert curve((0.7, 1), (0.9, 1), (0.8, 0)).measure_average_precision() == pytest.approx((1 + 2 / 3) / 2)


def test_equal_scores_are_counted_together() -> None:
    assert curve((0.9, 1), (0.9, 0)).measure_average_precision() == 0.5
    assert curve((0.9, 0), (0.9, 1)).measure_average_precision() == 0.5
    assert curve((-np.inf, 0), (-np.inf, 1)).measure_average_precision() == 0.5


def test_positives_without_a_score_have_precision_0() -> None:
    assert curve((0.9, 1), num_positives=4).measure_average_precision() == 0.25
    assert curve(num_positives=4).measure_average_precision() == 0.0


@pytest.mark.parametrize(
    ("pairs", "num_positives", "message"),
    [
        ([(0.9, 0)], None, "num_positives must be at least 1 and at least the 0 scored positives, got 0"),
        ([(0.9, 1), (0.8, 1)], 1, "num_positives must be at least 1 and at least the 2 scored positives, got 1"),
    ],
)
def test_an_impossible_number_of_positives_is_rejected(
    pairs: list[tuple[float, int]], num_positives: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        curve(*pairs, num_positives=num_positives)


def test_the_best_f1_has_the_highest_threshold_with_this_f1() -> None:
    # Pairs found: 1, 2, 3, 4. Positives found: 1, 1, 2, 2 of 2. F1: 2/3, 1/2, 4/5, 2/3.
    assert curve((0.9, 1), (0.8, 0), (0.7, 1), (0.6, 0)).find_best_f1() == (0.8, 0.7)
    assert curve(num_positives=1).find_best_f1() == (0.0, None)


def test_recall_at_a_precision_skips_thresholds_with_a_lower_precision() -> None:
    # The precisions are 0, 1/2, 2/3, 3/4. The first pair is false, but the last threshold reaches .7.
    found = curve((0.9, 0), (0.8, 1), (0.7, 1), (0.6, 1), num_positives=6)
    assert found.find_recall_at_precision(0.7) == (0.5, 0.6)
    assert found.find_recall_at_precision(0.75) == (0.5, 0.6)
    assert found.find_recall_at_precision(0.76) == (0.0, None)
    assert curve(num_positives=6).find_recall_at_precision(0.1) == (0.0, None)


def test_recall_at_a_precision_has_the_highest_threshold_with_this_recall() -> None:
    assert curve((0.9, 1), (0.8, 0), num_positives=1).find_recall_at_precision(0.5) == (1.0, 0.9)


def test_the_lowest_threshold_of_a_precision_may_find_no_further_positive() -> None:
    found = curve((0.9, 1), (0.8, 0), (0.7, 0))
    assert found.find_lowest(0.5) == 1  # the threshold .8
    assert found.find_recall_at_precision(0.5) == (1.0, 0.9)
    assert curve((0.9, 0), (0.9, 1)).find_lowest(0.6) is None


def test_the_lowest_threshold_finds_at_most_one_negative_in_ten_thousand() -> None:
    found = curve((0.9, 1), (0.8, 0), (0.7, 0))
    assert [found.find_lowest(0.0, number) for number in (0, 9_999, 10_000, 19_999, 20_000)] == [0, 0, 1, 1, 2]


def test_precision_and_recall_are_those_of_pairs_at_or_above_the_threshold() -> None:
    found = curve((0.9, 1), (0.8, 0), (0.7, 1), num_positives=4)
    assert found.count_at(0.8) == PrecisionRecall(0.5, 0.25)
    assert found.count_at(0.75) == PrecisionRecall(0.5, 0.25)
    assert found.count_at(None) == PrecisionRecall(2 / 3, 0.5)
    assert found.count_at(0.95) == PrecisionRecall(0.0, 0.0)


def test_f1_is_the_harmonic_mean() -> None:
    assert PrecisionRecall(1.0, 0.5).f1 == pytest.approx(2 / 3)
    assert PrecisionRecall(0.0, 0.0).f1 == 0.0


def test_pairs_are_ranked_by_the_first_score_and_the_next_breaks_ties() -> None:
    probability = np.array([1.0, 1.0, 0.5, 1.0, 1.0])
    alignment = np.array([0.2, np.nan, 0.9, 0.2, np.nan])
    cosine = np.array([0.7, 0.9, 0.9, 0.7, 0.8])
    assert rank_scores(probability, alignment, cosine).tolist() == [3, 2, 0, 3, 1]
    assert rank_scores(np.array([])).tolist() == []


def test_map_is_the_mean_over_queries_of_their_average_precision() -> None:
    rows = answers(("q", "a", 0.9), ("b", "q", 0.8), ("c", "q", 0.7), ("p", "z", 0.3), ("a", "b", 0.99))
    queries = [Query("q", frozenset("ac")), Query("p", frozenset("z"))]
    assert measure_mean_average_precision(rows, queries) == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)


def test_a_query_without_results_has_0_and_a_query_that_is_its_own_positive_finds_itself() -> None:
    nothing = answers()
    assert measure_mean_average_precision(nothing, [Query("q", frozenset("a"))]) == 0.0
    assert measure_mean_average_precision(nothing, [Query("q", frozenset("qabc"))]) == 0.25
    found = answers(("q", "x", 0.9), ("a", "q", 0.8))
    # The ranking is the query itself, x, a. The precisions at the two positives are 1 and 2/3.
    assert measure_mean_average_precision(found, [Query("q", frozenset("qa"))]) == pytest.approx((1 + 2 / 3) / 2)


def test_a_closed_query_ranks_only_labelled_videos_and_labels_override_exclusion() -> None:
    rows = answers(("q", "x", 0.9), ("q", "n", 0.8), ("q", "a", 0.7))
    positives, negatives = frozenset("a"), frozenset("n")
    assert measure_mean_average_precision(rows, [Query("q", positives)]) == pytest.approx(1 / 3)
    closed = Query("q", positives, negatives, is_closed=True)
    assert measure_mean_average_precision(rows, [closed]) == 0.5
    left_out = Query("q", positives, negatives, left_out=frozenset("xna"))
    assert measure_mean_average_precision(rows, [left_out]) == 0.5


def test_map_without_queries_is_rejected() -> None:
    with pytest.raises(ValueError, match="queries must have at least one query, got none"):
        measure_mean_average_precision(answers(), [])


def test_each_group_has_its_recall() -> None:
    groups = pd.Series(["flip", "crop", "flip"])
    recalls = measure_recalls(groups, np.array([True, False, False]))
    assert recalls.to_dict("index") == {
        "crop": {"num_pairs": 1, "num_found": 0, "recall": 0.0},
        "flip": {"num_pairs": 2, "num_found": 1, "recall": 0.5},
    }
