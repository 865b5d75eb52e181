"""Lays the packets of a video on one increasing timeline, even if its timestamps restart or jump. Pure numpy.

Files that are joined end to end, and recordings over a reset clock, have several parts. A part begins where timestamps
go back, and, in containers whose timestamps may jump, where nothing is shown for more than `MAX_GAP_SECONDS`. Each part
then begins where its predecessor ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# As `-dts_delta_threshold` of fftools/ffmpeg_demux.c, which removes longer gaps too.
MAX_GAP_SECONDS = 10.0
# Frames are stored before others that are displayed earlier, by less than this. H.264, A.3.1: at most 16 frames.
REORDERING_SECONDS = 2.0
# Two packets may share a timestamp, such as the two fields of a frame. A third is a clock that stands still.
_MAX_SHARED = 2
_MAX_KEY_FRACTION = 0.5


@dataclass(frozen=True)
class PacketTimes:
    """Packets in file order, without hidden ones.

    Attributes:
        pts: int64 (n,), when each is displayed, in ticks.
        dts: int64 (n,), when each is decoded, in ticks; `pts` where the file has none.
        keys: bool (n,), whether it is a key frame.
        ticks_per_second: above 0.
        can_jump: whether the timestamps of the container may jump forward without anything being displayed.
    """

    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    keys: NDArray[np.bool_]
    ticks_per_second: float
    can_jump: bool

    def select(self, is_kept: NDArray[np.bool_]) -> PacketTimes:
        """Return some of the packets."""
        return replace(self, pts=self.pts[is_kept], dts=self.dts[is_kept], keys=self.keys[is_kept])


def find_parts(times: PacketTimes) -> NDArray[np.int64]:
    """Return the index of the first packet of each part: int64 (k,), ascending from 0; k >= 1 if there are packets.

    A part begins where `dts` goes back, at a key frame that is displayed before an earlier frame of its predecessor, or
    at any frame that is displayed more than 2 s before one. It also begins at the third packet in a row with one
    timestamp. Where timestamps may jump, each step of `dts` back or of more than `MAX_GAP_SECONDS` begins a part.
    """
    pts, dts = times.pts, times.dts
    if len(pts) == 0:
        return np.zeros(0, dtype=np.int64)
    steps = np.diff(dts)
    stands = np.diff(pts) == 0
    begins = np.zeros(len(pts), dtype=bool)
    begins[0] = True
    begins[_MAX_SHARED:] = stands[1:] & stands[:-1]
    if times.can_jump:
        begins[1:] |= (steps < 0) | (steps > MAX_GAP_SECONDS * times.ticks_per_second)
    elif (steps < 0).any():
        _mark_steps_back(times, begins)
    return np.flatnonzero(begins)


def _mark_steps_back(times: PacketTimes, begins: NDArray[np.bool_]) -> None:
    """Mark the packets that are decoded before their predecessor, and displayed too early for the part.

    Only where the file has no `dts` is that not a restart: frames are stored before others that are displayed earlier.
    """
    reordering = round(REORDERING_SECONDS * times.ticks_per_second)
    # If most frames are marked as key frames, the mark does not show which frames are stored in display order.
    tolerances = np.where(times.keys & (np.mean(times.keys) < _MAX_KEY_FRACTION), 0, reordering)
    goes_back = np.concatenate(([False], np.diff(times.dts) < 0))
    latest = int(times.pts[0])
    packets = zip(times.pts.tolist(), tolerances.tolist(), goes_back.tolist(), begins.tolist(), strict=True)
    for number, (pts, tolerance, is_back, is_first) in enumerate(packets):
        if is_first or (is_back and pts < latest - tolerance):
            begins[number] = True
            latest = pts
        else:
            latest = max(latest, pts)


def lay_out(times: PacketTimes, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move each part to the end of its predecessor, and shorten long gaps where timestamps may jump.

    A part ends one usual interval after its last frame. A gap of more than `MAX_GAP_SECONDS` becomes such an interval.

    Args:
        times: the packets.
        starts: as `find_parts` returned them.

    Returns:
        int64 (n,), when each packet is displayed; the times of the first part are unchanged up to its first gap.
    """
    pts = times.pts
    interval = measure_interval(pts, starts)
    if len(starts) > 1:
        first = np.minimum.reduceat(pts, starts)
        lengths = np.maximum.reduceat(pts, starts) - first + interval
        begins = first[0] + np.concatenate(([0], np.cumsum(lengths)[:-1]))
        pts = pts + np.repeat(begins - first, np.diff(np.append(starts, len(pts))))
    if times.can_jump and len(pts):
        # Gaps are found in display order: around a gap, frames are stored before others that precede the gap.
        order = np.argsort(pts, kind="stable")
        gaps = np.diff(pts[order])
        removed = np.where(gaps > MAX_GAP_SECONDS * times.ticks_per_second, gaps - interval, 0)
        pts = pts.copy()
        pts[order[1:]] -= np.cumsum(removed)
    return pts


def measure_interval(pts: NDArray[np.int64], starts: NDArray[np.int64]) -> int:
    """Return the usual time between two frames within a part, in ticks, at least 1."""
    number = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(pts))))
    order = np.lexsort((pts, number))
    steps = np.diff(pts[order])[np.diff(number[order]) == 0]
    steps = steps[steps > 0]
    return max(1, int(np.median(steps))) if len(steps) else 1


def find_undecodable(keys: NDArray[np.bool_], pts: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the packets of each part that precede its first key frame, when stored or when displayed.

    The latter are predicted from a frame before the part (an open group of pictures).

    Args:
        keys: bool (n,), in file order.
        pts: int64 (n,).
        starts: as `find_parts` returned them.

    Returns:
        bool (n,). A part without key frames has none.
    """
    ends = np.append(starts[1:], len(keys))
    undecodable = np.zeros(len(keys), dtype=bool)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        first = int(np.argmax(keys[start:end]))
        if keys[start + first]:
            undecodable[start:end] = pts[start:end] < pts[start + first]
            undecodable[start : start + first] = True
    return undecodable


def keep_starts(starts: NDArray[np.int64], is_kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where the parts begin among the kept packets. Each part has at least one."""
    kept_before = np.concatenate(([0], np.cumsum(is_kept)))
    new_starts: NDArray[np.int64] = kept_before[starts]
    return new_starts
