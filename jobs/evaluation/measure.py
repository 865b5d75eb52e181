"""Compare scored pairs and clusters with a truth, in memory. The command `evaluate` and the benchmarks use it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jobs.clustering.components import connected_components
from jobs.errors import ContractError
from jobs.evaluation.clustering import measure_bcubed
from jobs.evaluation.ranking import (
    Curve,
    PrecisionRecall,
    measure_mean_average_precision,
    measure_recalls,
    rank_scores,
)
from jobs.evaluation.segments import SegmentFigures, measure_segments
from jobs.evaluation.truth import SEGMENT_COLUMNS, Query, Truth, order_pairs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Rules:
    """How pairs are evaluated.

    Attributes:
        score_columns: columns by which pairs are ranked in descending order. The first is the score. The others, which
            may be null, break ties, which occur because match_probability is rounded and reaches 1.
        min_score: pairs with at least this score are found; None means that all scored pairs are found.
        target_precisions: precisions for which the largest recall is reported.
        tolerance_seconds: maximum error of a correct bound of a segment.
    """

    score_columns: tuple[str, ...] = ("match_probability", "alignment_similarity", "cosine_similarity")
    min_score: float | None = None
    target_precisions: tuple[float, ...] = (0.9, 0.99)
    tolerance_seconds: float = 1.0


@dataclass(frozen=True)
class PairFigures(PrecisionRecall):
    """Figures of all pairs. Precision and recall are those of the pairs found.

    Attributes:
        average_precision: micro average precision (uAP) over all scored pairs.
        best_f1: the largest F1 of all thresholds of the score.
        best_f1_score: the highest threshold with this F1; None if no pair is scored.
        recall_at_precision: target precision -> the largest recall of all thresholds that reach the precision.
        score_at_precision: target precision -> the highest threshold with this recall; None if no threshold reaches the
            precision.
        recall_by_relation: copy, partial -> recall.
        num_positives: number of pairs that share footage.
        num_found: number of pairs found, without pairs of relation `ignore`.
    """

    average_precision: float
    best_f1: float
    best_f1_score: float | None
    recall_at_precision: Mapping[str, float]
    score_at_precision: Mapping[str, float | None]
    recall_by_relation: Mapping[str, float]
    num_positives: int
    num_found: int


@dataclass(frozen=True)
class EvaluationReport:
    """All figures of an evaluation.

    Attributes:
        num_videos: number of evaluated videos.
        num_truth_pairs: number of pairs in the truth.
        num_left_out: number of these pairs that have a video which is not evaluated.
        pairs: figures of pairs; None if the truth does not label all pairs.
        segments: figures of segments; None if the truth or the pairs have no segments.
        clusters: B-cubed; None if no clusters are given, or the truth does not label all pairs.
        mean_average_precision: variant of a protocol -> mAP.
        num_queries: variant -> number of evaluated queries.
        per_transform: index transform; columns num_pairs, num_found, recall of the pairs that share footage. A pair
            with several transforms is counted for each of them.
    """

    num_videos: int
    num_truth_pairs: int
    num_left_out: int
    pairs: PairFigures | None
    segments: SegmentFigures | None
    clusters: PrecisionRecall | None
    mean_average_precision: Mapping[str, float]
    num_queries: Mapping[str, int]
    per_transform: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return the report as dicts, lists and numbers that JSON supports."""
        parts = {name: getattr(self, name) for name in ("pairs", "segments", "clusters")}
        plain = {name: None if part is None else asdict(part) | {"f1": part.f1} for name, part in parts.items()}
        return {
            "num_videos": self.num_videos,
            "num_truth_pairs": self.num_truth_pairs,
            "num_left_out": self.num_left_out,
            **plain,
            "mean_average_precision": dict(self.mean_average_precision),
            "num_queries": dict(self.num_queries),
            "per_transform": self.per_transform.reset_index().to_dict("records"),
        }


