"""How much aligned frames change over time, and how well the changes of two videos agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_COMPARABLE_FRAMES = 4
"""Aligned frames that changes are compared over, at least: among three frames only one pair is apart."""
_MIN_DISTANCE = 2  # frames: neighbours show almost the same moment


def measure_change_agreement(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Return how well the changes of aligned frames agree, in [-4, 4]; 0 for fewer than four frames.

    Two takes of one static scene agree in the scene but not in what moves. So each side's mean is subtracted from its
    frames. The result is the mean product of frames at the same moment, less the mean product of frames two or more
    positions apart. docs/decisions/0005 has the measurements.

    Args:
        left: float32 (n, dim), unit norm.
        right: float32 (n, dim), the frames that the left ones are aligned with.
    """
    if len(left) < MIN_COMPARABLE_FRAMES:
        return 0.0
    products = (left - left.mean(axis=0)) @ (right - right.mean(axis=0)).T
    positions = np.arange(len(left))
    is_apart = np.abs(positions[:, None] - positions[None, :]) >= _MIN_DISTANCE
    return float(products.diagonal().mean() - products[is_apart].mean())


def measure_change(frames: NDArray[np.float32]) -> float:
    """Return the mean squared deviation of frames (n, dim) from their mean, in [0, 1]."""
    return float(((frames - frames.mean(axis=0)) ** 2).sum()) / len(frames)
