"""All figures, on a set of seven videos that can be checked by hand."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from jobs.errors import ContractError
from jobs.evaluation.measure import EvaluationReport, Rules, measure
from jobs.evaluation.ranking import PrecisionRecall
from jobs.evaluation.truth import SEGMENT_COLUMNS, Query, Truth

VIDEOS = list("abcdefg")
SCORES = Rules(score_columns=("score",))
UNKNOWN = (np.nan,) * 4


def truth(*rows: tuple[str, str, str, float, float, float, float]) -> Truth:
    data = [(*pair, relation, transform, *bounds) for pair, relation, transform, *bounds in rows]
    return Truth(pd.DataFrame(data, columns=["left_id", "right_id", "relation", "transform", *SEGMENT_COLUMNS]))


def scored(*rows: tuple[str, float]) -> pd.DataFrame:
    return pd.DataFrame([(*pair, score) for pair, score in rows], columns=["left_id", "right_id", "score"])


TRUTH = truth(
    ("ab", "copy", "flip", 0, 4, 0, 4),
    ("ac", "copy", "crop", *UNKNOWN),
    ("bc", "copy", "", *UNKNOWN),
    ("de", "partial", "trim", 0, 2, 6, 8),
    ("de", "partial", "slow", 5, 9, 0, 4),
    ("af", "ignore", "", *UNKNOWN),
    ("az", "copy", "flip", *UNKNOWN),
)
SCORED = scored(("ba", 0.9), ("af", 0.8), ("ag", 0.7), ("de", 0.6), ("ca", 0.4), ("fg", 0.3), ("yz", 0.99))


def test_ignored_pairs_and_pairs_of_other_videos_are_not_evaluated() -> None:
    figures = measure(SCORED, TRUTH, VIDEOS, rules=Rules(("score",), min_score=0.5)).pairs
    assert figures is not None
    # Ranking: ab true, ag false, de true, ac true, fg false. bc has no score.
    assert figures.average_precision == pytest.approx((1 + 2 / 3 + 3 / 4) / 4)
    assert (figures.precision, figures.recall) == (pytest.approx(2 / 3), 0.5)
    assert (figures.num_positives, figures.num_found) == (4, 3)
    assert (figures.best_f1, figures.best_f1_score) == (pytest.approx(6 / 8), 0.4)
    assert figures.recall_at_precision == {"0.9": 0.25, "0.99": 0.25}
    assert figures.score_at_precision == {"0.9": 0.9, "0.99": 0.9}
    assert figures.recall_by_relation == {"copy": pytest.approx(1 / 3), "partial": 1.0}


def test_without_a_threshold_all_scored_pairs_are_found() -> None:
    figures = measure(SCORED, TRUTH, VIDEOS, rules=SCORES).pairs
    assert figures is not None
    assert (figures.precision, figures.recall, figures.num_found) == (0.6, 0.75, 5)


def test_the_threshold_applies_to_the_first_score_and_the_others_break_ties() -> None:
    pairs = scored(("ab", 1.0), ("ag", 1.0)).assign(alignment=[np.nan, np.nan], cosine=[0.8, 0.9])
    figures = measure(pairs, TRUTH, VIDEOS, rules=Rules(("score", "alignment", "cosine"), min_score=1.0)).pairs
    assert figures is not None
    assert figures.average_precision == pytest.approx(1 / 2 / 4)
    assert figures.precision == 0.5
    assert figures.recall_at_precision["0.9"] == 0.0
    assert figures.score_at_precision["0.9"] is None


def test_excluded_pairs_are_counted() -> None:
    report = measure(SCORED, TRUTH, VIDEOS, rules=SCORES)
    assert (report.num_videos, report.num_truth_pairs, report.num_left_out) == (7, 6, 1)


def test_each_transform_has_its_recall_and_a_pair_is_counted_for_each_of_its_transforms() -> None:
    found = measure(SCORED, TRUTH, VIDEOS, rules=Rules(("score",), min_score=0.5)).per_transform
    assert found["recall"].to_dict() == {"crop": 0.0, "flip": 1.0, "slow": 1.0, "trim": 1.0}
    assert found["num_pairs"].tolist() == [1, 1, 1, 1]


def test_the_true_clusters_are_those_of_the_copies() -> None:
    clusters = {"a": "1", "b": "1", "f": "1", "d": "2", "e": "2", "z": "1"}
    figures = measure(SCORED, TRUTH, VIDEOS, clusters, SCORES).clusters
    assert figures is not None
    # Precision: a 1 (the pair a, f is ignored), b 2/3, f 1/2, others 1. Recall: a 2/3, b 2/3, c 1/3, others 1.
    assert figures.precision == pytest.approx((1 + 2 / 3 + 1 / 2 + 1 + 1 + 1 + 1) / 7)
    assert figures.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 4) / 7)
    assert measure(SCORED, TRUTH, VIDEOS, rules=SCORES).clusters is None


def test_segments_of_found_pairs_are_evaluated_if_the_truth_has_segments() -> None:
    bounds = pd.DataFrame(
        [
            ("b", "a", 0.9, 0, 4, 0, 4),
            ("a", "c", 0.9, 0, 99, 0, 99),  # its segments are unknown
            ("a", "f", 0.9, 0, 99, 0, 99),  # ignored
            ("d", "e", 0.9, *UNKNOWN),
            ("e", "d", 0.9, 6, 8, 0, 2),
            ("a", "g", 0.1, 0, 99, 0, 99),  # not found
        ],
        columns=["left_id", "right_id", "score", *SEGMENT_COLUMNS],
    )
    for ids in (object, "category"):
        pairs = bounds.astype({"left_id": ids, "right_id": ids})
        figures = measure(pairs, TRUTH, VIDEOS, rules=Rules(("score",), min_score=0.5)).segments
        assert figures is not None
        assert (figures.precision, figures.recall) == (1.0, pytest.approx(6 / 10 * 6 / 10))
        assert (figures.within_tolerance_fraction, figures.num_true_segments) == (0.5, 3)
    assert measure(SCORED, TRUTH, VIDEOS, rules=SCORES).segments is None


def test_the_score_of_a_pair_with_several_rows_is_the_highest() -> None:
    figures = measure(scored(("ag", 0.6), ("ba", 0.2), ("ab", 0.9), ("ab", 0.1)), TRUTH, VIDEOS, rules=SCORES).pairs
    assert figures is not None
    assert (figures.num_found, figures.average_precision) == (2, 0.25)


def test_a_video_paired_with_itself_is_ignored() -> None:
    figures = measure(scored(("aa", 0.9), ("ab", 0.8)), TRUTH, VIDEOS, rules=SCORES).pairs
    assert figures is not None
    assert figures.precision == 1.0


def test_a_truth_of_queries_gives_map_only() -> None:
    queries = {"own": (Query("a", frozenset("abz")), Query("d", frozenset("e"))), "none": (Query("a", frozenset("z")),)}
    report = measure(SCORED, Truth(rankings=queries), VIDEOS, {}, SCORES)
    # The first results of a are a itself and b. The result of d is e.
    assert report.mean_average_precision == {"own": 1.0}
    assert report.num_queries == {"own": 2}
    assert (report.pairs, report.segments, report.clusters, len(report.per_transform)) == (None, None, None, 0)
    assert (report.num_truth_pairs, report.num_left_out) == (3, 1)


def test_without_scored_pairs_nothing_is_found() -> None:
    report = measure(SCORED.iloc[:0], TRUTH, VIDEOS, {}, SCORES)
    assert report.pairs is not None
    assert (report.pairs.precision, report.pairs.recall, report.pairs.average_precision) == (0.0, 0.0, 0.0)
    assert report.pairs.best_f1_score is None
    assert report.clusters == PrecisionRecall(1.0, pytest.approx((1 / 3 * 3 + 4) / 7))


def test_a_report_can_be_converted_to_json(capsys: pytest.CaptureFixture[str]) -> None:
    report: EvaluationReport = measure(SCORED, TRUTH, VIDEOS, {}, SCORES)
    print(json.dumps(report.to_dict(), allow_nan=False))  # noqa: T201 - what is asserted is that it can be
    content = json.loads(capsys.readouterr().out)
    assert content["pairs"]["f1"] == pytest.approx(2 / 3)
    assert content["segments"] is None
    assert content["per_transform"][0] == {"transform": "crop", "num_pairs": 1, "num_found": 1, "recall": 1.0}


def test_a_truth_of_other_videos_is_rejected() -> None:
    message = (
        "the truth has no positive pairs among the 2 videos; 6 of its 6 pairs have a video that is not among them: "
        "give the truth of these videos, by their video_id"
    )
    with pytest.raises(ContractError, match=re.escape(message)):
        measure(SCORED, TRUTH, ["x", "y"], rules=SCORES)


def test_scored_pairs_without_a_column_or_score_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"scored pairs have no column\(s\) match_probability, alignment_similarity"):
        measure(SCORED, TRUTH, VIDEOS)
    with pytest.raises(ValueError, match="every scored pair must have a score, got pairs without"):
        measure(SCORED.assign(score=np.nan), TRUTH, VIDEOS, rules=SCORES)
