"""Figures of scored pairs: average precision pooled and by query, and precision and recall at a threshold."""

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
        """The harmonic mean of both, 0 where both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True)
class Curve:
    """What lies at or above each score that occurs.

    Attributes:
        thresholds: (t,), the distinct scores, falling.
        num_found: int64 (t,), pairs at or above each.
        num_true: int64 (t,), positives among them.
        num_positives: all positives, those that were not scored too.
    """

    thresholds: Scores
    num_found: NDArray[np.int64]
    num_true: NDArray[np.int64]
    num_positives: int

    @classmethod
    def of(cls, scores: Scores, is_positive: Flags, num_positives: int | None = None) -> Curve:
        """Count along falling scores; equal ones come in together, so that the order of pairs does not matter.

        Args:
            scores: (n,), larger is surer; no NaN.
            is_positive: (n,).
            num_positives: None where all of them are scored.

        Raises:
            ValueError: there is no positive, or fewer than are scored.
        """
        num_scored = int(is_positive.sum())
        total = num_scored if num_positives is None else num_positives
        if total < max(num_scored, 1):
            raise ValueError(f"num_positives must be at least 1 and the {num_scored} that are scored, got {total}")
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], [True] * (len(falling) > 0)))
        true = np.cumsum(is_positive[order], dtype=np.int64)
        return cls(falling[ends], ends + 1, true[ends], total)

    @property
    def precisions(self) -> NDArray[np.float64]:
        """Fraction of the pairs found that are positive, 1 where none is found: (t,)."""
        return np.where(self.num_found > 0, self.num_true / np.maximum(self.num_found, 1), 1.0)

    @property
    def recalls(self) -> NDArray[np.float64]:
        """Fraction of all positives that are found: (t,)."""
        return self.num_true / self.num_positives

    def measure_average_precision(self) -> float:
        """Return the mean, over all positives, of the precision at their score; 0 for those that are not scored.

        Over all pairs of a set it is the micro average precision (uAP) of Douze et al. 2021, The 2021 Image Similarity
        Dataset and Challenge. It equals scikit-learn's `average_precision_score` where every positive is scored.
        """
        return float((np.diff(self.num_true, prepend=0) * self.precisions).sum() / self.num_positives)

    def find_best_f1(self) -> tuple[float, float | None]:
        """Return the largest F1 and the highest threshold that reaches it; (0, None) where nothing is scored."""
        if not len(self.thresholds):
            return 0.0, None
        f1 = 2 * self.num_true / (self.num_found + self.num_positives)
        best = int(f1.argmax())
        return float(f1[best]), float(self.thresholds[best])

    def find_lowest(self, min_precision: float, num_negatives: int | None = None) -> int | None:
        """Return the index of the lowest threshold that reaches a precision; None where none does.

        Three rules hold at that threshold. It also has the largest recall of all for which they hold.
        1. It finds at least one positive.
        2. At least `min_precision` of the pairs found are positive.
        3. It finds at most `MAX_FALSE_FRACTION` of all negatives, where their number is given. Rule 2 depends on the
           fraction of positives among the labelled pairs, which is larger than in a catalogue; rule 3 does not.

        Args:
            min_precision: in [0, 1].
            num_negatives: all negatives, scored or not; None drops rule 3.
        """
        is_allowed = (self.num_true > 0) & (self.precisions >= min_precision)
        if num_negatives is not None:
            is_allowed &= (self.num_found - self.num_true) / max(num_negatives, 1) <= MAX_FALSE_FRACTION
        return int(np.flatnonzero(is_allowed)[-1]) if is_allowed.any() else None

    def find_recall_at_precision(self, min_precision: float) -> tuple[float, float | None]:
        """Return the largest recall among thresholds of enough precision, and the highest threshold that reaches it.

        (0, None) where no threshold has it.
        """
        lowest = self.find_lowest(min_precision)
        if lowest is None:
            return 0.0, None
        # Thresholds above it that find the same positives find fewer pairs, so their precision is at least as high.
        highest = int(np.searchsorted(self.num_true, self.num_true[lowest]))
        return float(self.recalls[highest]), float(self.thresholds[highest])

    def count_at(self, threshold: float | None) -> PrecisionRecall:
        """Return precision and recall of what is at or above a threshold, or of all that is scored for None.

        The precision of nothing found is 0.
        """
        num = len(self.thresholds) if threshold is None else int((self.thresholds >= threshold).sum())
        if not num:
            return PrecisionRecall(0.0, 0.0)
        return PrecisionRecall(float(self.precisions[num - 1]), float(self.recalls[num - 1]))


def rank_scores(*scores: Scores) -> NDArray[np.int64]:
    """Number pairs by their scores: int64 (n,), 0 for the lowest.

    The first score decides, each further one where all before it are equal; NaN is below every number. Two pairs
    have one number only where all their scores are equal.

    Args:
        scores: (n,) each, larger is surer.
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

    That of a query is the sum of the precisions at the positives found, divided by the number of all its positives.
    This is what the code that comes with CC_WEB_VIDEO, FIVR-200K and SVD computes (MKLab-ITI/visil, datasets),
    except where scores are equal: there it goes by the order of its dictionary, while here they come in together.
    A query that is its own positive is found first, as there: no table pairs a video with itself.

    Args:
        pairs: columns left_id, right_id, each pair once and in either order, and `score`, without NaN.
        queries: with at least one positive each.

    Raises:
        ValueError: there are no queries.
    """
    asked = tuple(queries)
    if not asked:
        raise ValueError("queries must hold at least one query, got none")
    ids = {query.query_id for query in asked}
    names = ["query", "other", "score"]
    sides = [pairs[[one, other, "score"]].set_axis(names, axis=1) for one, other in (_LEFT_FIRST, _LEFT_FIRST[::-1])]
    found = pd.concat([side[side["query"].isin(ids)] for side in sides])
    answers = {str(query_id): rows for query_id, rows in found.groupby("query")}
    nothing = found.iloc[:0]
    return float(np.mean([_measure_query(answers.get(query.query_id, nothing), query) for query in asked]))


def _measure_query(answers: pd.DataFrame, query: Query) -> float:
    """Return the average precision of a query's answers."""
    verdicts = [query.judge(video_id) for video_id in answers["other"]]
    is_ranked = np.array([verdict is not None for verdict in verdicts], dtype=bool)
    is_positive = np.array([verdict is True for verdict in verdicts], dtype=bool)[is_ranked]
    scores = answers["score"].to_numpy(dtype=np.float64)[is_ranked]
    if query.query_id in query.positives:
        scores, is_positive = np.append(scores, np.inf), np.append(is_positive, True)
    return Curve.of(scores, is_positive, len(query.positives)).measure_average_precision()


def measure_recalls(groups: pd.Series[str], is_found: Flags) -> pd.DataFrame:
    """Return, for each group of positives, num_pairs, num_found and recall; sorted by group, which is the index."""
    grouped = pd.Series(is_found, index=groups.index).groupby(groups)
    return pd.DataFrame(
        {"num_pairs": grouped.size(), "num_found": grouped.sum().astype("int64"), "recall": grouped.mean()}
    ).sort_index()
