"""Packets of several parts are laid on one timeline."""

from __future__ import annotations

import numpy as np
import pytest

from udfs.decoding.timeline import PacketTimes, find_parts, find_undecodable, keep_starts, lay_out

TICKS_PER_SECOND = 10.0


def make_times(
    pts: list[int], dts: list[int] | None = None, keys: list[int] | None = None, *, can_jump: bool = True
) -> PacketTimes:
    """Make packets of which those at the indices `keys` are key frames; by default every fourth one is."""
    is_key = np.isin(np.arange(len(pts)), range(0, len(pts), 4) if keys is None else keys)
    decoded = np.array(pts if dts is None else dts, dtype=np.int64)
    return PacketTimes(np.array(pts, dtype=np.int64), decoded, is_key, TICKS_PER_SECOND, can_jump)


def place(times: PacketTimes) -> list[int]:
    return lay_out(times, find_parts(times)).tolist()


@pytest.mark.parametrize("can_jump", [False, True])
def test_one_part_is_left_as_it_is(can_jump: bool) -> None:
    reordered = make_times([2, 6, 4, 3, 5, 10, 8, 7, 9], list(range(9)), can_jump=can_jump)
    assert find_parts(reordered).tolist() == [0]
    assert place(reordered) == [2, 6, 4, 3, 5, 10, 8, 7, 9]


@pytest.mark.parametrize("can_jump", [False, True])
def test_a_restarted_clock_goes_on(can_jump: bool) -> None:
    times = make_times([5, 6, 7, 8, 5, 6, 7, 8, 0, 1, 2, 3], can_jump=can_jump)
    assert find_parts(times).tolist() == [0, 4, 8]
    assert place(times) == list(range(5, 17))


def test_a_restart_without_decoding_times_is_found_at_its_key_frame() -> None:
    pts = [0, 4, 2, 1, 3, 8, 6, 5, 7, 0, 4, 2, 1, 3]  # Matroska
    assert find_parts(make_times(pts, keys=[0, 9], can_jump=False)).tolist() == [0, 9]
    assert find_parts(make_times(pts, keys=[0], can_jump=False)).tolist() == [0]


def test_frames_that_are_stored_across_a_pause_are_no_restart() -> None:
    pts = [0, 2, 1, 900, 3, 901, 902]
    dts = [-2, -1, 0, 1, 2, 899, 900]
    assert find_parts(make_times(pts, dts, [0], can_jump=False)).tolist() == [0]
    assert place(make_times(pts, dts, [0], can_jump=True)) == [0, 2, 1, 4, 3, 5, 6]


def test_a_long_gap_is_removed_only_where_timestamps_may_jump() -> None:
    pts = [0, 1, 2, 36_000, 36_001]
    assert place(make_times(pts, can_jump=True)) == [0, 1, 2, 3, 4]
    assert place(make_times(pts, can_jump=False)) == pts


def test_a_gap_of_ten_seconds_is_kept() -> None:
    assert place(make_times([0, 1, 101, 102])) == [0, 1, 101, 102]
    assert place(make_times([0, 1, 102, 103])) == [0, 1, 2, 3]


def test_two_packets_may_share_a_timestamp_but_a_third_goes_on() -> None:
    assert place(make_times([0, 0, 1, 1, 2, 2])) == [0, 0, 1, 1, 2, 2]
    assert place(make_times([0, 1, 2, 2, 2, 2])) == [0, 1, 2, 2, 3, 4]


def test_packets_before_the_first_key_frame_of_a_part_are_undecodable() -> None:
    keys = np.array([0, 0, 1, 0, 0, 0, 0, 1, 0], dtype=bool)
    pts = np.array([0, 1, 4, 3, 5, 0, 1, 2, 3])
    expected = [True, True, False, True, False, True, True, False, False]
    found = find_undecodable(keys, pts, np.array([0, 5]))
    assert found.tolist() == expected
    assert keep_starts(np.array([0, 5]), ~found).tolist() == [0, 2]


def test_a_part_without_key_frames_is_kept() -> None:
    assert not find_undecodable(np.zeros(3, dtype=bool), np.arange(3), np.array([0])).any()


def test_no_packets_have_no_parts() -> None:
    assert find_parts(make_times([])).tolist() == []
    assert place(make_times([])) == []
