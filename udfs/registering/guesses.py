"""Guesses of the geometry of two pictures without enough keypoints: the same frame, mirrored, enlarged or reduced."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from udfs.describing.local_statistics import measure_locally, window_px
from udfs.registering.agreement import correlate_locally
from udfs.registering.geometry import Registration, is_plausible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Picture = NDArray[np.float32]
    Affine = NDArray[np.float64]

_SCALES = (1.0, 1.1, 1.25, 1.4, 1.7, 1 / 1.1, 1 / 1.25, 1 / 1.4, 1 / 1.7)
_SMALL_PX = 72  # longer side of the pictures on which guesses are compared
_REFINED_PX = 112
_MIN_CONTRAST = 16.0  # variance in grey levels squared
_MIN_INSIDE_SHARE = 0.3
_MIN_CORRELATION, _MIN_KNOWN_CORRELATION = 0.4, 0.25  # mean local correlation of a geometry that is accepted
_MIN_REFINED = 0.2  # mean local correlation below which a guess is not refined
_ITERATIONS, _EPSILON = 40, 1e-3
_BLUR_PX = 5


def guess_registration(
    pictures: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]], known: Registration | None
) -> Registration | None:
    """Return the geometry with the highest local correlation of a few pairs of pictures: a known one, or a guess.

    Smooth, blurred and pixelated pictures have few keypoints, and most copies show the same frame: after borders are
    cut, only the mirrored and the cropped ones do not. The best guess is refined to an affine map by maximising the
    enhanced correlation coefficient (Evangelidis and Psarakis 2008, Parametric Image Alignment Using Enhanced
    Correlation Coefficient Maximization).

    Args:
        pictures: uint8 (h, w), grey: left and right pictures of one moment each, all left ones of one shape, and all
            right ones of one shape.
        known: what keypoints found, if anything.
    """
    left_shape, right_shape = pictures[0][0].shape, pictures[0][1].shape
    guesses = [
        Registration(_scale_about_centre(left_shape, right_shape, scale), is_mirrored, 0)
        for is_mirrored, scale in product((False, True), _SCALES)
    ]
    small = [(_reduce(left, _SMALL_PX), _reduce(right, _SMALL_PX)) for left, right in pictures]
    best = max(guesses, key=lambda guess: _correlate(guess, small, left_shape, right_shape))
    score = _correlate(best, small, left_shape, right_shape)
    if score >= _MIN_REFINED and (refined := _refine(best, pictures)) is not None:
        refined_score = _correlate(refined, small, left_shape, right_shape)
        best, score = (refined, refined_score) if refined_score > score else (best, score)
    known_score = -1.0 if known is None else _correlate(known, small, left_shape, right_shape, min_share=0.0)
    if score >= max(_MIN_CORRELATION, known_score):
        return best
    return known if known_score >= _MIN_KNOWN_CORRELATION else None


def _scale_about_centre(left_shape: tuple[int, ...], right_shape: tuple[int, ...], scale: float) -> Affine:
    """Return the map that fills the right picture with the left one, enlarged about its centre."""
    (left_height, left_width), (right_height, right_width) = left_shape, right_shape
    x_scale, y_scale = scale * right_width / left_width, scale * right_height / left_height
    x, y = (right_width - 1 - x_scale * (left_width - 1)) / 2, (right_height - 1 - y_scale * (left_height - 1)) / 2
    return np.array([[x_scale, 0, x], [0, y_scale, y]], np.float64)


def _reduce(picture: NDArray[np.uint8], side_px: int) -> Picture:
    """Reduce a picture so that its longer side has `side_px` px."""
    import cv2

    factor = side_px / max(picture.shape)
    size = [max(8, round(length * factor)) for length in picture.shape[::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _rescale(
    affine: Affine, left: tuple[int, ...], right: tuple[int, ...], to_left: tuple[int, ...], to_right: tuple[int, ...]
) -> Affine:
    """Convert an affine map between pictures of other sizes; shapes are (h, w). Pixel centres are at integers."""
    from_small = _resize_map(to_left, left)
    to_small = _resize_map(right, to_right)
    rescaled: Affine = (to_small @ np.vstack([affine, [0, 0, 1]]) @ from_small)[:2]
    return rescaled


def _resize_map(source: tuple[int, ...], target: tuple[int, ...]) -> Affine:
    """Return the map (3, 3) of pixel positions from a picture to the same picture of another size."""
    y, x = target[0] / source[0], target[1] / source[1]
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]], np.float64)


def _correlate(
    guess: Registration,
    small: Sequence[tuple[Picture, Picture]],
    left_shape: tuple[int, ...],
    right_shape: tuple[int, ...],
    min_share: float = _MIN_INSIDE_SHARE,
) -> float:
    """Return the mean local correlation of registered small pictures where either has contrast, in [-1, 1]."""
    import cv2

    one, other = small[0]
    affine = _rescale(guess.affine, left_shape, right_shape, one.shape, other.shape)
    size = other.shape[::-1]
    inside = cv2.warpAffine(np.ones(one.shape, np.uint8), affine, size, flags=cv2.INTER_NEAREST) > 0
    # Both the share of the right picture and that of the left one count: a small patch correlates with anything.
    area = float(abs(np.linalg.det(affine[:, :2]))) * one.size
    if inside.sum() < min_share * max(area, other.size):
        return -1.0
    side, total, count = window_px(other.shape), 0.0, 0
    for left, right in small:
        upright = np.ascontiguousarray(left[:, ::-1]) if guess.is_mirrored else left
        warped = cv2.warpAffine(upright, affine, size, flags=cv2.INTER_LINEAR).astype(np.float32)
        stats = measure_locally(warped, side), measure_locally(right, side)
        has_contrast = inside & (np.maximum(stats[0].variance, stats[1].variance) > _MIN_CONTRAST)
        total += float(correlate_locally(warped, right, stats, side)[has_contrast].sum())
        count += int(has_contrast.sum())
    return total / count if count else 0.0


def _refine(
    guess: Registration, pictures: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]
) -> Registration | None:
    """Refine a guess on the pair of pictures in the middle; None if that does not converge."""
    import cv2

    left, right = pictures[len(pictures) // 2]
    small = _reduce(left, _REFINED_PX), _reduce(right, _REFINED_PX)
    upright = np.ascontiguousarray(small[0][:, ::-1]) if guess.is_mirrored else small[0]
    start = np.vstack([_rescale(guess.affine, left.shape, right.shape, small[0].shape, small[1].shape), [0, 0, 1]])
    inverse = np.linalg.inv(start)[:2].astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ITERATIONS, _EPSILON)
    mask: Any = np.full(upright.shape, 255, np.uint8)
    try:
        # The map of OpenCV goes from the template (right) to the input (left).
        _, found = cv2.findTransformECC(small[1], upright, inverse, cv2.MOTION_AFFINE, criteria, mask, _BLUR_PX)
    except cv2.error:
        return None
    affine = np.linalg.inv(np.vstack([found, [0, 0, 1]]).astype(np.float64))[:2]
    affine = _rescale(affine, small[0].shape, small[1].shape, left.shape, right.shape)
    return Registration(affine, guess.is_mirrored, 0) if is_plausible(affine[:, :2]) else None
