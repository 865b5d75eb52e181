"""All figures of scored pairs and clusters against a truth, in memory: what the job and benchmarks share."""

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
    """How pairs are judged.

    Attributes:
        score_columns: columns that rank pairs, larger is surer. The first is the score; further ones, which may be
            null, decide between pairs that it has equal. match_probability is rounded and reaches 1, so there are.
        min_score: pairs whose score is at or above it are found; None finds all that are scored.
        target_precisions: at which the largest recall is told.
        tolerance_seconds: within which a bound of a segment is right.
    """

    score_columns: tuple[str, ...] = ("match_probability", "alignment_similarity", "cosine_similarity")
    min_score: float | None = None
    target_precisions: tuple[float, ...] = (0.9, 0.99)
    tolerance_seconds: float = 1.0


@dataclass(frozen=True)
class PairFigures(PrecisionRecall):
    """Figures of all pairs together; precision and recall are of the pairs found.

    Attributes:
        average_precision: micro average precision (uAP) over all scored pairs.
        best_f1: the largest F1 of any threshold of the score.
        best_f1_score: the highest threshold that reaches it; None where nothing is scored.
        recall_at_precision: target precision -> the largest recall of a threshold of the score that has it.
        score_at_precision: target precision -> the highest threshold that reaches that recall; None where none has it.
        recall_by_relation: copy, partial -> recall.
        num_positives: pairs that share footage.
        num_found: pairs found, without those that count neither way.
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
    """What `measure` returns.

    Attributes:
        num_videos: videos that were looked at.
        num_truth_pairs: pairs that the truth speaks of.
        num_left_out: of those, the pairs with a video that was not looked at.
        pairs: None where the truth does not speak of all pairs.
        segments: None where the truth or the pairs have none.
        clusters: B-cubed; None where no clusters are given, or the truth does not speak of all pairs.
        mean_average_precision: variant of a protocol -> mAP.
        num_queries: variant -> queries that counted.
        per_transform: index transform; columns num_pairs, num_found, recall of the pairs that share footage. A pair
            with several transforms counts under each.
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
        """Return the report as plain dicts, lists and numbers, as JSON takes them."""
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
    """Judge scored pairs, and clusters, by what is true of them. The order of rows and of sides does not matter.

    Ranking figures (average precision, mAP, best F1, recall at a precision) look at all pairs that are scored; the
    others at those found. A million pairs take about a second.

    Args:
        scored: columns left_id, right_id, the rules' score_columns and, for the figures of segments,
            `SEGMENT_COLUMNS`. Several rows of a pair are several segments; its scores are those of its surest row.
        truth: what is true; of any videos.
        video_ids: the videos to look at. A pair of the truth or of `scored` with another one is passed over.
        clusters: video_id -> cluster_id; videos in none are alone.
        rules: None takes the defaults.

    Raises:
        ContractError: the truth has nothing to find among the videos.
        ValueError: a column is missing, or a pair has no score.
    """
    rules = rules or Rules()
    known = truth.restrict_to(video_ids)
    judged = _Judged(scored, known, video_ids, rules)
    num_truth_pairs = truth.count_pairs()
    num_left_out = num_truth_pairs - known.count_pairs()
    rankings = {variant: queries for variant, queries in known.rankings.items() if queries}
    if not judged.num_positives and not rankings:
        raise ContractError(
            f"the truth has nothing to find among the {len(judged.videos)} videos; {num_left_out} of its "
            f"{num_truth_pairs} pairs have a video that is not there: give the truth of these videos, by their ids"
        )
    return EvaluationReport(
        num_videos=len(judged.videos),
        num_truth_pairs=num_truth_pairs,
        num_left_out=num_left_out,
        pairs=judged.measure_pairs() if judged.num_positives else None,
        segments=judged.measure_segments(),
        clusters=judged.measure_clusters(clusters) if clusters is not None and judged.num_positives else None,
        mean_average_precision=judged.measure_rankings(rankings),
        num_queries={variant: len(queries) for variant, queries in rankings.items()},
        per_transform=judged.measure_transforms(),
    )


