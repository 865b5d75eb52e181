"""Steps 3 and 4 of `align`: candidate lines through time, and the frame similarities along them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from udfs.verifying.change import measure_change_agreement
from udfs.verifying.features import Segment
from udfs.verifying.frame_similarity import MIN_SIMILARITY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from udfs.verifying.features import VideoFeatures

_NUM_SEEDS = 24  # frame pairs of each ranking: see `propose_lines`
_SPEEDS = np.array([1.0, 1 / 2, 2 / 3, 4 / 5, 5 / 4, 3 / 2, 2.0])


class DiagonalRun(NamedTuple):
    """Consecutive left frames along one line, from `begin` to before `end`.

    Attributes:
        line: number of the line.
        begin: number of the first left frame.
        end: number after the last left frame.
        gain: sum of the gains of its frames.
    """

    line: int
    begin: int
    end: int
    gain: float


class AlignedSegment(NamedTuple):
    """A segment of the left video and the segment of the right video that shows the same footage."""

    left: Segment
    right: Segment


@dataclass(frozen=True)
class CandidateLines:
    """Straight lines through time, one per row, and the right frame at each left frame, one per column.

    Attributes:
        left: left video.
        right: right video.
        speeds: float64 (lines,), right seconds per left second.
        right_seconds: float64 (lines, left frames), the time in the right video at each left frame.
        right_frames: integers (lines, left frames), the number of the right frame nearest to that time.
        similarities: (lines, left frames), normalised; 0 where a line is outside the right video.
    """

    left: VideoFeatures
    right: VideoFeatures
    speeds: NDArray[np.float64]
    right_seconds: NDArray[np.float64]
    right_frames: NDArray[np.intp]
    similarities: NDArray[np.floating[Any]]

    def right_frames_of(self, run: DiagonalRun) -> NDArray[np.intp]:
        """Return the numbers of the right frames along a run."""
        frames: NDArray[np.intp] = self.right_frames[run.line, run.begin : run.end]
        return frames

    def measure_change_agreement(self, run: DiagonalRun) -> float:
        """Return how well the changes of both sides agree along a run: see `udfs.verifying.change`."""
        return measure_change_agreement(
            self.left.vectors[run.begin : run.end], self.right.vectors[self.right_frames_of(run)]
        )

    def correlate_changes(self) -> NDArray[np.float64]:
        """Return running sums for correlations of changes: float64 (3, lines, left frames + 1).

        The sums are those of the products of both sides' deviations, of the left squares, and of the right squares.
        """
        right = self.right.deviations
        products = self.left.deviations @ right.T
        squares = (self.left.deviations**2).sum(axis=1), (right**2).sum(axis=1)
        along = np.zeros((3, *self.right_frames.shape))
        along[0] = products[np.arange(len(self.left.seconds))[None, :], self.right_frames]
        along[1] = squares[0][None, :]
        along[2] = squares[1][self.right_frames]
        return np.concatenate([np.zeros((*along.shape[:2], 1)), np.cumsum(along, axis=2)], axis=2)

    def bound(self, run: DiagonalRun) -> AlignedSegment:
        """Return where a run starts and ends in both videos: times that the line maps onto each other.

        A frame is shown until the next one appears, but no segment extends beyond the end of the other video: of a
        frame that is sampled just before that end, only the part before it is shared.
        """
        left, right, speed = self.left, self.right, float(self.speeds[run.line])
        left_end = left.seconds[run.end] if run.end < len(left.seconds) else left.duration_seconds
        first, last = left.seconds[run.begin], left.seconds[run.end - 1]
        at_first, at_last = self.right_seconds[run.line, [run.begin, run.end - 1]]
        right_start = min(right.duration_seconds, max(0.0, at_first))
        right_end = max(right_start, min(right.duration_seconds, at_last + speed * (left_end - last)))
        left_start = min(max(first, first + (right_start - at_first) / speed), left_end)
        left_end = max(left_start, min(left_end, last + (right_end - at_last) / speed))
        return AlignedSegment(
            Segment(float(left_start), float(left_end)), Segment(float(right_start), float(right_end))
        )


def propose_lines(
    similarities: NDArray[np.float32], left: VideoFeatures, right: VideoFeatures
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the speeds and offsets of candidate lines `right_seconds = speed * left_seconds + offset`.

    Each seed proposes one line per speed, as each match votes for a time offset in temporal Hough voting (Douze,
    Jegou and Schmid 2010, An image-based approach to video copy detection with spatio-temporal post-filtering). Seeds
    are both starts, both ends, and the 24 most similar frame pairs by three rankings: by similarity; by similarity and
    weight, because a static scene has enough similar pairs to hide all others from the first ranking; and by what
    changes, because within a static scene nothing else says when a frame is shown.

    Args:
        similarities: float32 (left frames, right frames), as `compare_frames` returns it.
        left: left video.
        right: right video.
    """
    count = min(_NUM_SEEDS, similarities.size)
    weighted = (similarities - MIN_SIMILARITY) * left.weights[:, None] * right.weights[None, :]
    rankings = (similarities, weighted, left.deviations @ right.deviations.T)
    seeds = [np.argpartition(scores, similarities.size - count, axis=None)[-count:] for scores in rankings]
    i, j = np.unravel_index(np.unique(np.concatenate(seeds)), similarities.shape)
    at_left = np.concatenate([[0.0, left.duration_seconds], left.seconds[i]])
    at_right = np.concatenate([[0.0, right.duration_seconds], right.seconds[j]])
    offsets = at_right[:, None] - _SPEEDS[None, :] * at_left[:, None]
    return np.broadcast_to(_SPEEDS, offsets.shape).ravel(), offsets.ravel()


def trace_lines(
    similarities: NDArray[np.float32],
    left: VideoFeatures,
    right: VideoFeatures,
    speeds: NDArray[np.float64],
    offsets: NDArray[np.float64],
) -> CandidateLines:
    """Read the similarities along lines: at each left frame, that of the right frame nearest to the line.

    Args:
        similarities: float32 (left frames, right frames), as `compare_frames` returns it.
        left: left video.
        right: right video.
        speeds: float64 (lines,).
        offsets: float64 (lines,), seconds.
    """
    right_seconds = speeds[:, None] * left.seconds[None, :] + offsets[:, None]
    midpoints = (right.seconds[1:] + right.seconds[:-1]) / 2
    right_frames = np.searchsorted(midpoints, right_seconds)
    # Nothing is shown at or after the duration, except by a still picture, whose duration is 0.
    is_inside = (right_seconds >= -right.frame_interval_seconds / 2) & (
        (right_seconds < right.duration_seconds) | (right_seconds <= right.seconds[-1])
    )
    along = similarities[np.arange(len(left.seconds))[None, :], right_frames]
    return CandidateLines(left, right, speeds, right_seconds, right_frames, np.where(is_inside, along, 0.0))
