from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.decoding.sampling import choose_frames, choose_sample_seconds, pick_on_display
from udfs.video import SamplingRule

RULE = SamplingRule(sample_fps=1.0, min_frames=8)


def test_long_clip_is_looked_at_once_a_second() -> None:
    assert choose_sample_seconds(9.5, RULE).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_no_look_falls_on_the_end_of_the_last_frame() -> None:
    assert choose_sample_seconds(9.0, RULE)[-1] == 8.0
    assert choose_sample_seconds(9.0004, RULE)[-1] == 8.0


def test_short_clip_is_looked_at_in_even_steps() -> None:
    assert choose_sample_seconds(4.0, RULE).tolist() == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]


def test_frame_on_display_is_the_last_that_has_begun() -> None:
    frame_seconds = np.array([0.0, 0.9, 1.1, 5.0, 8.0, 8.5])
    # At 0, 1, 2, 3, 4, 5, 6, 7, 8 s.
    assert choose_frames(frame_seconds, 9.0, SamplingRule(1.0, 4)).tolist() == [0, 1, 2, 3, 4]


def test_frame_stamped_half_a_millisecond_late_is_still_taken() -> None:
    frame_seconds = np.array([0.0, 0.5, 1.0005, 1.5])
    assert choose_frames(frame_seconds, 2.0, SamplingRule(1.0, 1)).tolist() == [0, 2]


def test_frame_rate_times_that_divide_evenly_are_hit_exactly() -> None:
    frame_seconds = np.arange(300) * 1 / 30
    assert choose_frames(frame_seconds, 10.0, RULE).tolist() == list(range(0, 300, 30))


def test_still_picture_with_a_burst_gives_even_steps_over_the_frames() -> None:
    burst = 30 + np.arange(20) / 100
    frame_seconds = np.concatenate([[0.0], burst])
    assert choose_frames(frame_seconds, 60.0, RULE).tolist() == [0, 2, 5, 8, 11, 14, 17, 20]


def test_video_of_few_frames_gives_them_all() -> None:
    assert choose_frames(np.array([0.0, 100.0, 200.0]), 300.0, RULE).tolist() == [0, 1, 2]


def test_single_frame_without_duration_is_given() -> None:
    assert choose_frames(np.array([0.0]), 0.0, RULE).tolist() == [0]


def test_no_frames_give_none() -> None:
    assert choose_frames(np.zeros(0), 0.0, RULE).tolist() == []


@given(
    st.lists(st.floats(0.001, 5.0), min_size=0, max_size=200),
    st.floats(0.0, 5.0),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.integers(1, 10),
)
def test_choice_is_ascending_starts_at_the_first_frame_and_has_enough(
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


def pick(times: list[int], targets: list[int]) -> list[int]:
    return [time for time, _ in pick_on_display(((time, None) for time in times), targets)]


def test_exact_times_are_picked() -> None:
    assert pick([0, 1, 2, 3, 4], [0, 2, 4]) == [0, 2, 4]


def test_missing_frame_is_stood_in_for_by_the_one_before() -> None:
    assert pick([0, 1, 3, 4], [0, 2, 4]) == [0, 1, 4]


def test_a_frame_is_picked_once_however_many_times_it_serves() -> None:
    assert pick([0, 9], [0, 2, 4, 9]) == [0, 9]
    assert pick([0, 1, 9], [0, 2, 4, 9]) == [0, 1, 9]


def test_time_before_the_first_frame_has_none() -> None:
    assert pick([5, 6], [0, 5]) == [5]


def test_last_frame_stands_in_at_the_end() -> None:
    assert pick([0, 1], [0, 7]) == [0, 1]
    assert pick([0], [0, 7]) == [0]


def test_no_more_frames_are_read_than_needed() -> None:
    source = iter([(0, "a"), (1, "b"), (2, "c")])
    assert list(pick_on_display(source, [0, 1])) == [(0, "a"), (1, "b")]
    assert next(source) == (2, "c")


@given(st.sets(st.integers(0, 60), min_size=1), st.sets(st.integers(0, 60), min_size=1))
def test_picks_are_what_a_search_of_all_frames_finds(times: set[int], targets: set[int]) -> None:
    ordered = sorted(times)
    shown = [max((t for t in ordered if t <= target), default=None) for target in sorted(targets)]
    assert pick(ordered, sorted(targets)) == sorted({time for time in shown if time is not None})


def test_sampling_rule_of_two_a_second_halves_the_step() -> None:
    assert choose_sample_seconds(10.0, SamplingRule(2.0, 8))[:3] == pytest.approx([0, 0.5, 1.0])
