"""The moments of an alignment at which the second look compares the pixels of both videos."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from udfs.verifying.features import Segment
    from udfs.verifying.lines import AlignedSegment

MAX_MOMENTS = 8


class Moment(NamedTuple):
    """A frame of the left video and the right frames before and after its time."""

    left: int
    right_before: int
    right_after: int


def choose_moments(
    left_seconds: NDArray[np.float64], right_seconds: NDArray[np.float64], segments: Sequence[AlignedSegment]
) -> list[Moment]:
    """Choose up to eight moments of aligned segments, spread evenly over the best ones.

    Segments are taken in their order, the best first, until eight moments are found.

    Args:
        left_seconds: float64 (n,), the times of the left frames, ascending.
        right_seconds: float64 (m,), of the right frames.
        segments: of the alignment, the best first.
    """
    moments: list[Moment] = []
    for segment in segments:
        found = _choose_in_segment(left_seconds, right_seconds, *segment, MAX_MOMENTS - len(moments))
        moments += [moment for moment in found if moment not in moments]
        if len(moments) == MAX_MOMENTS:
            break
    return moments


def _choose_in_segment(
    left_seconds: NDArray[np.float64],
    right_seconds: NDArray[np.float64],
    left: Segment,
    right: Segment,
    max_moments: int,
) -> list[Moment]:
    """Choose moments of one segment, spread evenly.

    The segment is cut into equal spans. The moment of a span is the left frame whose time, mapped to the right video,
    is nearest to the time of a right frame, because the samples of two videos are not in phase. Speed is constant
    within a segment.
    """
    begin, end = np.searchsorted(left_seconds, [left.start_seconds, left.end_seconds])
    if begin == end:
        return []
    length = left.end_seconds - left.start_seconds
    speed = (right.end_seconds - right.start_seconds) / length
    seconds = left_seconds[begin:end]
    mapped = right.start_seconds + (seconds - left.start_seconds) * speed
    after = np.clip(np.searchsorted(right_seconds, mapped), 0, len(right_seconds) - 1)
    before = np.maximum(after - 1, 0)
    distance = np.minimum(np.abs(right_seconds[after] - mapped), np.abs(mapped - right_seconds[before]))
    spans = np.minimum((seconds - left.start_seconds) / length * max_moments, max_moments - 1).astype(int)
    chosen = [min(np.flatnonzero(spans == span), key=lambda i: distance[i]) for span in np.unique(spans)]
    return [Moment(int(begin + i), int(before[i]), int(after[i])) for i in chosen]
