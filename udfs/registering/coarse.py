"""Compares registered pictures at a quarter of their size: which moments fit, and where brightness differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from udfs.registering.agreement import Stack

_REDUCTION = 4
_MIN_SIDE_PX = 8
_TONE_DEGREE = 3  # of the polynomial from left to right brightness: gamma, contrast, brightness
_MIN_DIFFERENCE = 12.0  # grey levels: encoding changes less
_MIN_VARIANCE = 1.0  # grey levels squared


def reduce_stacks(left: Stack, right: Stack, inside: NDArray[np.bool_]) -> tuple[Stack, Stack]:
    """Reduce registered pictures to a quarter of their size: float32 (n, pixels inside) each.

    Args:
        left: float32 (n, h, w).
        right: float32 (n, h, w).
        inside: bool (h, w), where both pictures show something.
    """
    import cv2

    height, width = inside.shape
    size = max(_MIN_SIDE_PX, width // _REDUCTION), max(_MIN_SIDE_PX, height // _REDUCTION)
    mask = cv2.resize(inside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    one, other = (
        np.stack([cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[mask] for picture in stack])
        for stack in (left, right)
    )
    return one, other


def rank_moments(left: Stack, right: Stack) -> tuple[float, float]:
    """Measure whether each left picture changes like its own right picture, rather than like those of other moments.

    In copies each moment fits its own counterpart best. In two takes of one scene any moment fits as well as another:
    the other moments of the pair are the control.

    Args:
        left: float32 (n, m), reduced pictures, n >= 2.
        right: float32 (n, m).

    Returns:
        The share of the other moments that fit worse, in [0, 1], .5 by chance; and the mean correlation with its own
        counterpart less the mean correlation with the others, in [-2, 2].
    """
    sides = []
    for stack in (left, right):
        changes = stack - stack.mean(axis=0)
        changes = changes - changes.mean(axis=1, keepdims=True)
        sides.append(changes / np.maximum(np.linalg.norm(changes, axis=1, keepdims=True), 1.0))
    fits = (sides[0] @ sides[1].T).astype(np.float64)
    own, is_other = np.diag(fits), ~np.eye(len(fits), dtype=bool)
    wins = [(own[:, None] > fits)[is_other].mean(), (own[None] > fits)[is_other].mean()]
    return float(np.mean(wins)), float(own.mean() - fits[is_other].mean())


class Brightness(NamedTuple):
    """How well the brightness of one side explains that of the other.

    Attributes:
        explained: share of the right side's variance, in [0, 1].
        differing: share of the pixels that differ by more than 12 grey levels, in [0, 1]; flat places count too.
    """

    explained: float
    differing: float


def compare_brightness(left: Stack, right: Stack) -> Brightness:
    """Compare the brightness of reduced pictures, float32 (n, m) each, after one tone curve for all moments."""
    middle, scale = float(left.mean()), max(1.0, float(left.std()))
    tones = np.vander(((left - middle) / scale).ravel(), _TONE_DEGREE + 1)
    curve, *_ = np.linalg.lstsq(tones, right.ravel(), rcond=None)
    residual = right.ravel() - tones @ curve
    explained = 1 - float((residual**2).mean()) / max(_MIN_VARIANCE, float(right.var()))
    return Brightness(max(0.0, explained), float((np.abs(residual) > _MIN_DIFFERENCE).mean()))
