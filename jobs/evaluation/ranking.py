"""Figures of scored pairs: average precision over all pairs and per query; precision and recall at a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from jobs.evaluation.truth import Query

    Scores = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
    Flags = NDArray[np.bool_]

MAX_FALSE_FRACTION = 1e-4
"""An operating threshold may find at most this fraction of all negatives."""
_LEFT_FIRST = ("left_id", "right_id")


@dataclass(frozen=True)
class PrecisionRecall:
    """A precision and a recall, both in [0, 1]."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of both, 0 if both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class Curve:
    """Numbers of pairs and of positives at or above each score.

    Attributes:
        thresholds: (t,), the distinct scores in descending order.
        num_found: int64 (t,), number of pairs at or above each threshold.
        num_true: int64 (t,), number of positives among them.
        num_positives: number of all positives, including those without a score.
    """

    thresholds: Scores
    num_found: NDArray[np.int64]
    num_true: NDArray[np.int64]
    num_positives: int

    @classmethod
    def of(cls, scores: Scores, is_positive: Flags, num_positives: int | None = None) -> Curve:
        """Count pairs in descending order of their scores. Pairs with equal scores are counted together.

        Args:
            scores: (n,), higher for more probable positives, without NaN.
            is_positive: (n,).
            num_positives: number of all positives; None if all have a score.

        Raises:
            ValueError: there are no positives, or `num_positives` is less than the number of scored positives.
        """
        num_scored = int(is_positive.sum())
        total = num_scored if num_positives is None else num_positives
        if total < max(num_scored, 1):
            raise ValueError(
                f"num_positives must be at least 1 and at least the {num_scored} scored positives, got {total}"
            )
        order = np.argsort(-scores, kind="stable")
        descending = scores[order]
        ends = np.flatnonzero(np.append(descending[1:] != descending[:-1], [True] * (len(descending) > 0)))
        true = np.cumsum(is_positive[order], dtype=np.int64)
        return cls(descending[ends], ends + 1, true[ends], total)

    @property
    def precisions(self) -> NDArray[np.float64]:
        """Precision at each threshold: (t,); 1 if no pair is found."""
        return np.where(self.num_found > 0, self.num_true / np.maximum(self.num_found, 1), 1.0)

    @property
    def recalls(self) -> NDArray[np.float64]:
        """Recall at each threshold: (t,)."""
        return self.num_true / self.num_positives

    def measure_average_precision(self) -> float:
        """Return the mean over all positives of the precision at their score. It is 0 for positives without a score.

        Over all pairs of a set it is the micro average precision (uAP) of Douze et al. 2021, The 2021 Image Similarity
        Dataset and Challenge. It equals scikit-learn's `average_precision_score` if all positives have a score.
        """
        return float((np.diff(self.num_true, prepend=0) * self.precisions).sum() / self.num_positives)

    def find_best_f1(self) -> tuple[float, float | None]:
        """Return the largest F1 and the highest threshold with this F1; (0, None) if no pair is scored."""
        if not len(self.thresholds):
            return 0.0, None
        f1 = 2 * self.num_true / (self.num_found + self.num_positives)
        best = int(f1.argmax())
        return float(f1[best]), float(self.thresholds[best])

    def find_lowest(self, min_precision: float, num_negatives: int | None = None) -> int | None:
        """Return the index of the lowest threshold that satisfies three rules, or None.

        1. It finds at least one positive.
        2. At least `min_precision` of the pairs found are positive.
        3. If the number of negatives is given, it finds at most `MAX_FALSE_FRACTION` of them. Rule 2 depends on the
           fraction of positives among the labelled pairs, which is larger than in a catalogue; rule 3 does not.

        Of all thresholds that satisfy them, the lowest has the largest recall.

        Args:
            min_precision: in [0, 1].
            num_negatives: number of all negatives, scored or not; None to omit rule 3.
        """
        is_allowed = (self.num_true > 0) & (self.precisions >= min_precision)
        if num_negatives is not None:
            is_allowed &= (self.num_found - self.num_true) / max(num_negatives, 1) <= MAX_FALSE_FRACTION
        return int(np.flatnonzero(is_allowed)[-1]) if is_allowed.any() else None

    def find_recall_at_precision(self, min_precision: float) -> tuple[float, float | None]:
        """Return the largest recall of thresholds with this precision, and the highest threshold with this recall.

        Return (0, None) if no threshold has the precision.
        """
        lowest = self.find_lowest(min_precision)
        if lowest is None:
            return 0.0, None
        # Higher thresholds that find the same positives find fewer pairs, so their precision is at least as high.
        highest = int(np.searchsorted(self.num_true, self.num_true[lowest]))
        return float(self.recalls[highest]), float(self.thresholds[highest])

    def count_at(self, threshold: float | None) -> PrecisionRecall:
        """Return precision and recall of the pairs at or above a threshold, or of all scored pairs for None.

        If no pair is found, the precision is 0.
        """
        num = len(self.thresholds) if threshold is None else int((self.thresholds >= threshold).sum())
        if not num:
            return PrecisionRecall(0.0, 0.0)
        return PrecisionRecall(float(self.precisions[num - 1]), float(self.recalls[num - 1]))


