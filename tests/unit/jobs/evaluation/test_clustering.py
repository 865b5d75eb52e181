from __future__ import annotations

import pandas as pd
import pytest

from jobs.evaluation.clustering import measure_bcubed
from jobs.evaluation.ranking import PrecisionRecall


def cluster(*groups: str) -> dict[str, str]:
    return {video_id: f"cluster of {group}" for group in groups for video_id in group}


def test_precision_is_over_the_predicted_cluster_and_recall_over_the_true_cluster() -> None:
    # Predicted abc, de; true ab, cde. Precision: a 2/3, b 2/3, c 1/3, d 1, e 1. Recall: a 1, b 1, c 1/3, d 2/3, e 2/3.
    figures = measure_bcubed(cluster("abc", "de"), cluster("ab", "cde"), "abcde")
    assert figures.precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1) / 5)
    assert figures.recall == pytest.approx((1 + 1 + 1 / 3 + 2 / 3 + 2 / 3) / 5)


def test_a_video_in_no_cluster_is_a_cluster_of_its_own() -> None:
    assert measure_bcubed({}, {}, "abc") == PrecisionRecall(1.0, 1.0)
    assert measure_bcubed({}, cluster("ab"), "abcd") == PrecisionRecall(1.0, 0.75)
    assert measure_bcubed(cluster("ab"), {}, "abcd") == PrecisionRecall(0.75, 1.0)


def test_a_cluster_id_that_equals_the_id_of_another_video_does_not_include_it() -> None:
    assert measure_bcubed({"a": "c", "b": "c"}, cluster("ab"), "abc") == PrecisionRecall(1.0, 1.0)


def test_videos_that_are_not_counted_are_ignored() -> None:
    assert measure_bcubed(cluster("abx"), cluster("aby"), "ab") == PrecisionRecall(1.0, 1.0)


def test_ignored_pairs_may_or_may_not_be_in_one_cluster() -> None:
    ignored = pd.DataFrame({"left_id": ["a", "a", "x"], "right_id": ["c", "b", "z"]})
    # Predicted abc, true ab. The pair a, c is not counted; b and c are together by mistake.
    figures = measure_bcubed(cluster("abc"), cluster("ab"), "abc", ignored)
    assert figures.precision == pytest.approx((2 / 2 + 2 / 3 + 1 / 2) / 3)
    assert figures.recall == 1.0
    assert measure_bcubed(cluster("ac"), {}, "abc", ignored) == PrecisionRecall(1.0, 1.0)
    assert measure_bcubed({}, {}, "abc", ignored) == PrecisionRecall(1.0, 1.0)


def test_a_set_without_videos_is_rejected() -> None:
    with pytest.raises(ValueError, match="video_ids must have at least one video, got none"):
        measure_bcubed({}, {}, [])
