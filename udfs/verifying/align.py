"""Two videos frame by frame: where they show the same, and what speaks for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from udfs.verifying.relation import name_relation
from udfs.verifying.stretches import MIN_SIMILARITY, Lines, find_stretches, measure_agreement, measure_change

if TYPE_CHECKING:
    from numpy.typing import NDArray

BACKGROUND_SHARE = 0.4
"""Of both frames' similarity to the background that is taken off their own: what matches everything proves nothing."""
_MAX_FRAMES = 2000  # a longer video is compared more sparsely: the matrix of two stays below 16 MB
_NUM_SEEDS = 24  # of either kind: see `_propose_lines`
_SPEEDS = np.array([1.0, 1 / 2, 2 / 3, 4 / 5, 5 / 4, 3 / 2, 2.0])
_LOOK_ALIKE = 0.8  # frames of one video so similar are one piece of evidence


@dataclass(frozen=True)
class VideoFeatures:
    """The embedded frames of a video.

    Attributes:
        vectors: float32 (n, dim), unit norm, in the order of time.
        seconds: float64 (n,), ascending.
        backgrounds: float32 (n,), each frame's mean similarity to its nearest frames of the background.
        duration_seconds: of the video.
    """

    vectors: NDArray[np.float32]
    seconds: NDArray[np.float64]
    backgrounds: NDArray[np.float32]
    duration_seconds: float

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """One over the number of frames of the video that look like it, itself among them: float64 (n,).

        Thin a long video first: memory grows with the square of its frames.
        """
        alike = (self.vectors @ self.vectors.T > _LOOK_ALIKE).sum(axis=1)
        weights: NDArray[np.float64] = 1.0 / np.maximum(alike, 1)
        return weights

    def thin(self) -> VideoFeatures:
        """Keep every so many frames of a long video."""
        step = -(-len(self.vectors) // _MAX_FRAMES)
        if step == 1:
            return self
        return VideoFeatures(
            self.vectors[::step], self.seconds[::step], self.backgrounds[::step], self.duration_seconds
        )


@dataclass(frozen=True)
class TimeAlignment:
    """The best alignment of two videos, and the evidence for it.

    Attributes:
        left_start_seconds: where the shared footage begins in the left video; likewise the three others. Of several
            stretches they enclose all.
        left_end_seconds: see above.
        right_start_seconds: see above.
        right_end_seconds: see above.
        left_coverage: share of the left video that it fills, in [0, 1].
        right_coverage: share of the right video.
        similarity: mean normalised similarity of the aligned frames, weighted; about 0 for strangers.
        left_chamfer: mean over the left frames of the best normalised similarity to any right one.
        right_chamfer: the other way.
        independent_frames: sum of the weights of the aligned frames, the smaller of both sides.
        change_agreement: mean product of what changes at the frames of the best stretch, less that of frames two or
            more apart, in [-4, 4]; about 0 for two takes of one scene, and where nothing changes. A further stretch
            is another place in time, so its frames are no measure of what changes along the best.
        attainable_agreement: geometric mean of what it is of each side with itself: what a perfect copy would have, in
            [0, 4].
        change: mean squared deviation of the aligned frames from their mean, the smaller of both sides, in [0, 1].
        stretches: start and end on the left, then on the right, in seconds, of each aligned stretch, the best first.
    """

    left_start_seconds: float
    left_end_seconds: float
    right_start_seconds: float
    right_end_seconds: float
    left_coverage: float
    right_coverage: float
    similarity: float
    left_chamfer: float
    right_chamfer: float
    independent_frames: float
    change_agreement: float
    attainable_agreement: float
    change: float
    stretches: tuple[tuple[float, float, float, float], ...] = ()

    @property
    def relation(self) -> str:
        """`copy` where it covers most of both videos, `contained` of one, `overlap` of neither."""
        return name_relation(self.left_coverage, self.right_coverage)


def align(left: VideoFeatures, right: VideoFeatures) -> TimeAlignment | None:
    """Find the straight lines through time along which two videos agree best; None where no frames agree.

    Lines go through the most similar pairs of frames, at seven speeds; along each, the stretch with the largest sum of
    weighted similarities above a floor counts (diagonal voting, as Douze et al. 2016 align by temporal Hough
    voting). Where footage was inserted, cut out, put in another order or shown twice, the best stretch is not all:
    further ones that say something new follow. Off each similarity goes a share of both frames' similarity to the
    background (score normalisation: Pizzi et al. 2022, arXiv 2202.10261). Frames that look like others of their video
    share one weight.
    """
    left, right = left.thin(), right.thin()
    similar = left.vectors @ right.vectors.T
    similar -= BACKGROUND_SHARE * (left.backgrounds[:, None] + right.backgrounds[None, :])
    speeds, offsets = _propose_lines(similar, left, right)
    at_right = speeds[:, None] * left.seconds[None, :] + offsets[:, None]
    middles = (right.seconds[1:] + right.seconds[:-1]) / 2
    frames = np.searchsorted(middles, at_right)
    # Nothing is shown from the duration on, but by a single picture, which has none.
    is_inside = (at_right >= -_step_seconds(right) / 2) & (
        (at_right < right.duration_seconds) | (at_right <= right.seconds[-1])
    )
    met = np.where(is_inside, similar[np.arange(len(left.seconds))[None, :], frames], 0.0)
    lines = Lines(met, left.weights, frames, speeds, left.vectors, right.vectors)
    stretches = [
        _Stretch(run.begin, lines.meet(run), at_right[run.row, run.begin : run.end], float(speeds[run.row]))
        for run in find_stretches(lines)
    ]
    return _describe(left, right, similar, stretches) if stretches else None


@dataclass(frozen=True)
class _Stretch:
    """Aligned frames along one line: the left ones from `begin` on, the right ones, and the right times at them."""

    begin: int
    frames: NDArray[np.intp]
    at_right: NDArray[np.float64]
    speed: float

    @property
    def end(self) -> int:
        return self.begin + len(self.frames)

    def bound(self, left: VideoFeatures, right: VideoFeatures) -> tuple[float, float, float, float]:
        """Return where it starts and ends on the left, then on the right; a frame is shown until the next one is."""
        left_start = left.seconds[self.begin]
        left_end = left.seconds[self.end] if self.end < len(left.seconds) else left.duration_seconds
        right_start = min(right.duration_seconds, max(0.0, self.at_right[0]))
        shown = self.speed * (left_end - left.seconds[self.end - 1])
        right_end = max(right_start, min(right.duration_seconds, self.at_right[-1] + shown))
        return float(left_start), float(left_end), float(right_start), float(right_end)


def _propose_lines(
    similar: NDArray[np.float32], left: VideoFeatures, right: VideoFeatures
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return speeds and offsets of lines `right = speed * left + offset` that may be the best.

    They go through both starts, both ends, the most similar pairs of frames, and the most similar of those that look
    like few others of their videos: a still scene has similar pairs enough to hide all the rest.
    """
    count = min(_NUM_SEEDS, similar.size)
    telling = (similar - MIN_SIMILARITY) * left.weights[:, None] * right.weights[None, :]
    seeds = [np.argpartition(scores, similar.size - count, axis=None)[-count:] for scores in (similar, telling)]
    i, j = np.unravel_index(np.unique(np.concatenate(seeds)), similar.shape)
    at_left = np.concatenate([[0.0, left.duration_seconds], left.seconds[i]])
    at_right = np.concatenate([[0.0, right.duration_seconds], right.seconds[j]])
    offsets = at_right[:, None] - _SPEEDS[None, :] * at_left[:, None]
    return np.broadcast_to(_SPEEDS, offsets.shape).ravel(), offsets.ravel()


def _step_seconds(video: VideoFeatures) -> float:
    """Return the mean time between two frames."""
    return video.duration_seconds / len(video.seconds)


def _describe(
    left: VideoFeatures, right: VideoFeatures, similar: NDArray[np.float32], stretches: list[_Stretch]
) -> TimeAlignment:
    """Tell where the aligned frames lie and what speaks for them."""
    i = np.concatenate([np.arange(stretch.begin, stretch.end) for stretch in stretches])
    j = np.concatenate([stretch.frames for stretch in stretches])
    bounds = np.array([stretch.bound(left, right) for stretch in stretches])
    best = stretches[0]
    best_left, best_right = left.vectors[best.begin : best.end], right.vectors[best.frames]
    own = [max(0.0, measure_agreement(side, side)) for side in (best_left, best_right)]
    return TimeAlignment(
        left_start_seconds=float(bounds[:, 0].min()),
        left_end_seconds=float(bounds[:, 1].max()),
        right_start_seconds=float(bounds[:, 2].min()),
        right_end_seconds=float(bounds[:, 3].max()),
        left_coverage=_cover(bounds[:, :2], left.duration_seconds),
        right_coverage=_cover(bounds[:, 2:], right.duration_seconds),
        similarity=float(np.average(similar[i, j], weights=left.weights[i])),
        left_chamfer=float(similar.max(axis=1).mean()),
        right_chamfer=float(similar.max(axis=0).mean()),
        independent_frames=float(min(left.weights[np.unique(i)].sum(), right.weights[np.unique(j)].sum())),
        change_agreement=measure_agreement(best_left, best_right),
        attainable_agreement=math.sqrt(own[0] * own[1]),
        change=min(measure_change(left.vectors[i]), measure_change(right.vectors[j])),
        stretches=tuple(stretch.bound(left, right) for stretch in stretches),
    )


def _cover(spans: NDArray[np.float64], duration_seconds: float) -> float:
    """Return the share of a video that spans (n, 2) of seconds fill, counting what they share once."""
    if duration_seconds <= 0:
        return 1.0
    filled, reached = 0.0, 0.0
    for start, end in sorted(map(tuple, spans.tolist())):
        filled += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return min(1.0, filled / duration_seconds)
