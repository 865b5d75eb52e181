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
_MIN_AGREEING_GAIN_SHARE = 0.3  # of the best gain: with less, a run does not show the same scene
_MIN_AGREEING_MARGIN = 0.01  # by which changes must agree better along another line
_OTHER_SPEED_SHARE = 0.7  # of the fit of changes at another speed than 1, which is less likely
_TINY = 1e-9
_MAX_REUSED_SHARE = 0.5  # of a run's frame pairs: with more that use frames again, the run is a repetition
_MIN_REPETITION_AGREEMENT_SHARE = 0.75  # of the best run's change agreement


def find_runs(lines: CandidateLines) -> list[DiagonalRun]:
    """Return the runs that show the same footage, at most four, the best first; empty if no frames agree.

    1. The best run has the largest gain: the sum of (similarity - MIN_SIMILARITY) x weight over its frames. In a static
       scene every line gains about as much, so a run along which changes agree better replaces it.
    2. Further runs follow in the order of gain, at the speed of the best run. Their frames must reach .8 of its mean
       similarity, or any other part of the same scene would qualify.
    3. A pair of frames does not count again if both frames are in earlier runs. One of them may be, because a video
       that shows another one twice is a copy of it. The changes along such a repetition must then agree about as well
       as along the best run, or every part of a static scene would match the whole.

    docs/decisions/0005 has the measurements behind each rule.
    """
    weights = lines.left.weights
    gains = (lines.similarities - MIN_SIMILARITY) * weights
    best = _find_best_run(lines, gains)
    if best is None:
        return []
    best = _find_agreeing_run(lines, gains, best)
    runs = [best]
    best_similarity = float(
        np.average(lines.similarities[best.line, best.begin : best.end], weights=weights[best.begin : best.end])
    )
    min_similarity = max(MIN_SIMILARITY, _FURTHER_SIMILARITY_SHARE * best_similarity)
    has_best_speed = lines.speeds == lines.speeds[best.line]
    further_gains = np.where(has_best_speed[:, None], (lines.similarities - min_similarity) * weights, 0.0)
    best_agreement = lines.measure_change_agreement(best)
    is_left_used = np.zeros(len(lines.left.vectors), dtype=bool)
    is_right_used = np.zeros(len(lines.right.vectors), dtype=bool)
    allow_repetition = True
    run = best
    while len(runs) < _MAX_RUNS:
        is_left_used[run.begin : run.end] = True
        # All frames in between, too: a right video that is sampled more densely has frames without a left one.
        at_right = lines.right_frames_of(run)
        is_right_used[at_right[0] : at_right[-1] + 1] = True
        run, allow_repetition = _find_further_run(
            lines, further_gains, (is_left_used, is_right_used), best_agreement, allow_repetition=allow_repetition
        )
        if run.gain <= _MIN_FURTHER_GAIN_SHARE * best.gain:
            break
        runs.append(run)
    return runs


def _find_best_run(lines: CandidateLines, gains: NDArray[np.floating[Any]]) -> DiagonalRun | None:
    """Return the run with the largest gain; None if no gain is positive.

    A static scene fits every speed, and slower speeds gain more from it. So a run at another speed than 1 wins only if
    changes agree better along it over enough frames, or if the best run at speed 1 gains less than half as much.
    """
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


def _find_agreeing_run(lines: CandidateLines, gains: NDArray[np.floating[Any]], best: DiagonalRun) -> DiagonalRun:
    """Return the run whose changes fit best, if they agree clearly better than those of the best run; else that run.

    The fit is the correlation of changes along the best part of each line, times the root of its number of frames: a
    high correlation over few frames is easily due to chance.
    """
    if best.end - best.begin < MIN_COMPARABLE_FRAMES:
        return best
    begins, ends, line_gains = _find_max_sum_runs(gains)
    rows, sums = np.arange(len(gains)), lines.correlate_changes()
    products, left, right = sums[:, rows, ends] - sums[:, rows, begins]
    lengths = ends - begins
    fits = products / np.sqrt(left * right + _TINY) * np.sqrt(lengths)
    fits = np.where(lines.speeds == 1, fits, _OTHER_SPEED_SHARE * fits)
    is_eligible = (line_gains >= _MIN_AGREEING_GAIN_SHARE * best.gain) & (lengths >= MIN_COMPARABLE_FRAMES)
    if not is_eligible.any():
        return best
    line = int(np.where(is_eligible, fits, -np.inf).argmax())
    run = DiagonalRun(line, int(begins[line]), int(ends[line]), float(line_gains[line]))
    min_agreement = lines.measure_change_agreement(best) + _MIN_AGREEING_MARGIN
    return run if lines.measure_change_agreement(run) > min_agreement else best


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
    """Return the run of columns with the largest sum in any row, without leading columns that add nothing."""
    begins, ends, sums = _find_max_sum_runs(gains)
    line = int(sums.argmax())
    return DiagonalRun(line, int(begins[line]), int(ends[line]), float(sums[line]))


def _find_max_sum_runs(
    gains: NDArray[np.floating[Any]],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.floating[Any]]]:
    """Return for each row the begin, end and sum of the run of columns with the largest sum.

    Maximum subarray in linear time by prefix sums (Bentley 1984, Programming Pearls: Algorithm Design Techniques).
    """
    sums = np.concatenate([np.zeros((len(gains), 1)), np.cumsum(gains, axis=1)], axis=1)
    lowest = np.minimum.accumulate(sums, axis=1)
    rows, ends = np.arange(len(gains)), (sums - lowest).argmax(axis=1)
    columns = np.arange(sums.shape[1])
    # The last minimum before the end, so that the run is as short as possible.
    is_lowest = (sums == lowest[rows, ends][:, None]) & (columns[None, :] <= ends[:, None])
    begins = np.where(is_lowest, columns[None, :], -1).max(axis=1)
    return begins, ends, sums[rows, ends] - lowest[rows, ends]
