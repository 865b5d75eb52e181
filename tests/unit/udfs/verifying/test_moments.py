from __future__ import annotations

import numpy as np

from udfs.verifying.features import Segment
from udfs.verifying.lines import AlignedSegment
from udfs.verifying.moments import MAX_MOMENTS, Moment, choose_moments


def choose(left_seconds: list[float], right_seconds: list[float], *segments: tuple[float, ...]) -> list[Moment]:
    """Choose moments; a segment is (left start, left end, right start, right end)."""
    aligned = [AlignedSegment(Segment(*bounds[:2]), Segment(*bounds[2:])) for bounds in segments]
    return choose_moments(np.array(left_seconds), np.array(right_seconds), aligned)


def seconds(count: int, first: float = 0.0, step: float = 1.0) -> list[float]:
    return [first + step * number for number in range(count)]


def test_a_short_segment_has_a_moment_per_left_frame_with_the_right_frames_before_and_after() -> None:
    assert choose(seconds(3), seconds(3, first=0.25), (0, 3, 0, 3)) == [(0, 0, 0), (1, 0, 1), (2, 1, 2)]


def test_a_long_segment_has_eight_moments_spread_evenly() -> None:
    moments = choose(seconds(80), seconds(80), (0, 80, 0, 80))
    assert [moment.left for moment in moments] == [0, 10, 20, 30, 40, 50, 60, 70]
    assert [moment.right_after for moment in moments] == [0, 10, 20, 30, 40, 50, 60, 70]


def test_the_moment_of_a_span_is_the_one_nearest_to_a_right_frame() -> None:
    # Right frames are 1.25 s apart: only every fifth left frame is in phase with one.
    moments = choose(seconds(40), seconds(32, step=1.25), (0, 40, 0, 40))
    assert [moment.left for moment in moments] == [0, 5, 10, 15, 20, 25, 30, 35]


def test_only_frames_of_the_segment_are_chosen_and_its_end_is_exclusive() -> None:
    assert [moment.left for moment in choose(seconds(10), seconds(10), (2, 5, 0, 3))] == [2, 3, 4]


def test_times_are_mapped_with_the_offset_and_the_speed_of_the_segment() -> None:
    # The right video shows seconds 4 to 8 of the left one in 2 s, from its second 10 on.
    moments = choose(seconds(12), seconds(50, step=0.5), (4, 8, 10, 12))
    assert moments == [(4, 19, 20), (5, 20, 21), (6, 21, 22), (7, 22, 23)]


def test_a_time_after_the_last_right_frame_has_that_frame() -> None:
    assert choose([0.0, 1.0, 2.0], [0.0, 1.0], (0, 3, 0, 3)) == [(0, 0, 0), (1, 0, 1), (2, 0, 1)]


def test_one_frame_on_each_side_is_one_moment() -> None:
    assert choose([0.0], [0.0], (0, 1, 0, 1)) == [(0, 0, 0)]
    assert choose([0.0], [0.0, 1.0], (0, 1, 0, 2)) == [(0, 0, 0)]


def test_further_segments_fill_up_to_eight_moments() -> None:
    moments = choose(seconds(40), seconds(40), (0, 3, 0, 3), (20, 40, 20, 40), (10, 13, 10, 13))
    assert len(moments) == MAX_MOMENTS == 8
    assert [moment.left for moment in moments] == [0, 1, 2, 20, 24, 28, 32, 36]


def test_a_moment_of_two_segments_is_listed_once() -> None:
    assert choose(seconds(3), seconds(3), (0, 2, 0, 2), (0, 3, 0, 3)) == [(0, 0, 0), (1, 0, 1), (2, 1, 2)]


def test_a_segment_without_left_frames_or_without_length_has_no_moments() -> None:
    assert choose(seconds(3), seconds(3), (1.2, 1.8, 0, 1)) == []
    assert choose(seconds(3), seconds(3), (1, 1, 1, 1)) == []
    assert choose(seconds(3), seconds(3)) == []
