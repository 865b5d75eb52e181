"""Whether registered pictures agree: place by place, and change by change."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from udfs.describing.local_statistics import LocalStatistics

    Stack = NDArray[np.float32]

_CHANGE_BLUR_PX = 7
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


def measure_changes(
    left: Stack,
    right: Stack,
    inside: NDArray[np.bool_],
    blur_px: int = _CHANGE_BLUR_PX,
) -> ChangeAgreement:
    """Correlate the changes of registered pictures.

    Two takes of one scene agree in the scene, and not in what moves. Changes of the brightness of the whole picture
    are no evidence and are removed first.

    Args:
        left: float32 (n, h, w), differences: from the mean of the pictures, or between neighbouring ones.
        right: the same of the other side.
        inside: bool (h, w), where both pictures show something.
        blur_px: side of the window that smooths the changes.
    """
    import cv2

    blur = (blur_px, blur_px)
    left, right = (np.stack([cv2.blur(picture, blur) for picture in side]) for side in (left, right))
    left, right = (side - side[:, inside].mean(axis=1)[:, None, None] for side in (left, right))
    left_power, right_power = (left**2).mean(axis=0), (right**2).mean(axis=0)
    power = np.sqrt(np.minimum(left_power, _MAX_POWER) * np.minimum(right_power, _MAX_POWER))
    weight = np.where(inside, power, 0.0).astype(np.float64)
    total = max(_MIN_WEIGHT, float(weight.sum()))
    correlation = (left * right).mean(axis=0) / np.sqrt(np.maximum(left_power, 1) * np.maximum(right_power, 1))
    return ChangeAgreement(
        agreement=float((correlation * weight).sum() / total),
        amount=float(weight.sum() / max(1, inside.sum())),
        pooled=_pool(left, right, inside),
    )


def _pool(left: Stack, right: Stack, inside: NDArray[np.bool_]) -> float:
    """Return the correlation of all changes at once: what changes on one side only counts against it."""
    one, other = left[:, inside], right[:, inside]
    return float((one * other).sum() / np.sqrt(max(1.0, float((one**2).sum())) * max(1.0, float((other**2).sum()))))
