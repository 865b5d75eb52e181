"""Which frames of a video are taken, from nothing but the frames' own timestamps. Pure numpy; runs on executors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from udfs.video import SamplingRule

# Matroska counts in milliseconds: a frame whose true time is a sampling time may be stamped up to half of one
# later, and would be missed for its predecessor in one copy of a video and not in another.
ROUNDING_SECONDS = 0.001

Frame = TypeVar("Frame")


def choose_sample_seconds(duration_seconds: float, rule: SamplingRule) -> NDArray[np.float64]:
    """Give the times at which a video is looked at.

    Args:
        duration_seconds: from the first frame's start to the last one's end, at least 0.
        rule: `sample_fps` must be above 0, `min_frames` at least 1.

    Returns:
        float64 (n,), ascending from 0.0, all below the duration except where that is 0: one each
        `1 / sample_fps` seconds, or for a clip with fewer than `min_frames` of those, that many even steps.
    """
    if duration_seconds < rule.min_frames / rule.sample_fps:
        return np.arange(rule.min_frames) * duration_seconds / rule.min_frames
    num_steps = math.ceil((duration_seconds - ROUNDING_SECONDS) * rule.sample_fps)
    return np.arange(num_steps) / rule.sample_fps


def choose_frames(frame_seconds: NDArray[np.float64], duration_seconds: float, rule: SamplingRule) -> NDArray[np.int64]:
    """Choose the frames that are on display at the sampling times.

    Where those hit too few different frames (a still picture, then a burst), frames are taken at even steps
    over their numbers instead, so that `min_frames` come wherever the video has them.

    Args:
        frame_seconds: float64 (n,), strictly ascending from 0.0: when each frame appears.
        duration_seconds: when the last frame's time ends.
        rule: as `choose_sample_seconds` takes it.

    Returns:
        int64 (m,), strictly ascending indices into `frame_seconds`, from 0 on; m >= min(n, min_frames).
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


def pick_on_display(frames: Iterable[tuple[int, Frame]], targets: Sequence[int]) -> Iterator[tuple[int, Frame]]:
    """Pick, from frames as they come, the one on display at each of some times.

    That is the last one that is not later. It is given once, however many times it serves; a time before the
    first frame has none. No more frames are taken than are needed.

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
