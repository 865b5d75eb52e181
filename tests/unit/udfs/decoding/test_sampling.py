from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.decoding.sampling import choose_frames, choose_sample_seconds, find_nearest_frames, select_displayed
from udfs.video import SamplingRule

RULE = SamplingRule(sample_fps=1.0, min_frames=8)


def test_a_long_clip_is_sampled_once_per_second() -> None:
    assert choose_sample_seconds(9.5, RULE).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_the_end_of_the_last_frame_is_not_sampled() -> None:
    assert choose_sample_seconds(9.0, RULE)[-1] == 8.0
    assert choose_sample_seconds(9.0004, RULE)[-1] == 8.0


def test_a_short_clip_is_sampled_in_equal_steps() -> None:
    assert choose_sample_seconds(4.0, RULE).tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]


def test_the_displayed_frame_is_the_last_that_has_started() -> None:
    frame_seconds = np.array([0.0, 0.9, 1.1, 5.0, 8.0, 8.5])
    # At 0, 1, 2, 3, 4, 5, 6, 7, 8 s.
    assert choose_frames(frame_seconds, 9.0, SamplingRule(1.0, 4)).tolist() == [0, 1, 2, 3, 4]


def test_a_frame_stamped_half_a_millisecond_late_is_chosen() -> None:
    frame_seconds = np.array([0.0, 0.5, 1.0005, 1.5])
    assert choose_frames(frame_seconds, 2.0, SamplingRule(1.0, 1)).tolist() == [0, 2]


def test_sampling_times_that_are_frame_times_choose_exactly_these_frames() -> None:
    frame_seconds = np.arange(300) * 1 / 30
    assert choose_frames(frame_seconds, 10.0, RULE).tolist() == list(range(0, 300, 30))


def test_a_still_picture_followed_by_a_burst_is_sampled_in_equal_steps_of_the_index() -> None:
    burst = 30 + np.arange(20) / 100
    frame_seconds = np.concatenate([[0.0], burst])
    assert choose_frames(frame_seconds, 60.0, RULE).tolist() == [0, 2, 5, 8, 11, 14, 17, 20]


def test_all_frames_of_a_video_with_few_frames_are_chosen() -> None:
    assert choose_frames(np.array([0.0, 100.0, 200.0]), 300.0, RULE).tolist() == [0, 1, 2]


def test_a_single_frame_without_duration_is_chosen() -> None:
    assert choose_frames(np.array([0.0]), 0.0, RULE).tolist() == [0]


def test_the_nearest_frame_to_a_time_is_found() -> None:
    frame_seconds = np.array([0.0, 0.001, 1.0, 3.0])
    wanted = np.array([3.0, 0.001, -1.0, 0.4, 0.6, 2.0, 99.0, 0.0])
    assert find_nearest_frames(frame_seconds, wanted).tolist() == [3, 1, 0, 1, 2, 2, 3, 0]
    assert find_nearest_frames(np.array([0.0]), wanted).tolist() == [0] * 8


def test_a_video_without_frames_has_no_chosen_frames() -> None:
    assert choose_frames(np.zeros(0), 0.0, RULE).tolist() == []


@given(
    st.lists(st.floats(0.001, 5.0), min_size=0, max_size=200),
    st.floats(0.0, 5.0),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.integers(1, 10),
)
def test_chosen_frames_ascend_from_the_first_and_are_at_least_the_minimum(
    gaps: list[float], last: float, sample_fps: float, min_frames: int
) -> None:
    frame_seconds = np.concatenate([[0.0], np.cumsum(gaps)])
    duration = float(frame_seconds[-1]) + last
    chosen = choose_frames(frame_seconds, duration, SamplingRule(sample_fps, min_frames))
    assert chosen[0] == 0
    assert (np.diff(chosen) > 0).all()
    assert chosen[-1] < len(frame_seconds)
    assert len(chosen) >= min(min_frames, len(frame_seconds))
    assert len(chosen) <= max(min_frames, duration * sample_fps + 1)


def select(times: list[int], targets: list[int]) -> list[int]:
    return [time for time, _ in select_displayed(((time, None) for time in times), targets)]


def test_frames_at_the_target_times_are_selected() -> None:
    assert select([0, 1, 2, 3, 4], [0, 2, 4]) == [0, 2, 4]


def test_a_missing_frame_is_replaced_by_its_predecessor() -> None:
    assert select([0, 1, 3, 4], [0, 2, 4]) == [0, 1, 4]


def test_a_frame_displayed_at_several_targets_is_selected_once() -> None:
    assert select([0, 9], [0, 2, 4, 9]) == [0, 9]
    assert select([0, 1, 9], [0, 2, 4, 9]) == [0, 1, 9]


def test_a_target_before_the_first_frame_selects_none() -> None:
    assert select([5, 6], [0, 5]) == [5]


def test_a_target_after_the_last_frame_selects_the_last() -> None:
    assert select([0, 1], [0, 7]) == [0, 1]
    assert select([0], [0, 7]) == [0]


def test_no_more_frames_are_read_than_needed() -> None:
    source = iter([(0, "a"), (1, "b"), (2, "c")])
    assert list(select_displayed(source, [0, 1])) == [(0, "a"), (1, "b")]
    assert next(source) == (2, "c")


@given(st.sets(st.integers(0, 60), min_size=1), st.sets(st.integers(0, 60), min_size=1))
def test_the_selection_equals_a_search_of_all_frames(times: set[int], targets: set[int]) -> None:
    ordered = sorted(times)
    shown = [max((t for t in ordered if t <= target), default=None) for target in sorted(targets)]
    assert select(ordered, sorted(targets)) == sorted({time for time in shown if time is not None})


def test_two_samples_per_second_halve_the_step() -> None:
    assert choose_sample_seconds(10.0, SamplingRule(2.0, 8))[:3] == pytest.approx([0, 0.5, 1.0])
