"""The frames of one video in a strip, from its thumbnails."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.square import fit_inside
from udfs.describing.thumbnails import decode_in_colour

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


class Frames(NamedTuple):
    """Frames of one video, all of one size.

    Attributes:
        seconds: their own times, which may differ from the requested ones.
        pictures: uint8 (h, w, 3) each, RGB, without padding.
    """

    seconds: list[float]
    pictures: list[NDArray[np.uint8]]


def read_thumbnails(
    thumbnails: Sequence[bytes | None] | None, seconds: Iterable[float], frame_px: int
) -> Frames | None:
    """Read the frames of a strip from thumbnails; None if one is missing or damaged.

    Args:
        thumbnails: JPEG, at least one; None if the video has none.
        seconds: their times.
        frame_px: longer side of the frames.
    """
    import cv2

    if thumbnails is None or any(thumbnail is None for thumbnail in thumbnails):
        return None
    try:
        pictures = decode_in_colour(thumbnail for thumbnail in thumbnails if thumbnail is not None)
    except ValueError:
        return None
    height, width, _ = pictures[0].shape
    size_px = fit_inside(width, height, frame_px)
    resized = [cv2.resize(picture, size_px, interpolation=cv2.INTER_AREA) for picture in pictures]
    return Frames([float(second) for second in seconds], [picture.astype(np.uint8, copy=False) for picture in resized])