def rank_scores(*scores: Scores) -> NDArray[np.int64]:
    """Return the rank of each pair by its scores: int64 (n,), 0 for the lowest.

    Pairs are compared by the first score; each further score breaks ties of those before it. NaN is lower than all
    numbers. Two pairs have the same rank only if all their scores are equal.

    Args:
        scores: (n,) each, higher for more probable positives.
    """
    keys = [np.where(np.isnan(key), -np.inf, key) for key in scores]
    order = np.lexsort(keys[::-1])
    is_new = np.zeros(len(order), dtype=bool)
    for key in keys:
        is_new[1:] |= key[order][1:] != key[order][:-1]
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.cumsum(is_new)
    return ranks


def measure_mean_average_precision(pairs: pd.DataFrame, queries: Iterable[Query]) -> float:
    """Return the mean over queries of their average precision (mAP).

    The average precision of a query is the sum of the precisions at the positives found, divided by the number of all
    its positives. This is the definition of the code for CC_WEB_VIDEO, FIVR-200K and SVD (MKLab-ITI/visil, datasets),
    except for equal scores: that code uses the order of its dictionary, and this function counts them together. As in
    that code, a query that is its own positive is found first, because no table pairs a video with itself.

    Args:
        pairs: columns left_id, right_id, each pair once and in either order, and `score`, without NaN.
        queries: queries with at least one positive each.

    Raises:
        ValueError: there are no queries.
    """
    all_queries = tuple(queries)
    if not all_queries:
        raise ValueError("queries must have at least one query, got none")
    ids = {query.query_id for query in all_queries}
    names = ["query", "other", "score"]
    sides = [pairs[[one, other, "score"]].set_axis(names, axis=1) for one, other in (_LEFT_FIRST, _LEFT_FIRST[::-1])]
    found = pd.concat([side[side["query"].isin(ids)] for side in sides])
    results = {str(query_id): rows for query_id, rows in found.groupby("query")}
    no_results = found.iloc[:0]
    return float(np.mean([_measure_query(results.get(query.query_id, no_results), query) for query in all_queries]))


def _measure_query(results: pd.DataFrame, query: Query) -> float:
    """Return the average precision of the results of a query."""
    labels = [query.get_label(video_id) for video_id in results["other"]]
    is_ranked = np.array([label is not None for label in labels], dtype=bool)
    is_positive = np.array([label is True for label in labels], dtype=bool)[is_ranked]
    scores = results["score"].to_numpy(dtype=np.float64)[is_ranked]
    if query.query_id in query.positives:
        scores, is_positive = np.append(scores, np.inf), np.append(is_positive, True)
    return Curve.of(scores, is_positive, len(query.positives)).measure_average_precision()


def measure_recalls(groups: pd.Series[str], is_found: Flags) -> pd.DataFrame:
    """Return num_pairs, num_found and recall of each group of positives. The index is the group, sorted."""
    grouped = pd.Series(is_found, index=groups.index).groupby(groups)
    return pd.DataFrame(
        {"num_pairs": grouped.size(), "num_found": grouped.sum().astype("int64"), "recall": grouped.mean()}
    ).sort_index()
