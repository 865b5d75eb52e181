"""Step 5 of `align`: the runs of frames along candidate lines that show the same footage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from udfs.verifying.change import MIN_COMPARABLE_FRAMES
from udfs.verifying.frame_similarity import MIN_SIMILARITY
from udfs.verifying.lines import DiagonalRun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from udfs.verifying.lines import CandidateLines

_MAX_RUNS = 4
_FURTHER_SIMILARITY_SHARE = 0.8  # of the best run's mean similarity, which frames of a further run must reach
_MIN_FURTHER_GAIN_SHARE = 0.05  # of the best run's gain
_MIN_UNIT_SPEED_GAIN_SHARE = 0.5  # of the best gain: with less, the run at speed 1 only crosses the true line
_MIN_AGREEMENT_MARGIN = 0.02  # by which changes must agree better at another speed than at speed 1
_MAX_REUSED_SHARE = 0.5  # of a run's frame pairs: with more that use frames again, the run is a repetition
_MIN_REPETITION_AGREEMENT_SHARE = 0.75  # of the best run's change agreement


def find_runs(lines: CandidateLines) -> list[DiagonalRun]:
    """Return the runs that show the same footage, at most four, the best first; empty if no frames agree.

    1. The best run has the largest gain: the sum of (similarity - MIN_SIMILARITY) x weight over its frames.
    2. Further runs follow in the order of gain. Their frames must reach .8 of the best run's mean similarity, or any
       other part of the same scene would qualify.
    3. A pair of frames does not count again if both frames are in earlier runs. One of them may be, because a video
       that shows another one twice is a copy of it. The changes along such a repetition must then agree about as well
       as along the best run, or every part of a static scene would match the whole.

    docs/decisions/0005 has the measurements behind each rule.
    """
    best = _find_best_run(lines)
    if best is None:
        return []
    runs = [best]
    weights = lines.left.weights
    best_similarity = float(
        np.average(lines.similarities[best.line, best.begin : best.end], weights=weights[best.begin : best.end])
    )
    min_similarity = max(MIN_SIMILARITY, _FURTHER_SIMILARITY_SHARE * best_similarity)
    gains = (lines.similarities - min_similarity) * weights
    best_agreement = lines.measure_change_agreement(best)
    is_left_used = np.zeros(len(lines.left.vectors), dtype=bool)
    is_right_used = np.zeros(len(lines.right.vectors), dtype=bool)
    allow_repetition = True
    run = best
    while len(runs) < _MAX_RUNS:
        is_left_used[run.begin : run.end] = True
        is_right_used[lines.right_frames_of(run)] = True
        run, allow_repetition = _find_further_run(
            lines, gains, (is_left_used, is_right_used), best_agreement, allow_repetition=allow_repetition
        )
        if run.gain <= _MIN_FURTHER_GAIN_SHARE * best.gain:
            break
        runs.append(run)
    return runs


def _find_best_run(lines: CandidateLines) -> DiagonalRun | None:
    """Return the run with the largest gain; None if no gain is positive.

    A static scene fits every speed, and slower speeds gain more from it. So a run at another speed than 1 wins only if
    changes agree better along it over enough frames, or if the best run at speed 1 gains less than half as much.
    """
    gains = (lines.similarities - MIN_SIMILARITY) * lines.left.weights
    best = _find_max_sum_run(gains)
    if best.gain <= 0:
        return None
    if lines.speeds[best.line] == 1:
        return best
    unit_speed_lines = np.flatnonzero(lines.speeds == 1)
    unit_speed = _find_max_sum_run(gains[unit_speed_lines])
    if unit_speed.gain < _MIN_UNIT_SPEED_GAIN_SHARE * best.gain:
        return best
    unit_speed = unit_speed._replace(line=int(unit_speed_lines[unit_speed.line]))
    if unit_speed.end - unit_speed.begin < MIN_COMPARABLE_FRAMES:
        return unit_speed
    min_agreement = lines.measure_change_agreement(unit_speed) + _MIN_AGREEMENT_MARGIN
    return best if lines.measure_change_agreement(best) >= min_agreement else unit_speed


def _find_further_run(
    lines: CandidateLines,
    gains: NDArray[np.floating[Any]],
    is_used: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    best_agreement: float,
    *,
    allow_repetition: bool,
) -> tuple[DiagonalRun, bool]:
    """Return the next best run, and whether later runs may still repeat frames.

    Args:
        lines: candidate lines.
        gains: (lines, left frames), of further runs.
        is_used: which left and which right frames are in earlier runs.
        best_agreement: change agreement along the best run.
        allow_repetition: whether one frame of a pair may be in an earlier run.
    """
    is_left_used, is_right_used = is_used
    left, right = is_left_used[None, :], is_right_used[lines.right_frames]
    run = _find_max_sum_run(np.where(left & right if allow_repetition else left | right, 0.0, gains))
    if not allow_repetition or run.gain <= 0:
        return run, allow_repetition
    reused_share = (is_left_used[run.begin : run.end] | is_right_used[lines.right_frames_of(run)]).mean()
    min_agreement = max(0.0, _MIN_REPETITION_AGREEMENT_SHARE * best_agreement)
    if reused_share <= _MAX_REUSED_SHARE or lines.measure_change_agreement(run) >= min_agreement:
        return run, True
    return _find_further_run(lines, gains, is_used, best_agreement, allow_repetition=False)


def _find_max_sum_run(gains: NDArray[np.floating[Any]]) -> DiagonalRun:
    """Return the run of columns with the largest sum in any row, without leading columns that add nothing.

    Maximum subarray in linear time by prefix sums (Bentley 1984, Programming Pearls: Algorithm Design Techniques).
    """
    sums = np.concatenate([np.zeros((len(gains), 1)), np.cumsum(gains, axis=1)], axis=1)
    rises = sums - np.minimum.accumulate(sums, axis=1)
    line, end = np.unravel_index(rises.argmax(), rises.shape)
    before = sums[line, : end + 1]
    begin = len(before) - 1 - int(before[::-1].argmin())  # the last minimum, so that the run is as short as possible
    return DiagonalRun(int(line), begin, int(end), float(rises[line, end]))
