"""Two videos frame by frame: where they show the same, and what speaks for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from udfs.relation import name_relation

if TYPE_CHECKING:
    from numpy.typing import NDArray

BACKGROUND_SHARE = 0.4
"""Of both frames' similarity to the background that is taken off their own: what matches everything proves nothing."""
_MAX_FRAMES = 2000  # a longer video is compared more sparsely: the matrix of two stays below 16 MB
_NUM_SEEDS = 24  # of either kind: see `_propose_lines`
_SPEEDS = np.array([1.0, 1 / 2, 2 / 3, 4 / 5, 5 / 4, 3 / 2, 2.0])
_OTHER_SPEED_SHARE = 0.98  # a still scene fits every speed: another than 1 has to be better, not as good
_MIN_SIMILARITY = 0.15  # less than this, normalised, speaks against an alignment
_LOOK_ALIKE = 0.8  # frames of one video so similar are one piece of evidence
_APART = 2  # frames: neighbours show almost the same moment
_MIN_COMPARED = 4  # aligned frames: of three, one pair is apart


@dataclass(frozen=True)
class Sequence:
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

    def thin(self) -> Sequence:
        """Keep every so many frames of a long video."""
        step = -(-len(self.vectors) // _MAX_FRAMES)
        if step == 1:
            return self
        return Sequence(self.vectors[::step], self.seconds[::step], self.backgrounds[::step], self.duration_seconds)


@dataclass(frozen=True)
class Alignment:
    """The best alignment of two videos, and the evidence for it.

    Attributes:
        left_start_seconds: where the shared footage begins in the left video; likewise the three others.
        left_end_seconds: see above.
        right_start_seconds: see above.
        right_end_seconds: see above.
        left_coverage: share of the left video that it fills, in [0, 1].
        right_coverage: share of the right video.
        similarity: mean normalised similarity of the aligned frames, weighted; about 0 for strangers.
        left_chamfer: mean over the left frames of the best normalised similarity to any right one.
        right_chamfer: the other way.
        independent_frames: sum of the weights of the aligned frames, the smaller of both sides.
        change_agreement: mean product of what changes at aligned frames, less that of frames two or more apart, in
            [-4, 4]; about 0 for two takes of one scene, and where nothing changes.
        change: mean squared deviation of the aligned frames from their mean, the smaller of both sides, in [0, 1].
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
    change: float

    @property
    def relation(self) -> str:
        """`copy` where it covers most of both videos, `contained` of one, `overlap` of neither."""
        return name_relation(self.left_coverage, self.right_coverage)


def align(left: Sequence, right: Sequence) -> Alignment | None:
    """Find the straight line through time along which two videos agree best; None where no frames agree.

    Lines go through the most similar pairs of frames, at seven speeds; along each, the stretch with the largest sum of
    weighted similarities above a floor counts (diagonal voting, as Douze et al. 2016 align by temporal Hough
    voting). Off each similarity goes a share of both frames' similarity to the background (score normalisation: Pizzi
    et al. 2022, arXiv 2202.10261). Frames that look like others of their video share one weight.
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
    gains = similar[np.arange(len(left.seconds))[None, :], frames] - _MIN_SIMILARITY
    gains = np.where(is_inside, gains, -_MIN_SIMILARITY) * left.weights[None, :]
    gains *= np.where(speeds == 1, 1.0, _OTHER_SPEED_SHARE)[:, None]
    line, begin, end = _find_best_stretch(gains)
    if begin == end:
        return None
    return _describe(left, right, similar, frames[line, begin:end], begin, (at_right[line], float(speeds[line])))


