"""Where a picture lies in its square: its size inside the box, and the zeros around it. Runs on executors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Beyond these a header's pixel aspect is damage, not a format: anamorphic video stays within 1:2 and 2:1.
MIN_PIXEL_ASPECT = 0.25
MAX_PIXEL_ASPECT = 4.0


def fit_inside(width: float, height: float, box_px: int) -> tuple[int, int]:
    """Scale a picture so that its longer side fills the box.

    Args:
        width: as displayed, above 0, in any unit.
        height: in the same unit.
        box_px: the side of the box.

    Returns:
        (width, height) in px, each in [1, box_px].
    """
    scale = box_px / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def check_pixel_aspect(pixel_aspect: float) -> float:
    """Give a sample aspect ratio (width of a pixel by its height) if it is a likely one, else 1.0."""
    return pixel_aspect if MIN_PIXEL_ASPECT <= pixel_aspect <= MAX_PIXEL_ASPECT else 1.0


def pad_to_square(picture: NDArray[np.uint8], box_px: int) -> NDArray[np.uint8]:
    """Centre a picture in a square of zeros.

    Args:
        picture: uint8 (h, w, 3), h and w at most `box_px`.
        box_px: the side of the square.

    Returns:
        uint8 (box_px, box_px, 3). An odd pixel of padding goes below and to the right.
    """
    height, width, _ = picture.shape
    top, left = (box_px - height) // 2, (box_px - width) // 2
    square = np.zeros((box_px, box_px, 3), dtype=np.uint8)
    square[top : top + height, left : left + width] = picture
    return square
