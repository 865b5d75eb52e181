from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from udfs.decoding.timeline import PacketTimes, find_parts, lay_out

# Starts in ticks, and numbers of frames, of parts with one frame per tick. They are too near each other to jump.
PARTS = st.lists(st.tuples(st.integers(-500, 500), st.integers(3, 40)), min_size=1, max_size=8)


@given(parts=PARTS)
def test_all_frames_of_joined_parts_follow_each_other(parts: list[tuple[int, int]]) -> None:
    pts = np.concatenate([np.arange(start, start + length) for start, length in parts])
    times = PacketTimes(pts, pts, np.ones(len(pts), dtype=bool), 1.0, can_jump=True)
    placed = lay_out(times, find_parts(times))
    gaps = [
        start - previous - length
        for (previous, length), (start, _) in itertools.pairwise(parts)
        if 0 < start - previous - length < 10
    ]
    assert np.all(np.diff(placed) >= 1)
    assert placed[-1] - placed[0] == len(pts) - 1 + sum(gaps)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=60), st.booleans())
def test_any_timestamps_yield_as_many_places(values: list[int], can_jump: bool) -> None:
    pts = np.array(values, dtype=np.int64)
    times = PacketTimes(pts, pts, np.ones(len(pts), dtype=bool), 1.0, can_jump)
    starts = find_parts(times)
    placed = lay_out(times, starts)
    assert starts[0] == 0
    assert len(placed) == len(pts)
    assert placed.min() >= pts.min()
