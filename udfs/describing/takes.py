"""Takes: parts of one video that share no footage, the hardest negatives.

Numpy only. Calibration and training cut takes from the videos of a lake, and the accuracy benchmark from its clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

MIN_SOURCE_SECONDS = 9.0
MIN_PART_SECONDS, MAX_PART_SECONDS = 4.0, 12.0
GAP_SECONDS = 0.5  # between two parts, so that no frame is in both
PART_NUMBERS = (2, 3, 4)
COPIES_PER_PART = 2
COMPARED_FPS = 8.0
"""Frames per second of two parts that are compared."""
COMPARED_PX = 128
"""Side of the grey pictures that are compared."""
# Two frames are twins if the mean grey levels of no block differ by more. The noise of encoding stays below this limit;
# a moving hand exceeds it.
_BLOCK_PX, _MAX_BLOCK_DIFFERENCE = 8, 6.0
_TWIN_SHARE = 0.5

Bounds: TypeAlias = tuple[float, float]
"""Start and end of a part in its video, in seconds; the end is exclusive."""


@dataclass(frozen=True)
class Part:
    """One of several equal parts of a video, without the gaps between them."""

    number: int
    num_parts: int

    @property
    def name(self) -> str:
        """For example `take-1-of-3`."""
        return f"take-{self.number}-of-{self.num_parts}"

    def bounds(self, video_seconds: float) -> Bounds:
        """Return start and end in the video, in seconds."""
        share_seconds = video_seconds / self.num_parts
        start = (self.number - 1) * share_seconds
        return start, start + min(share_seconds - GAP_SECONDS, MAX_PART_SECONDS)


def split_video(video_seconds: float) -> tuple[Part, ...]:
    """Return the parts of a video of that duration: two to four, of 4 s or more each; none below 9 s."""
    if video_seconds < MIN_SOURCE_SECONDS:
        return ()
    most = int(video_seconds // (MIN_PART_SECONDS + GAP_SECONDS))
    count = min(max(PART_NUMBERS), max(min(PART_NUMBERS), most))
    return tuple(Part(number, count) for number in range(1, count + 1))


def choose_longest(videos: Iterable[tuple[str, str, float]]) -> dict[str, str]:
    """Choose the longest video of each source, if it lasts 9 s or more; among equal ones the one with the smallest id.

    Args:
        videos: video_id, source and duration in seconds.

    Returns:
        The video_id of each source.
    """
    longest: dict[str, str] = {}
    for video_id, source, seconds in sorted(videos, key=lambda video: (-video[2], video[0])):
        if seconds >= MIN_SOURCE_SECONDS:
            longest.setdefault(source, video_id)
    return longest


def are_inseparable(left: NDArray[np.number], right: NDArray[np.number]) -> bool:
    """Return whether two parts look the same, as in frozen or looped footage.

    Half of the frames of one must have a twin in the other.

    Args:
        left: (n, 128, 128), grey, in time order, `COMPARED_FPS` per second.
        right: (m, 128, 128).
    """
    return count_twins(left, right) >= _TWIN_SHARE


def count_twins(left: NDArray[np.number], right: NDArray[np.number]) -> float:
    """Return the share of the frames of one side that have a twin on the other, the larger of both sides, in [0, 1]."""
    left, right = _average_blocks(left), _average_blocks(right)
    is_twin = np.array([np.abs(right - frame).max(axis=1) <= _MAX_BLOCK_DIFFERENCE for frame in left])
    return float(max(is_twin.any(axis=0).mean(), is_twin.any(axis=1).mean()))


def _average_blocks(frames: NDArray[np.number]) -> NDArray[np.float32]:
    """Average the blocks of frames (n, px, px): float32 (n, blocks)."""
    count = frames.shape[1] // _BLOCK_PX
    blocks: NDArray[np.float32] = frames.reshape(len(frames), count, _BLOCK_PX, count, _BLOCK_PX).mean(
        axis=(2, 4), dtype=np.float32
    )
    return blocks.reshape(len(frames), -1)
