"""Along which lines through time two videos agree, and from where to where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SIMILARITY = 0.15
"""Less than this, normalised, speaks against an alignment."""
_MAX_STRETCHES = 4
_FURTHER_SIMILARITY_SHARE = 0.8  # of the best stretch's similarity, that a further one's frames must have
_MIN_FURTHER_SHARE = 0.05  # of what the best stretch gains
_MIN_OWN_SPEED_SHARE = 0.5  # of the best gain: less of it at the videos' own speed is a crossing, no alignment
_MIN_SURER_AGREEMENT = 0.02  # of changes, that another speed must have more of than the own
_REPEATED = 0.5  # of a stretch's pairs: with more that use frames again, it shows something a second time
_MIN_REPEATED_AGREEMENT_SHARE = 0.75  # of the best stretch's agreement of changes
_APART = 2  # frames: neighbours show almost the same moment
_MIN_COMPARED = 4  # aligned frames: of three, one pair is apart


class DiagonalRun(NamedTuple):
    """A run of left frames along a line: from `begin` to before `end`; what it gains is the sum of its gains."""

    row: int
    begin: int
    end: int
    gain: float


@dataclass(frozen=True)
class Lines:
    """Straight lines through time, a row each, and what meets along them at each left frame, a column each.

    Attributes:
        similarities: (lines, left frames), normalised; 0 where a line leaves the right video.
        weights: float64 (left frames,).
        frames: numbers of the right frames, of the shape of `similarities`.
        speeds: float64 (lines,), right seconds a left second.
        left: float32 (left frames, dim).
        right: float32 (right frames, dim).
    """

    similarities: NDArray[np.floating[Any]]
    weights: NDArray[np.float64]
    frames: NDArray[np.intp]
    speeds: NDArray[np.float64]
    left: NDArray[np.float32]
    right: NDArray[np.float32]

    def agreement(self, run: DiagonalRun) -> float:
        """Tell how far changes agree along a run."""
        return measure_agreement(self.left[run.begin : run.end], self.right[self.meet(run)])

    def meet(self, run: DiagonalRun) -> NDArray[np.intp]:
        """Return the numbers of the right frames along a run."""
        met: NDArray[np.intp] = self.frames[run.row, run.begin : run.end]
        return met


def find_stretches(lines: Lines) -> list[DiagonalRun]:
    """Return the best stretches, the best first; none where no frames agree.

    Further ones must agree nearly as well as the best, or any other part of the same scene would be one; two frames of
    which each has met another count no more. One of them may, for a video that is shown twice is told as a copy: then
    changes must agree as well, or every part of a still scene would fill the whole.
    """
    best = _find_best(lines)
    if best is None:
        return []
    found = [best]
    met = lines.similarities[best.row, best.begin : best.end]
    mean = float(np.average(met, weights=lines.weights[best.begin : best.end]))
    floor = max(MIN_SIMILARITY, _FURTHER_SIMILARITY_SHARE * mean)
    gains = (lines.similarities - floor) * lines.weights
    agreement = lines.agreement(best)
    is_left_used, is_right_used = np.zeros(len(lines.left), dtype=bool), np.zeros(len(lines.right), dtype=bool)
    may_repeat = True
    run = best
    while len(found) < _MAX_STRETCHES:
        is_left_used[run.begin : run.end] = True
        is_right_used[lines.meet(run)] = True
        run, may_repeat = _find_further(lines, gains, (is_left_used, is_right_used), agreement, may_repeat=may_repeat)
        if run.gain <= _MIN_FURTHER_SHARE * best.gain:
            break
        found.append(run)
    return found


def _find_best(lines: Lines) -> DiagonalRun | None:
    """Find the run that gains most.

    A still scene fits every speed, and a slower one makes more of it: another speed than the videos' own counts only
    where changes agree better along it, of frames enough to tell, or where next to nothing agrees at the own one.
    """
    gains = (lines.similarities - MIN_SIMILARITY) * lines.weights
    best = _find_best_run(gains)
    if best.gain <= 0:
        return None
    if lines.speeds[best.row] == 1:
        return best
    at_own = np.flatnonzero(lines.speeds == 1)
    own = _find_best_run(gains[at_own])
    if own.gain < _MIN_OWN_SPEED_SHARE * best.gain:
        return best
    own = own._replace(row=int(at_own[own.row]))
    if own.end - own.begin < _MIN_COMPARED:
        return own
    return best if lines.agreement(best) >= lines.agreement(own) + _MIN_SURER_AGREEMENT else own


def _find_further(
    lines: Lines,
    gains: NDArray[np.floating[Any]],
    used: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    agreement: float,
    *,
    may_repeat: bool,
) -> tuple[DiagonalRun, bool]:
    """Find the next best run; also tell whether further ones may repeat what was shown before.

    Args:
        lines: all of them.
        gains: of frames along them.
        used: which left and which right frames have met another.
        agreement: of changes along the best run.
        may_repeat: whether frames may be used again.
    """
    is_left_used, is_right_used = used
    left, right = is_left_used[None, :], is_right_used[lines.frames]
    run = _find_best_run(np.where(left & right if may_repeat else left | right, 0.0, gains))
    if not may_repeat or run.gain <= 0:
        return run, may_repeat
    repeated = (is_left_used[run.begin : run.end] | is_right_used[lines.meet(run)]).mean()
    if repeated <= _REPEATED or lines.agreement(run) >= max(0.0, _MIN_REPEATED_AGREEMENT_SHARE * agreement):
        return run, True
    return _find_further(lines, gains, used, agreement, may_repeat=False)


def _find_best_run(gains: NDArray[np.floating[Any]]) -> DiagonalRun:
    """Return the run of columns with the largest sum of any row."""
    sums = np.concatenate([np.zeros((len(gains), 1)), np.cumsum(gains, axis=1)], axis=1)
    raised = sums - np.minimum.accumulate(sums, axis=1)
    row, end = np.unravel_index(raised.argmax(), raised.shape)
    lowest = sums[row, : end + 1]
    begin = len(lowest) - 1 - int(lowest[::-1].argmin())  # the last lowest: what adds nothing is no part of it
    return DiagonalRun(int(row), begin, int(end), float(raised[row, end]))


def measure_agreement(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Return the agreement of changes over aligned frames: `TimeAlignment.change_agreement`.

    Two takes of one static scene agree in the scene, not in what moves; what is left of a frame when its side's mean is
    taken off then matches the frame at the same moment no better than any other.
    """
    if len(left) < _MIN_COMPARED:
        return 0.0
    products = (left - left.mean(axis=0)) @ (right - right.mean(axis=0)).T
    places = np.arange(len(left))
    is_apart = np.abs(places[:, None] - places[None, :]) >= _APART
    return float(products.diagonal().mean() - products[is_apart].mean())


def measure_change(frames: NDArray[np.float32]) -> float:
    """Return the mean squared deviation of frames from their mean, in [0, 1]."""
    return float(((frames - frames.mean(axis=0)) ** 2).sum()) / len(frames)
