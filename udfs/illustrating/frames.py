"""The frames of one video in a strip: from its stored thumbnails, or collected while it is decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.square import fit_inside
from udfs.describing.thumbnails import decode_in_colour
from udfs.illustrating.pictures import cut_padding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from udfs.video import FrameChunk


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


class NearestFrames:
    """The frames of one video nearest to some moments, collected while it is decoded."""

    def __init__(self, seconds: Iterable[float]) -> None:
        self.seconds = np.unique(np.array(list(seconds), dtype=np.float64))
        self.size_px = (0, 0)
        self.error: str | None = None
        self.clear()

    def clear(self) -> None:
        """Drop all frames: another decoder starts from the beginning."""
        self._found_seconds = np.full(len(self.seconds), np.inf)
        self._frames: list[NDArray[np.uint8] | None] = [None] * len(self.seconds)

    def add(self, chunk: FrameChunk) -> None:
        """Keep the frames that are nearer to a moment than the frames so far."""
        distances = np.abs(self.seconds[:, None] - chunk.frame_seconds[None, :])
        nearest = distances.argmin(axis=1)
        for place in np.flatnonzero(distances.min(axis=1) < np.abs(self.seconds - self._found_seconds)):
            self._found_seconds[place] = chunk.frame_seconds[nearest[place]]
            self._frames[place] = chunk.frames[nearest[place]].copy()  # a view would keep the chunk in memory

    def at(self, seconds: Iterable[float], frame_px: int) -> Frames | None:
        """Return the frames nearest to some of the moments; None if the video could not be read.

        Args:
            seconds: some of the moments.
            frame_px: side of the square frames that were added.
        """
        places = np.searchsorted(self.seconds, np.array(list(seconds)))
        found = [frame for place in places if (frame := self._frames[place]) is not None]
        if self.error or len(found) < len(places):
            return None
        return Frames(self._found_seconds[places].tolist(), cut_padding(found, self.size_px, frame_px))
