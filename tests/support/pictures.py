"""Generated pictures of a scene: a textured background, and a textured patch that moves on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from udfs.registering.keypoints import detect_keypoints
from udfs.registering.second_look import Pictures
from udfs.verifying.moments import Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

HEIGHT_PX, WIDTH_PX = 126, 224
_PATCH_PX = 48
_OCTAVES_PX = (4, 8, 16, 32)  # sizes of the blobs


def make_texture(seed: int, height_px: int = HEIGHT_PX, width_px: int = WIDTH_PX) -> Picture:
    """Return smoothed random noise of several sizes: uint8 (h, w)."""
    rng, total = np.random.default_rng(seed), np.zeros((height_px, width_px))
    for size in _OCTAVES_PX:
        noise = rng.normal(size=(height_px // size + 2, width_px // size + 2)).astype(np.float32)
        smooth = Image.fromarray(noise).resize((width_px, height_px), Image.Resampling.BICUBIC)
        total += np.asarray(smooth)
    return np.clip(128 + 28 * total, 0, 255).astype(np.uint8)


def film(scene: int, motion: int | None, num_frames: int = 8) -> list[Picture]:
    """Return the frames of a take: uint8 (h, w) each.

    Args:
        scene: seed of the background and of the patch.
        motion: seed of the places of the patch; None to leave the patch out, so that nothing moves.
        num_frames: number of frames.
    """
    background, patch = make_texture(scene), make_texture(scene + 1000, _PATCH_PX, _PATCH_PX)
    frames = [background.copy() for _ in range(num_frames)]
    if motion is not None:
        rng = np.random.default_rng(motion)
        for frame in frames:
            top, left = rng.integers(HEIGHT_PX - _PATCH_PX), rng.integers(WIDTH_PX - _PATCH_PX)
            frame[top : top + _PATCH_PX, left : left + _PATCH_PX] = patch
    return frames


def edit(frames: Sequence[Picture], change: Callable[[Image.Image], Image.Image]) -> list[Picture]:
    """Apply an edit of Pillow to each frame."""
    return [np.asarray(change(Image.fromarray(frame))) for frame in frames]


def show(frames: Sequence[Picture]) -> Pictures:
    """Return frames as one side of a second look."""
    return Pictures(dict(enumerate(frames)), lambda number: detect_keypoints(frames[number]))


def list_moments(count: int = 8) -> list[Moment]:
    """Return one moment per frame of two videos in phase."""
    return [Moment(number, max(0, number - 1), number) for number in range(count)]
