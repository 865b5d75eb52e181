"""Precision and recall of segments: how well shared footage is located in both videos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jobs.evaluation.ranking import PrecisionRecall
from jobs.evaluation.truth import SEGMENT_COLUMNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Seconds = NDArray[np.float64]

_PAIR = ["left_id", "right_id"]
_AXES = (("left_start_seconds", "left_end_seconds"), ("right_start_seconds", "right_end_seconds"))


@dataclass(frozen=True)
class SegmentFigures(PrecisionRecall):
    """Figures of segments.

    Attributes:
        within_tolerance_fraction: fraction of the found pairs whose bounds are correct; None if no pair is found.
        num_true_segments: number of segments in the truth.
    """

    within_tolerance_fraction: float | None
    num_true_segments: int


def measure_segments(predicted: pd.DataFrame, true: pd.DataFrame, tolerance_seconds: float = 1.0) -> SegmentFigures:
    """Return the precision and recall of segments on both time axes, as VCSL defines them.

    A segment is a box: one side is an interval of the left video, the other one of the right video. With the predicted
    boxes p, the true boxes g, and the interval x(b) of box b in the left video,

        P_x = sum over p of |union over g of x(p & g)| / sum over p of |x(p)|,
        R_x = sum over g of |union over p of x(p & g)| / sum over g of |x(g)|,

    where p & g is only formed for boxes of the same pair, and is ignored if its area is 0. P_y and R_y are the same for
    the right video. Then precision = P_x P_y and recall = R_x R_y. Source: He et al. 2022, A Large-scale Comprehensive
    Dataset and Copy-overlap Aware Evaluation Protocol for Segment-level Video Copy Detection (ant-research/VCSL,
    vcsl/metric.py). The sums are over all pairs, so that a pair has the weight of its footage; VCSL's code averages
    over pairs.

    The bounds of a pair that is both predicted and true are correct if each true segment has a predicted segment whose
    four bounds are all within the tolerance.

    Args:
        predicted: columns left_id < right_id and `SEGMENT_COLUMNS`, in seconds; one row per segment. Pairs that are not
            in the truth are false positives.
        true: the same columns; at least one row.
        tolerance_seconds: at least 0.

    Raises:
        ValueError: a bound is missing, or there is no true segment.
    """
    columns = [*_PAIR, *SEGMENT_COLUMNS]
    for name, rows in (("predicted", predicted), ("true", true)):
        if rows[columns].isna().any(axis=None):
            raise ValueError(f"{name} segments must have four bounds each, got segments without: remove them")
    if true.empty:
        raise ValueError("true segments must have at least one row, got none")
    found, expected = (
        rows[columns].astype(dict.fromkeys(SEGMENT_COLUMNS, float)).reset_index(drop=True) for rows in (predicted, true)
    )
    matched = (
        found.rename_axis("p")
        .reset_index()
        .merge(expected.rename_axis("g").reset_index(), on=_PAIR, suffixes=("", "_true"))
    )
    shared = _intersect(matched)
    precision = recall = 1.0
    for start, end in _AXES:
        starts, ends = shared[start].to_numpy(), shared[end].to_numpy()
        total_found = float((found[end] - found[start]).sum())
        total_true = float((expected[end] - expected[start]).sum())
        precision *= _sum_unions(shared["p"].to_numpy(), starts, ends) / total_found if total_found else 0.0
        recall *= _sum_unions(shared["g"].to_numpy(), starts, ends) / total_true if total_true else 0.0
    return SegmentFigures(precision, recall, _measure_bounds(matched, tolerance_seconds), len(expected))


def _intersect(matched: pd.DataFrame) -> pd.DataFrame:
    """Return p, g and the bounds of the intersections with an area above 0."""
    shared = matched[["p", "g"]].copy()
    for start, end in _AXES:
        shared[start] = np.maximum(matched[start], matched[f"{start}_true"])
        shared[end] = np.minimum(matched[end], matched[f"{end}_true"])
    has_area = np.logical_and.reduce([shared[end] > shared[start] for start, end in _AXES])
    return shared[has_area]


def _sum_unions(groups: NDArray[Any], starts: Seconds, ends: Seconds) -> float:
    """Return the sum over groups of the length of the union of a group's intervals."""
    order = np.lexsort((starts, groups))
    rows = pd.DataFrame({"group": groups[order], "end": ends[order]})
    reached = rows.groupby("group")["end"].cummax()
    before = reached.groupby(rows["group"]).shift(
        fill_value=-np.inf
    )  # the latest end of the intervals that start earlier
    gained = ends[order] - np.maximum(starts[order], before.to_numpy())
    return float(np.maximum(gained, 0.0).sum())


def _measure_bounds(matched: pd.DataFrame, tolerance_seconds: float) -> float | None:
    """Return the fraction of pairs in which each true segment has a predicted one within the tolerance."""
    if matched.empty:
        return None
    errors = np.max([(matched[name] - matched[f"{name}_true"]).abs() for name in SEGMENT_COLUMNS], axis=0)
    is_correct = pd.Series(errors <= tolerance_seconds, index=matched.index)
    by_segment = is_correct.groupby([matched["left_id"], matched["right_id"], matched["g"]]).any()
    return float(by_segment.groupby(level=_PAIR).all().mean())