def measure(
    scored: pd.DataFrame,
    truth: Truth,
    video_ids: Collection[str],
    clusters: Mapping[str, str] | None = None,
    rules: Rules | None = None,
) -> EvaluationReport:
    """Compare scored pairs and clusters with a truth. The order of rows and of the sides of a pair has no effect.

    The ranking figures (average precision, mAP, best F1, recall at a precision) are computed over all scored pairs, the
    other figures over the pairs found. A million pairs take about a second.

    Args:
        scored: columns left_id, right_id, the `score_columns` of the rules and, for the figures of segments,
            `SEGMENT_COLUMNS`. Several rows of a pair are several segments; the scores of a pair are those of its row
            with the highest rank.
        truth: the truth, of any videos.
        video_ids: the videos to evaluate. Pairs of the truth or of `scored` with another video are ignored.
        clusters: video_id -> cluster_id; a video in no cluster is a cluster of its own.
        rules: None for the defaults.

    Raises:
        ContractError: the truth has no positives among the videos.
        ValueError: a column is missing, or a pair has no score.
    """
    rules = rules or Rules()
    known = truth.restrict_to(video_ids)
    evaluation = _Evaluation(scored, known, video_ids, rules)
    num_truth_pairs = truth.count_pairs()
    num_left_out = num_truth_pairs - known.count_pairs()
    rankings = {variant: queries for variant, queries in known.rankings.items() if queries}
    if not evaluation.num_positives and not rankings:
        raise ContractError(
            f"the truth has no positive pairs among the {len(evaluation.videos)} videos; {num_left_out} of its "
            f"{num_truth_pairs} pairs have a video that is not among them: give the truth of these videos, by their "
            "video_id"
        )
    return EvaluationReport(
        num_videos=len(evaluation.videos),
        num_truth_pairs=num_truth_pairs,
        num_left_out=num_left_out,
        pairs=evaluation.measure_pairs() if evaluation.num_positives else None,
        segments=evaluation.measure_segments(),
        clusters=evaluation.measure_clusters(clusters) if clusters is not None and evaluation.num_positives else None,
        mean_average_precision=evaluation.measure_rankings(rankings),
        num_queries={variant: len(queries) for variant, queries in rankings.items()},
        per_transform=evaluation.measure_transforms(),
    )


