"""Chooses the sampled frames of a video from the timestamps of its frames. Pure numpy; runs on executors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from udfs.video import SamplingRule

# Matroska stores timestamps in milliseconds, so a frame at a sampling time may be stamped up to half a millisecond
# late. Without this tolerance its predecessor would be sampled instead, but only in some copies of the video.
ROUNDING_SECONDS = 0.001

Frame = TypeVar("Frame")


def choose_sample_seconds(duration_seconds: float, rule: SamplingRule) -> NDArray[np.float64]:
    """Return the times at which a video is sampled.

    Args:
        duration_seconds: from the start of the first frame to the end of the last, at least 0.
        rule: `sample_fps` must be above 0, `min_frames` at least 1.

    Returns:
        float64 (n,), ascending from 0.0. All are below the duration, unless the duration is 0. There is one time every
        `1 / sample_fps` seconds; a clip with fewer than `min_frames` of these has `min_frames` equal steps instead.
    """
    if duration_seconds < rule.min_frames / rule.sample_fps:
        return np.arange(rule.min_frames) * duration_seconds / rule.min_frames
    num_steps = math.ceil((duration_seconds - ROUNDING_SECONDS) * rule.sample_fps)
    return np.arange(num_steps) / rule.sample_fps


def choose_frames(frame_seconds: NDArray[np.float64], duration_seconds: float, rule: SamplingRule) -> NDArray[np.int64]:
    """Choose the frames that are displayed at the sampling times.

    If these are fewer than `min_frames` different frames (a still picture, then a burst), frames at equal steps of
    their index are chosen instead. So a video with at least `min_frames` frames always yields at least that number.

    Args:
        frame_seconds: float64 (n,), strictly ascending from 0.0: when each frame appears.
        duration_seconds: when the last frame ends.
        rule: as in `choose_sample_seconds`.

    Returns:
        int64 (m,), strictly ascending indices into `frame_seconds`, the first is 0; m >= min(n, min_frames).
    """
    num_frames = len(frame_seconds)
    if num_frames == 0:
        return np.zeros(0, dtype=np.int64)
    wanted = choose_sample_seconds(duration_seconds, rule)
    wanted[1:] += ROUNDING_SECONDS
    chosen = np.unique(np.searchsorted(frame_seconds, wanted, side="right") - 1)
    num_needed = min(rule.min_frames, num_frames)
    if len(chosen) < num_needed:
        chosen = np.arange(num_needed) * (num_frames - 1) // max(1, num_needed - 1)
    return chosen.astype(np.int64)


def find_nearest_frames(frame_seconds: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find the frame that is nearest to each of some times.

    Args:
        frame_seconds: float64 (n,), n >= 1, ascending: when each frame appears.
        wanted: float64 (m,), in any order.

    Returns:
        int64 (m,), indices into `frame_seconds`; the earlier one of two that are equally near.
    """
    after = np.clip(np.searchsorted(frame_seconds, wanted), 0, len(frame_seconds) - 1)
    before = np.maximum(after - 1, 0)
    is_before_nearer = np.abs(wanted - frame_seconds[before]) <= np.abs(frame_seconds[after] - wanted)
    return np.where(is_before_nearer, before, after).astype(np.int64)


def select_displayed(frames: Iterable[tuple[int, Frame]], targets: Sequence[int]) -> Iterator[tuple[int, Frame]]:
    """Select, from a stream of frames, the frame that is displayed at each target time.

    That is the last frame that is not later than the target. A frame is yielded once, even if it is displayed at
    several targets. A target before the first frame selects none. No more frames are read than needed.

    Args:
        frames: (time, frame), ascending in time.
        targets: ascending times, in the same unit.

    Yields:
        Some of `frames`, in their order.
    """
    held: tuple[int, Frame] | None = None
    due = 0
    for time, frame in frames:
        passed = due
        while passed < len(targets) and targets[passed] < time:
            passed += 1
        if passed > due and held is not None:
            yield held
            held = None
        due = passed
        if due < len(targets) and targets[due] == time:
            yield time, frame
            held = None
            due += 1
        else:
            held = (time, frame)
        if due == len(targets):
            return
    if held is not None:
        yield held
