from __future__ import annotations

import pandas as pd
import pytest

from jobs.evaluation.clustering import measure_bcubed
from jobs.evaluation.ranking import PrecisionRecall


def cluster(*groups: str) -> dict[str, str]:
    return {video_id: f"cluster of {group}" for group in groups for video_id in group}


def test_precision_is_over_the_predicted_cluster_and_recall_over_the_true_one() -> None:
    # predicted abc, de; true ab, cde.  precision: a 2/3, b 2/3, c 1/3, d 1, e 1; recall: a 1, b 1, c 1/3, d 2/3, e 2/3
    figures = measure_bcubed(cluster("abc", "de"), cluster("ab", "cde"), "abcde")
    assert figures.precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1) / 5)
    assert figures.recall == pytest.approx((1 + 1 + 1 / 3 + 2 / 3 + 2 / 3) / 5)


def test_videos_in_no_cluster_are_alone() -> None:
    assert measure_bcubed({}, {}, "abc") == PrecisionRecall(1.0, 1.0)
    assert measure_bcubed({}, cluster("ab"), "abcd") == PrecisionRecall(1.0, 0.75)
    assert measure_bcubed(cluster("ab"), {}, "abcd") == PrecisionRecall(0.75, 1.0)


def test_a_cluster_that_has_the_name_of_a_video_outside_it_does_not_take_it_in() -> None:
    assert measure_bcubed({"a": "c", "b": "c"}, cluster("ab"), "abc") == PrecisionRecall(1.0, 1.0)


def test_videos_that_do_not_count_are_passed_over() -> None:
    assert measure_bcubed(cluster("abx"), cluster("aby"), "ab") == PrecisionRecall(1.0, 1.0)


def test_unjudged_pairs_may_be_together_or_not() -> None:
    unjudged = pd.DataFrame({"left_id": ["a", "a", "x"], "right_id": ["c", "b", "z"]})
    # predicted abc, true ab: c leaves the cluster of a and a that of c; b and c are still wrong together
    figures = measure_bcubed(cluster("abc"), cluster("ab"), "abc", unjudged)
    assert figures.precision == pytest.approx((2 / 2 + 2 / 3 + 1 / 2) / 3)
    assert figures.recall == 1.0
    assert measure_bcubed(cluster("ac"), {}, "abc", unjudged) == PrecisionRecall(1.0, 1.0)
    assert measure_bcubed({}, {}, "abc", unjudged) == PrecisionRecall(1.0, 1.0)


def test_without_videos_there_are_no_figures() -> None:
    with pytest.raises(ValueError, match="video_ids must name at least one video, got none"):
        measure_bcubed({}, {}, [])