class _Evaluation:
    """Scored pairs and their truth. A pair is encoded as one integer, so that millions of pairs are matched quickly.

    Args:
        scored: as in `measure`.
        truth: the truth, restricted to the videos.
        video_ids: the videos to evaluate.
        rules: how pairs are evaluated.
    """

    def __init__(self, scored: pd.DataFrame, truth: Truth, video_ids: Collection[str], rules: Rules) -> None:
        missing = [name for name in ("left_id", "right_id", *rules.score_columns) if name not in scored.columns]
        if missing:
            raise ValueError(f"scored pairs have no column(s) {', '.join(missing)}: add them")
        self.rules, self.scored = rules, scored
        self.videos = pd.Index(sorted(set(video_ids)), dtype=object)
        self.truth = truth.pairs if truth.pairs is not None else pd.DataFrame(columns=["relation"])
        self.truth_codes = self._encode(truth.pairs) if truth.pairs is not None else np.empty(0, np.int64)
        is_ignored = (self.truth["relation"] == "ignore").to_numpy()
        self.positives = np.unique(self.truth_codes[~is_ignored])
        self.rows = self._rank_rows(np.unique(self.truth_codes[is_ignored]))
        self.best = self.rows
        if not pd.Index(self.rows["code"]).is_unique:
            self.best = self.rows.sort_values("rank").drop_duplicates("code", keep="last")
        self.found = self.best["code"].to_numpy()[self._is_found(self.best)]

    @property
    def num_positives(self) -> int:
        """The number of pairs that share footage."""
        return len(self.positives)

    def _encode(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the integer of each pair; -1 if a video is not evaluated, or if the video is paired with itself."""
        left, right = (self.videos.get_indexer(pd.Index(rows[name])) for name in ("left_id", "right_id"))
        codes = np.minimum(left, right) * len(self.videos) + np.maximum(left, right)
        return np.where((left < 0) | (right < 0) | (left == right), -1, codes).astype(np.int64)

    def _rank_rows(self, ignored: NDArray[np.int64]) -> pd.DataFrame:
        """Return the place, code, score and rank of each scored row of evaluated videos that is not ignored."""
        codes = self._encode(self.scored)
        places = np.flatnonzero((codes >= 0) & ~np.isin(codes, ignored))
        keys = [self.scored[name].to_numpy(dtype=np.float64)[places] for name in self.rules.score_columns]
        if np.isnan(keys[0]).any():
            raise ValueError(
                f"every scored pair must have a {self.rules.score_columns[0]}, got pairs without: remove them"
            )
        return pd.DataFrame({"place": places, "code": codes[places], "score": keys[0], "rank": rank_scores(*keys)})

    def _is_found(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which rows are at or above the threshold."""
        threshold = -np.inf if self.rules.min_score is None else self.rules.min_score
        return rows["score"].to_numpy() >= threshold

    def measure_pairs(self) -> PairFigures:
        """Return the figures of all pairs."""
        is_positive = np.isin(self.best["code"].to_numpy(), self.positives)
        ranked = Curve.of(self.best["rank"].to_numpy(), is_positive, self.num_positives)
        curve = Curve.of(self.best["score"].to_numpy(), is_positive, self.num_positives)
        best_f1, best_f1_score = curve.find_best_f1()
        at = {f"{target:g}": curve.find_recall_at_precision(target) for target in self.rules.target_precisions}
        found = curve.count_at(self.rules.min_score)
        return PairFigures(
            precision=found.precision,
            recall=found.recall,
            average_precision=ranked.measure_average_precision(),
            best_f1=best_f1,
            best_f1_score=best_f1_score,
            recall_at_precision={target: recall for target, (recall, _) in at.items()},
            score_at_precision={target: score for target, (_, score) in at.items()},
            recall_by_relation={str(k): float(v) for k, v in self._measure_recalls("relation")["recall"].items()},
            num_positives=self.num_positives,
            num_found=len(self.found),
        )

    def measure_transforms(self) -> pd.DataFrame:
        """Return the recall of each transform in the truth."""
        if "transform" not in self.truth:
            return measure_recalls(pd.Series([], dtype=str, name="transform"), np.empty(0, dtype=bool))
        return self._measure_recalls("transform")

    def _measure_recalls(self, column: str) -> pd.DataFrame:
        """Return the recall of positives for each value of a column of the truth, without empty values."""
        rows = self.truth[[column]].assign(code=self.truth_codes)
        rows = rows[np.isin(self.truth_codes, self.positives) & (rows[column] != "")].drop_duplicates()
        return measure_recalls(rows[column], np.isin(rows["code"].to_numpy(), self.found))

    def measure_clusters(self, clusters: Mapping[str, str]) -> PrecisionRecall:
        """Return B-cubed. The true clusters are those of the copies; other listed pairs may or may not be together."""
        is_copy = self.truth["relation"] == "copy"
        copies = self.truth[is_copy]
        true = connected_components(copies["left_id"].to_numpy(), copies["right_id"].to_numpy())
        ignored = self.truth[~is_copy].drop_duplicates(["left_id", "right_id"])
        return measure_bcubed(clusters, true, self.videos, ignored)

    def measure_segments(self) -> SegmentFigures | None:
        """Return the figures of the segments of found pairs, without pairs whose true segments are unknown."""
        columns = [*SEGMENT_COLUMNS]
        if not {*columns} <= {*self.scored.columns} or not {*columns} <= {*self.truth.columns}:
            return None
        is_positive = np.isin(self.truth_codes, self.positives)
        is_unknown = self.truth[columns].isna().any(axis=1).to_numpy() & is_positive
        unknown = np.unique(self.truth_codes[is_unknown])
        true = self.truth[is_positive & ~np.isin(self.truth_codes, unknown)]
        if true.empty:
            return None
        found = self.rows[self._is_found(self.rows) & ~np.isin(self.rows["code"].to_numpy(), unknown)]
        predicted = self.scored[["left_id", "right_id", *columns]].iloc[found["place"].to_numpy()].dropna()
        ordered = order_pairs(
            predicted.astype({"left_id": object, "right_id": object})
        )  # because categories cannot be compared
        return measure_segments(ordered, true, self.rules.tolerance_seconds)

    def measure_rankings(self, rankings: Mapping[str, tuple[Query, ...]]) -> dict[str, float]:
        """Return the mAP of each variant."""
        query_indices = self.videos.get_indexer(
            pd.Index(sorted({q.query_id for queries in rankings.values() for q in queries}))
        )
        codes = self.best["code"].to_numpy()
        left, right = np.divmod(codes, len(self.videos))
        has_query = np.isin(left, query_indices) | np.isin(right, query_indices)
        names = self.videos.to_numpy()
        results = pd.DataFrame(
            {
                "left_id": names[left[has_query]],
                "right_id": names[right[has_query]],
                "score": self.best["rank"].to_numpy()[has_query],
            }
        )
        return {variant: measure_mean_average_precision(results, queries) for variant, queries in rankings.items()}
