"""The registered pictures of each moment: contrast matched, shifts removed, local correlations measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from udfs.describing.local_statistics import measure_locally, window_px
from udfs.registering.agreement import correlate_locally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from udfs.describing.local_statistics import LocalStatistics
    from udfs.registering.agreement import Stack
    from udfs.verifying.moments import Moment

_DEVIATION, _MIN_GAIN, _MAX_GAIN = 45.0, 0.5, 4.0  # grey levels; a higher gain would turn noise into contrast
_MIN_SHIFT_PX, _MAX_SHIFT_SHARE = 0.7, 0.2
_WELL_REGISTERED = 0.85  # mean local correlation above which a shift has nothing to improve


def _match_contrast(picture: Stack, inside: NDArray[np.bool_]) -> Stack:
    """Scale a picture to a common contrast: a dark copy has less of it, and thresholds are in grey levels."""
    deviation = float(picture[inside].std())
    return picture * np.float32(np.clip(_DEVIATION / max(deviation, 1.0), _MIN_GAIN, _MAX_GAIN))


def _shift(picture: Stack, target: Stack, window: Stack) -> Stack | None:
    """Move a warped picture onto its target by phase correlation; None if it is there already, or too far away.

    A camera that moves between two samples out of phase, and a copy that shakes, shift each moment by another amount.
    Kuglin and Hines 1975, The phase correlation image alignment method.
    """
    import cv2

    (x, y), _ = cv2.phaseCorrelate(picture * window, target * window)
    distance = float(np.hypot(x, y))
    if not _MIN_SHIFT_PX < distance < _MAX_SHIFT_SHARE * max(picture.shape):
        return None
    height, width = picture.shape
    moved = cv2.warpAffine(
        picture, np.array([[1, 0, x], [0, 1, y]], np.float64), (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    return moved.astype(np.float32)


class ComparedMoment(NamedTuple):
    """Two registered pictures of one moment."""

    mean: float
    left: Stack
    right: Stack
    correlations: Stack
    variances: tuple[Stack, Stack]


def _mean_of(compared: ComparedMoment) -> float:
    return compared.mean


def _correlate(
    left: Stack,
    left_stats: LocalStatistics,
    right: Stack,
    inside: NDArray[np.bool_],
    side: int,
) -> ComparedMoment:
    """Correlate two registered pictures locally."""
    right_stats = measure_locally(right, side)
    local = correlate_locally(left, right, (left_stats, right_stats), side)
    return ComparedMoment(float(local[inside].mean()), left, right, local, (left_stats.variance, right_stats.variance))


def compare_moments(
    left_frames: Mapping[int, NDArray[np.uint8]],
    right_frames: Mapping[int, NDArray[np.uint8]],
    moments: Sequence[Moment],
    warp: Callable[[NDArray[np.uint8]], Stack],
    inside: NDArray[np.bool_],
) -> list[ComparedMoment]:
    """Compare the pictures of each moment.

    Of the right frames before and after the moment, the one that correlates better is taken.

    Args:
        left_frames: uint8 (h, w), grey, by frame number.
        right_frames: the same of the right video.
        moments: which frames to compare.
        warp: maps a left picture onto the right ones.
        inside: bool (h, w), where both show something.
    """
    import cv2

    side = window_px(inside.shape)
    window = (inside * cv2.createHanningWindow(inside.shape[::-1], cv2.CV_32F)).astype(np.float32)
    compared = []
    for moment in moments:
        left = _match_contrast(warp(left_frames[moment.left]), inside)
        stats = measure_locally(left, side)
        options = []
        for number in dict.fromkeys((moment.right_before, moment.right_after)):
            right = _match_contrast(right_frames[number].astype(np.float32), inside)
            options.append(_correlate(left, stats, right, inside, side))
        best = max(options, key=_mean_of)
        if best.mean < _WELL_REGISTERED and (moved := _shift(left, best.right, window)) is not None:
            best = max(best, _correlate(moved, measure_locally(moved, side), best.right, inside, side), key=_mean_of)
        compared.append(best)
    return compared