def _propose_lines(
    similar: NDArray[np.float32], left: Sequence, right: Sequence
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return speeds and offsets of lines `right = speed * left + offset` that may be the best.

    They go through both starts, both ends, the most similar pairs of frames, and the most similar of those that look
    like few others of their videos: a still scene has similar pairs enough to hide all the rest.
    """
    count = min(_NUM_SEEDS, similar.size)
    telling = (similar - _MIN_SIMILARITY) * left.weights[:, None] * right.weights[None, :]
    seeds = [np.argpartition(scores, similar.size - count, axis=None)[-count:] for scores in (similar, telling)]
    i, j = np.unravel_index(np.unique(np.concatenate(seeds)), similar.shape)
    at_left = np.concatenate([[0.0, left.duration_seconds], left.seconds[i]])
    at_right = np.concatenate([[0.0, right.duration_seconds], right.seconds[j]])
    offsets = at_right[:, None] - _SPEEDS[None, :] * at_left[:, None]
    return np.broadcast_to(_SPEEDS, offsets.shape).ravel(), offsets.ravel()


def _find_best_stretch(gains: NDArray[np.floating[Any]]) -> tuple[int, int, int]:
    """Return (row, begin, end) of the run of columns with the largest sum of any row; begin = end where none gains."""
    sums = np.concatenate([np.zeros((len(gains), 1)), np.cumsum(gains, axis=1)], axis=1)
    raised = sums - np.minimum.accumulate(sums, axis=1)
    row, end = np.unravel_index(raised.argmax(), raised.shape)
    begin = int(sums[row, : end + 1].argmin())
    return int(row), begin, int(end)


def _step_seconds(video: Sequence) -> float:
    """Return the mean time between two frames."""
    return video.duration_seconds / len(video.seconds)


def _describe(
    left: Sequence,
    right: Sequence,
    similar: NDArray[np.float32],
    frames: NDArray[np.intp],
    begin: int,
    line: tuple[NDArray[np.float64], float],
) -> Alignment:
    """Tell where an alignment lies and what speaks for it; `line`: the right time at each left frame, and the speed."""
    end = begin + len(frames)
    at_right, speed = line
    weights = left.weights[begin:end]
    left_start = left.seconds[begin]
    left_end = left.seconds[end] if end < len(left.seconds) else left.duration_seconds  # shown until the next one is
    right_start = min(right.duration_seconds, max(0.0, at_right[begin]))
    right_end = min(right.duration_seconds, at_right[end - 1] + speed * (left_end - left.seconds[end - 1]))
    agreement, change = _compare_changes(left.vectors[begin:end], right.vectors[frames])
    return Alignment(
        left_start_seconds=float(left_start),
        left_end_seconds=float(left_end),
        right_start_seconds=float(right_start),
        right_end_seconds=float(max(right_end, right_start)),
        left_coverage=_cover(left_start, left_end, left.duration_seconds),
        right_coverage=_cover(right_start, right_end, right.duration_seconds),
        similarity=float(np.average(similar[np.arange(begin, end), frames], weights=weights)),
        left_chamfer=float(similar.max(axis=1).mean()),
        right_chamfer=float(similar.max(axis=0).mean()),
        independent_frames=float(min(weights.sum(), right.weights[np.unique(frames)].sum())),
        change_agreement=agreement,
        change=change,
    )


def _cover(start: float, end: float, duration: float) -> float:
    return float(min(1.0, max(0.0, end - start) / duration)) if duration > 0 else 1.0


def _compare_changes(left: NDArray[np.float32], right: NDArray[np.float32]) -> tuple[float, float]:
    """Tell how far what changes over aligned frames agrees, and how much changes: see `Alignment`.

    Two takes of one static scene agree in the scene, not in what moves; what is left of a frame when its side's mean is
    taken off then matches the frame at the same moment no better than any other.
    """
    one, other = left - left.mean(axis=0), right - right.mean(axis=0)
    products = one @ other.T
    places = np.arange(len(left))
    is_apart = np.abs(places[:, None] - places[None, :]) >= _APART
    agreement = float(products.diagonal().mean() - products[is_apart].mean()) if len(left) >= _MIN_COMPARED else 0.0
    return agreement, min(float((one**2).sum()), float((other**2).sum())) / len(left)
