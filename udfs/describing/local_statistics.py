"""Mean and variance in the window around each pixel: how much detail a picture has, and whether two pictures agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Stack = NDArray[np.float32]

WINDOW_SHARE = 1 / 11  # of the longer side: a head in a medium shot


class LocalStatistics(NamedTuple):
    """Mean and variance in the window around each pixel, float32 (h, w) each."""

    mean: Stack
    variance: Stack


def window_px(shape: tuple[int, ...]) -> int:
    """Return the side of the local window for pictures of a shape (h, w): odd, at least 9 px."""
    return max(9, int(max(shape) * WINDOW_SHARE) | 1)


def measure_locally(picture: Stack, side: int) -> LocalStatistics:
    """Return mean and variance in square windows."""
    import cv2

    mean = cv2.blur(picture, (side, side)).astype(np.float32)
    variance = cv2.blur(picture * picture, (side, side)) - mean * mean
    return LocalStatistics(mean, np.maximum(variance, 0).astype(np.float32))