class _Judged:
    """Scored pairs beside the truth; a pair is known by one number, so that millions are matched at once.

    Args:
        scored: as `measure` takes it.
        truth: restricted to the videos.
        video_ids: the videos.
        rules: how pairs are judged.
    """

    def __init__(self, scored: pd.DataFrame, truth: Truth, video_ids: Collection[str], rules: Rules) -> None:
        missing = [name for name in ("left_id", "right_id", *rules.score_columns) if name not in scored.columns]
        if missing:
            raise ValueError(f"scored pairs lack the column(s) {', '.join(missing)}")
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
        """Number the pairs, -1 for those of a video that is not looked at or with itself."""
        left, right = (self.videos.get_indexer(pd.Index(rows[name])) for name in ("left_id", "right_id"))
        codes = np.minimum(left, right) * len(self.videos) + np.maximum(left, right)
        return np.where((left < 0) | (right < 0) | (left == right), -1, codes).astype(np.int64)

    def _rank_rows(self, ignored: NDArray[np.int64]) -> pd.DataFrame:
        """Return place, code, score and rank of each scored row that counts."""
        codes = self._encode(self.scored)
        places = np.flatnonzero((codes >= 0) & ~np.isin(codes, ignored))
        keys = [self.scored[name].to_numpy(dtype=np.float64)[places] for name in self.rules.score_columns]
        if np.isnan(keys[0]).any():
            raise ValueError(f"every scored pair must have a {self.rules.score_columns[0]}, got some without")
        return pd.DataFrame({"place": places, "code": codes[places], "score": keys[0], "rank": rank_scores(*keys)})

    def _is_found(self, rows: pd.DataFrame) -> NDArray[np.bool_]:
        """Tell which rows are at or above the threshold."""
        least = -np.inf if self.rules.min_score is None else self.rules.min_score
        return rows["score"].to_numpy() >= least

    def measure_pairs(self) -> PairFigures:
        """Return the figures of all pairs together."""
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
        """Return the recall of each transform that the truth names."""
        if "transform" not in self.truth:
            return measure_recalls(pd.Series([], dtype=str, name="transform"), np.empty(0, dtype=bool))
        return self._measure_recalls("transform")

    def _measure_recalls(self, column: str) -> pd.DataFrame:
        """Return the recall of the positives of each value of a column of the truth; empty ones are left out."""
        rows = self.truth[[column]].assign(code=self.truth_codes)
        rows = rows[np.isin(self.truth_codes, self.positives) & (rows[column] != "")].drop_duplicates()
        return measure_recalls(rows[column], np.isin(rows["code"].to_numpy(), self.found))

    def measure_clusters(self, clusters: Mapping[str, str]) -> PrecisionRecall:
        """Return B-cubed against the clusters that the copies make; other listed pairs may be together or not."""
        is_copy = self.truth["relation"] == "copy"
        copies = self.truth[is_copy]
        true = connected_components(copies["left_id"].to_numpy(), copies["right_id"].to_numpy())
        unjudged = self.truth[~is_copy].drop_duplicates(["left_id", "right_id"])
        return measure_bcubed(clusters, true, self.videos, unjudged)

    def measure_segments(self) -> SegmentFigures | None:
        """Return the figures of the segments of found pairs; pairs whose true segments are unknown are passed over."""
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
        ordered = order_pairs(predicted.astype({"left_id": object, "right_id": object}))  # categories have no order
        return measure_segments(ordered, true, self.rules.tolerance_seconds)

    def measure_rankings(self, rankings: Mapping[str, tuple[Query, ...]]) -> dict[str, float]:
        """Return the mAP of each variant."""
        asked = self.videos.get_indexer(
            pd.Index(sorted({q.query_id for queries in rankings.values() for q in queries}))
        )
        codes = self.best["code"].to_numpy()
        left, right = np.divmod(codes, len(self.videos))
        is_asked = np.isin(left, asked) | np.isin(right, asked)
        names = self.videos.to_numpy()
        answers = pd.DataFrame(
            {
                "left_id": names[left[is_asked]],
                "right_id": names[right[is_asked]],
                "score": self.best["rank"].to_numpy()[is_asked],
            }
        )
        return {variant: measure_mean_average_precision(answers, queries) for variant, queries in rankings.items()}
