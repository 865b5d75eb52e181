"""Whether registered pictures agree: place by place, and change by change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from udfs.describing.local_statistics import LocalStatistics

    Stack = NDArray[np.float32]

_MIN_VARIANCE = 16.0  # grey levels squared: below, a place has no contrast that could agree
_VARIANCE_NOISE = 4.0
_AGREES = 0.6
_DISAGREES = 0.3
_WORST_SHARE = 0.05
_MAX_POWER = 400.0  # grey levels squared: a place that changes more does not count for more
_MIN_WEIGHT = 1e-6


class PlaceAgreement(NamedTuple):
    """How well the places of registered pictures agree.

    Attributes:
        agreeing: share of places with contrast on both sides that correlate above .6, in [0, 1].
        disagreeing: share of places with contrast on either side that correlate below .3, in [0, 1].
        correlation: mean local correlation of places with contrast on both sides, in [-1, 1].
        worst: 5 % quantile over the places of their mean correlation over time, in [-1, 1]; low where text differs.
        contrast: share of places that have contrast on both sides, in [0, 1].
    """

    agreeing: float
    disagreeing: float
    correlation: float
    worst: float
    contrast: float


def correlate_locally(left: Stack, right: Stack, stats: tuple[LocalStatistics, LocalStatistics], side: int) -> Stack:
    """Return the normalised cross-correlation in the window around each pixel: float32 (h, w), in [-1, 1].

    Lewis 1995, Fast Normalized Cross-Correlation. A noise floor keeps flat places near 0.
    """
    import cv2

    covariance = cv2.blur(left * right, (side, side)) - stats[0].mean * stats[1].mean
    scale = np.maximum(stats[0].variance, _VARIANCE_NOISE) * np.maximum(stats[1].variance, _VARIANCE_NOISE)
    correlation: Stack = (covariance / np.sqrt(scale)).astype(np.float32)
    return correlation


def measure_places(
    correlations: Sequence[Stack], contrasts: Sequence[tuple[Stack, Stack]], inside: NDArray[np.bool_]
) -> PlaceAgreement:
    """Measure how well the places of registered pictures agree.

    Args:
        correlations: of each moment, as `correlate_locally` returns them.
        contrasts: the local variances of both sides at each moment.
        inside: bool (h, w), where both pictures show something.
    """
    stack = np.stack(correlations)
    smaller = np.stack([np.minimum(left, right) for left, right in contrasts])
    larger = np.stack([np.maximum(left, right) for left, right in contrasts])
    both, either = (inside[None] & (smaller > _MIN_VARIANCE)), (inside[None] & (larger > 4 * _MIN_VARIANCE))
    if not both.any():
        return PlaceAgreement(0.0, float(either.any()), 0.0, 0.0, 0.0)
    counts = both.sum(axis=0)
    is_seen = counts >= max(1, len(stack) // 2)
    over_time = np.where(both, stack, 0).sum(axis=0)[is_seen] / counts[is_seen]
    return PlaceAgreement(
        agreeing=float((stack[both] > _AGREES).mean()),
        disagreeing=float((stack[either] < _DISAGREES).mean()) if either.any() else 0.0,
        correlation=float(stack[both].mean()),
        worst=float(np.quantile(over_time, _WORST_SHARE)) if is_seen.any() else 0.0,
        contrast=float(both.sum() / max(1, len(stack) * inside.sum())),
    )


class ChangeAgreement(NamedTuple):
    """How well the changes of registered pictures agree.

    Attributes:
        agreement: correlation of the changes, weighted by how much both sides change, in [-1, 1].
        amount: mean of that weight, grey levels squared: how much both sides change.
        pooled: correlation of all changes at once, so that a change on one side only counts against it, in [-1, 1].
    """

    agreement: float
    amount: float
    pooled: float


def smooth(pictures: Stack, inside: NDArray[np.bool_], blur_px: int) -> Stack:
    """Smooth registered pictures, and remove the brightness of the whole picture, which is no evidence.

    Args:
        pictures: float32 (n, h, w).
        inside: bool (h, w), where both pictures show something.
        blur_px: side of the square window.

    Returns:
        float32 (n, pixels inside).
    """
    import cv2

    smoothed = np.stack([cv2.blur(picture, (blur_px, blur_px))[inside] for picture in pictures])
    even: Stack = smoothed - smoothed.mean(axis=1, keepdims=True)
    return even


def measure_changes(left: Stack, right: Stack) -> ChangeAgreement:
    """Correlate the changes of registered pictures.

    Two takes of one scene agree in the scene, and not in what moves.

    Args:
        left: float32 (n, m), differences of smoothed pictures: from their mean, or between neighbouring ones.
        right: the same of the other side.
    """
    left_power, right_power, product = (
        (one * other).mean(axis=0) for one, other in ((left, left), (right, right), (left, right))
    )
    weight = np.sqrt(np.minimum(left_power, _MAX_POWER) * np.minimum(right_power, _MAX_POWER)).astype(np.float64)
    correlation = product / np.sqrt(np.maximum(left_power, 1) * np.maximum(right_power, 1))
    totals = (len(left) * power.sum(dtype=np.float64) for power in (left_power, right_power))
    return ChangeAgreement(
        agreement=float((correlation * weight).sum() / max(_MIN_WEIGHT, float(weight.sum()))),
        amount=float(weight.mean()),
        pooled=float(
            len(left) * product.sum(dtype=np.float64) / math.prod(math.sqrt(max(1.0, total)) for total in totals)
        ),
    )
