"""The letterbox geometry of the network's square frames: the size of a picture in its square, and the padding around.

This module only computes sizes and adds padding. `models.borders` finds borders that a picture already has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def fit_inside(width: float, height: float, box_px: int) -> tuple[int, int]:
    """Return the size of a picture whose longer side fills a square box, with the aspect ratio kept.

    Args:
        width: as displayed, above 0, in any unit.
        height: in the same unit.
        box_px: side of the box.

    Returns:
        (width, height) in px, each in [1, box_px].
    """
    scale = box_px / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def pad_to_square(picture: NDArray[np.uint8], box_px: int) -> NDArray[np.uint8]:
    """Centre a picture in a square of zeros.

    Args:
        picture: uint8 (h, w, 3), h and w at most `box_px`.
        box_px: side of the square.

    Returns:
        uint8 (box_px, box_px, 3). An odd pixel of padding is added below and to the right.
    """
    height, width, _ = picture.shape
    top, left = (box_px - height) // 2, (box_px - width) // 2
    square = np.zeros((box_px, box_px, 3), dtype=np.uint8)
    square[top : top + height, left : left + width] = picture
    return square
