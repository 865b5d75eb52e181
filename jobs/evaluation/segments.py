"""Figures of segments: how well the footage that two videos share is located in both."""

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
    """How well segments are found.

    Attributes:
        within_tolerance_fraction: share of the found pairs whose bounds are right; None where no pair is found.
        num_true_segments: segments of the truth that were looked for.
    """

    within_tolerance_fraction: float | None
    num_true_segments: int


def measure_segments(predicted: pd.DataFrame, true: pd.DataFrame, tolerance_seconds: float = 1.0) -> SegmentFigures:
    """Return the precision and recall of segments on both time axes, after VCSL.

    A segment is a box whose sides lie in the two videos. With p the predicted boxes and g the true ones, and x(b) the
    side of box b in the left video,

        P_x = sum over p of |union over g of x(p & g)| / sum over p of |x(p)|,
        R_x = sum over g of |union over p of x(p & g)| / sum over g of |x(g)|,

    where only boxes of one pair meet, and p & g counts where it has an area. Likewise for y, the right video; then
    precision = P_x P_y and recall = R_x R_y: He et al. 2022, A Large-scale Comprehensive Dataset and Copy-overlap
    Aware Evaluation Protocol for Segment-level Video Copy Detection (ant-research/VCSL, vcsl/metric.py).
    The sums go over all pairs, so that pairs weigh by their footage; VCSL's code averages over pairs.

    The bounds of a pair that both sides hold are right where each true segment has a predicted one whose four bounds
    are all within the tolerance.

    Args:
        predicted: columns left_id < right_id and `SEGMENT_COLUMNS`, in seconds; a row is a segment. Pairs that the
            truth does not hold are false.
        true: the same; at least one row.
        tolerance_seconds: at least 0.

    Raises:
        ValueError: a bound is missing, or there is no true segment.
    """
    columns = [*_PAIR, *SEGMENT_COLUMNS]
    for name, rows in (("predicted", predicted), ("true", true)):
        if rows[columns].isna().any(axis=None):
            raise ValueError(f"{name} segments must have four bounds each, got some without; leave those out")
    if true.empty:
        raise ValueError("true segments must hold at least one row, got none")
    found, wanted = (
        rows[columns].astype(dict.fromkeys(SEGMENT_COLUMNS, float)).reset_index(drop=True) for rows in (predicted, true)
    )
    met = (
        found.rename_axis("p")
        .reset_index()
        .merge(wanted.rename_axis("g").reset_index(), on=_PAIR, suffixes=("", "_true"))
    )
    shared = _intersect(met)
    precision = recall = 1.0
    for start, end in _AXES:
        starts, ends = shared[start].to_numpy(), shared[end].to_numpy()
        total_found = float((found[end] - found[start]).sum())
        total_true = float((wanted[end] - wanted[start]).sum())
        precision *= _sum_unions(shared["p"].to_numpy(), starts, ends) / total_found if total_found else 0.0
        recall *= _sum_unions(shared["g"].to_numpy(), starts, ends) / total_true if total_true else 0.0
    return SegmentFigures(precision, recall, _measure_bounds(met, tolerance_seconds), len(wanted))


def _intersect(met: pd.DataFrame) -> pd.DataFrame:
    """Return p, g and the bounds of the intersections that have an area."""
    shared = met[["p", "g"]].copy()
    for start, end in _AXES:
        shared[start] = np.maximum(met[start], met[f"{start}_true"])
        shared[end] = np.minimum(met[end], met[f"{end}_true"])
    has_area = np.logical_and.reduce([shared[end] > shared[start] for start, end in _AXES])
    return shared[has_area]


def _sum_unions(groups: NDArray[Any], starts: Seconds, ends: Seconds) -> float:
    """Return the sum over groups of the length that the intervals of a group cover together."""
    order = np.lexsort((starts, groups))
    rows = pd.DataFrame({"group": groups[order], "end": ends[order]})
    reached = rows.groupby("group")["end"].cummax()
    before = reached.groupby(rows["group"]).shift(fill_value=-np.inf)  # how far those that start earlier reach
    gained = ends[order] - np.maximum(starts[order], before.to_numpy())
    return float(np.maximum(gained, 0.0).sum())


def _measure_bounds(met: pd.DataFrame, tolerance_seconds: float) -> float | None:
    """Return the share of the pairs whose every true segment has a predicted one within the tolerance."""
    if met.empty:
        return None
    errors = np.max([(met[name] - met[f"{name}_true"]).abs() for name in SEGMENT_COLUMNS], axis=0)
    is_right = pd.Series(errors <= tolerance_seconds, index=met.index)
    by_segment = is_right.groupby([met["left_id"], met["right_id"], met["g"]]).any()
    return float(by_segment.groupby(level=_PAIR).all().mean())
