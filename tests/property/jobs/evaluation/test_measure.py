"""The vectorised figures against loops that follow their definitions, and against scikit-learn."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobs.evaluation.clustering import measure_bcubed
from jobs.evaluation.measure import Rules, measure
from jobs.evaluation.ranking import Curve, measure_mean_average_precision, rank_scores
from jobs.evaluation.segments import measure_segments
from jobs.evaluation.truth import SEGMENT_COLUMNS, Query, Truth, order_pairs

IDS = "abcdefgh"
PAIRS = [(left, right) for left in IDS for right in IDS if left < right]
SCORES = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.5000001, 0.9, 1.0])
LABELLED = st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=30).filter(
    lambda rows: any(r[1] for r in rows)
)
CLUSTERS = st.dictionaries(st.sampled_from(IDS), st.sampled_from("abxyz"))
SECONDS = st.integers(0, 12)
BOX = st.tuples(st.sampled_from(PAIRS[:3]), SECONDS, st.integers(1, 6), SECONDS, st.integers(1, 6))
BOXES = st.lists(BOX, min_size=1, max_size=8)
FRACTIONS = st.floats(0, 1, allow_nan=False)


def trace(rows: list[tuple[float, bool]], num_missing: int = 0) -> Curve:
    scores, labels = (np.array(column) for column in zip(*rows, strict=True))
    return Curve.of(scores, labels, int(labels.sum()) + num_missing)


@given(LABELLED)
def test_average_precision_is_that_of_scikit_learn(rows: list[tuple[float, bool]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="an oracle alone: nothing else needs scikit-learn")
    expected = metrics.average_precision_score([label for _, label in rows], [score for score, _ in rows])
    assert trace(rows).measure_average_precision() == pytest.approx(expected)


@given(LABELLED, st.integers(0, 9))
def test_positives_that_are_not_scored_scale_average_precision_and_recall(
    rows: list[tuple[float, bool]], num_missing: int
) -> None:
    whole, part = trace(rows), trace(rows, num_missing)
    share = whole.num_positives / part.num_positives
    assert part.measure_average_precision() == pytest.approx(whole.measure_average_precision() * share)
    assert part.count_at(0.5).recall == pytest.approx(whole.count_at(0.5).recall * share)
    assert part.count_at(0.5).precision == whole.count_at(0.5).precision


@given(LABELLED, FRACTIONS)
def test_thresholds_are_as_good_as_trying_them_all(rows: list[tuple[float, bool]], target: float) -> None:
    found = trace(rows, num_missing=2)
    tried = [found.count_at(score) for score, _ in rows]
    recalls = [figures.recall for figures in tried if figures.precision >= target]
    recall, threshold = found.find_recall_at_precision(target)
    assert recall == max(recalls, default=0.0)
    assert (threshold is None) == (recall == 0.0)
    if threshold is not None:
        assert found.count_at(threshold).precision >= target
        assert found.count_at(threshold).recall == recall
    assert found.find_best_f1()[0] == pytest.approx(max(figures.f1 for figures in tried))


@given(LABELLED, FRACTIONS, FRACTIONS)
def test_a_lower_threshold_never_loses_recall_and_a_higher_target_never_gains(
    rows: list[tuple[float, bool]], one: float, other: float
) -> None:
    found, (low, high) = trace(rows), sorted((one, other))
    assert found.count_at(low).recall >= found.count_at(high).recall
    assert found.find_recall_at_precision(low)[0] >= found.find_recall_at_precision(high)[0]


@given(st.lists(st.tuples(SCORES, SCORES | st.just(float("nan"))), max_size=20))
def test_ranks_order_pairs_as_python_orders_tuples(rows: list[tuple[float, float]]) -> None:
    columns = np.array(rows, dtype=float).reshape(-1, 2).T
    keys = [(first, -np.inf if np.isnan(second) else second) for first, second in rows]
    places = {key: place for place, key in enumerate(sorted(set(keys)))}
    assert rank_scores(*columns).tolist() == [places[key] for key in keys]


@given(
    st.lists(st.sampled_from(PAIRS), unique=True),
    st.sets(st.sampled_from(IDS[1:]), min_size=1),
    st.sets(st.sampled_from(IDS[1:])),
    st.booleans(),
    st.booleans(),
)
def test_map_is_what_the_code_of_the_sets_computes(
    pairs: list[tuple[str, str]], positives: set[str], negatives: set[str], is_closed: bool, finds_itself: bool
) -> None:
    """The loop of MKLab-ITI/visil, datasets: rank by rank, no score twice."""
    query = Query(
        "a", frozenset(positives | ({"a"} if finds_itself else set())), frozenset(negatives), is_closed=is_closed
    )
    rows = pd.DataFrame(pairs, columns=["left_id", "right_id"]).assign(score=np.arange(len(pairs), 0.0, -1))
    answers = (["a"] if finds_itself else []) + [right for left, right in pairs if left == "a"]
    num_true = num_ranked = total = 0.0
    for video_id in answers:
        if not is_closed or video_id in query.positives | query.negatives:
            num_ranked += 1
            if video_id in query.positives:
                num_true += 1
                total += num_true / num_ranked
    assert measure_mean_average_precision(rows, [query]) == pytest.approx(total / len(query.positives))


@given(CLUSTERS, CLUSTERS, st.lists(st.sampled_from(PAIRS), unique=True, max_size=6))
def test_bcubed_is_that_of_counting_video_by_video(
    predicted: dict[str, str], true: dict[str, str], unjudged: list[tuple[str, str]]
) -> None:
    def are_together(clusters: dict[str, str], one: str, other: str) -> bool:
        return one == other or (one in clusters and clusters[one] == clusters.get(other))

    precisions, recalls = [], []
    for one in IDS:
        of_one = {other for other in IDS if are_together(predicted, one, other)}
        of_truth = {other for other in IDS if are_together(true, one, other)}
        judged = {other for other in of_one if other in of_truth or tuple(sorted((one, other))) not in unjudged}
        precisions.append(len(of_one & of_truth) / len(judged))
        recalls.append(len(of_one & of_truth) / len(of_truth))
    figures = measure_bcubed(predicted, true, IDS, pd.DataFrame(unjudged, columns=["left_id", "right_id"]))
    assert (figures.precision, figures.recall) == (pytest.approx(np.mean(precisions)), pytest.approx(np.mean(recalls)))


@given(CLUSTERS, CLUSTERS)
def test_bcubed_precision_is_the_recall_of_the_sides_exchanged(one: dict[str, str], other: dict[str, str]) -> None:
    forth, back = measure_bcubed(one, other, IDS), measure_bcubed(other, one, IDS)
    assert (forth.precision, forth.recall) == (pytest.approx(back.recall), pytest.approx(back.precision))
    assert measure_bcubed(one, one, IDS).f1 == pytest.approx(1.0)


def frame(boxes: list[Any]) -> pd.DataFrame:
    rows = [(*pair, x, x + width, y, y + height) for pair, x, width, y, height in boxes]
    return pd.DataFrame(rows, columns=["left_id", "right_id", *SEGMENT_COLUMNS])


def share_covered(boxes: list[Any], others: list[Any]) -> float:
    """Count second by second, per box, what boxes of the other side cover where the areas meet."""
    shares = []
    for axis in (1, 3):
        covered, total = 0, 0
        for box in boxes:
            seconds: set[int] = set()
            for other in others:
                sides = [
                    set(range(box[i], box[i] + box[i + 1])) & set(range(other[i], other[i] + other[i + 1]))
                    for i in (1, 3)
                ]
                if box[0] == other[0] and all(sides):
                    seconds |= sides[(axis - 1) // 2]
            covered, total = covered + len(seconds), total + box[axis + 1]
        shares.append(covered / total)
    return shares[0] * shares[1]


@given(BOXES, BOXES)
def test_segment_figures_are_those_of_counting_seconds(predicted: list[Any], true: list[Any]) -> None:
    figures = measure_segments(frame(predicted), frame(true))
    assert figures.precision == pytest.approx(share_covered(predicted, true))
    assert figures.recall == pytest.approx(share_covered(true, predicted))


@given(BOXES, BOXES, st.floats(0, 5), st.floats(0, 5))
def test_a_wider_tolerance_never_has_fewer_right(
    predicted: list[Any], true: list[Any], one: float, other: float
) -> None:
    narrow, wide = (measure_segments(frame(predicted), frame(true), t) for t in sorted((one, other)))
    assert (narrow.within_tolerance_fraction or 0) <= (wide.within_tolerance_fraction or 0)


@given(
    st.dictionaries(st.sampled_from(PAIRS), SCORES),
    st.dictionaries(st.sampled_from(PAIRS), st.sampled_from(["copy", "partial", "ignore"]), min_size=1),
    SCORES,
    st.randoms(use_true_random=False),
)
def test_neither_the_order_of_rows_nor_of_sides_matters_and_counts_are_those_of_a_loop(
    scores: dict[tuple[str, str], float], relations: dict[tuple[str, str], str], least: float, chance: Any
) -> None:
    positives = {pair for pair, relation in relations.items() if relation != "ignore"}
    assume(positives)
    truth = pd.DataFrame([(*pair, relation, "") for pair, relation in relations.items()])
    truth.columns = ["left_id", "right_id", "relation", "transform"]
    rows = [(*pair, score) for pair, score in scores.items()]
    shuffled = [(right, left, score) if chance.random() < 0.5 else (left, right, score) for left, right, score in rows]
    chance.shuffle(shuffled)
    columns = ["left_id", "right_id", "score"]
    one, other = (
        measure(
            pd.DataFrame(data, columns=columns), Truth(truth), IDS, {}, Rules(("score",), min_score=least)
        ).to_dict()
        for data in (rows, shuffled)
    )
    assert one == other
    found = {pair for pair, score in scores.items() if score >= least and relations.get(pair) != "ignore"}
    counts = Counter(pair in positives for pair in found)
    assert one["pairs"]["num_found"] == len(found)
    assert one["pairs"]["precision"] == pytest.approx(counts[True] / max(len(found), 1))
    assert one["pairs"]["recall"] == pytest.approx(counts[True] / len(positives))


@given(st.lists(st.tuples(st.sampled_from(PAIRS), st.booleans(), st.integers(0, 9))))
def test_pairs_are_ordered_with_their_segments(rows: list[tuple[tuple[str, str], bool, int]]) -> None:
    given_rows = [(*(p[::-1] if swap else p), *((s, s + 1, 0, 2) if swap else (0, 2, s, s + 1))) for p, swap, s in rows]
    columns = ["left_id", "right_id", *SEGMENT_COLUMNS]
    ordered = order_pairs(pd.DataFrame(given_rows, columns=columns))
    assert ordered.to_numpy().tolist() == [[*p, 0, 2, s, s + 1] for p, _, s in rows]
