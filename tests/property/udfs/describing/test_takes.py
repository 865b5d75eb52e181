"""Parts of one video share no footage, whatever its duration."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs.decoding.settings import DecoderSettings
from udfs.describing.describe_takes import TakeCutter, TakeSettings
from udfs.describing.settings import DescribeSettings
from udfs.describing.takes import (
    GAP_SECONDS,
    MAX_PART_SECONDS,
    MIN_PART_SECONDS,
    MIN_SOURCE_SECONDS,
    choose_longest,
    split_video,
)
from udfs.opening.roots import Roots
from udfs.video import FrameChunk, SamplingRule

TOLERANCE_SECONDS = 1e-6
VIDEOS = st.lists(
    st.tuples(st.text("abcd", min_size=1), st.sampled_from("xyz"), st.floats(0, 60)), unique_by=lambda video: video[0]
)


@given(st.floats(0, 30 * 86_400))
def test_no_part_overlaps_another_or_ends_after_its_video(seconds: float) -> None:
    parts = split_video(seconds)
    bounds = [part.bounds(seconds) for part in parts]
    assert len(bounds) in ((2, 3, 4) if seconds >= MIN_SOURCE_SECONDS else (0,))
    assert len({part.name for part in parts}) == len(parts)
    for start, end in bounds:
        assert 0 <= start < end <= seconds
        assert MIN_PART_SECONDS - TOLERANCE_SECONDS <= end - start <= MAX_PART_SECONDS + TOLERANCE_SECONDS
    for (_, end), (start, _) in pairwise(bounds):
        assert start - end >= GAP_SECONDS - TOLERANCE_SECONDS


@given(VIDEOS)
def test_one_video_of_each_long_source_is_chosen_and_no_other_is_longer(videos: list[tuple[str, str, float]]) -> None:
    chosen = choose_longest(videos)
    seconds_of = {video_id: seconds for video_id, _, seconds in videos}
    for source in "xyz":
        longest = max((seconds for _, of, seconds in videos if of == source), default=0.0)
        if longest < MIN_SOURCE_SECONDS:
            assert source not in chosen
        else:
            assert seconds_of[chosen[source]] == longest


@given(st.floats(9, 60), st.sampled_from([1.0, 3.0, 12.5, 30.0]), st.sampled_from([0.5, 1.0, 4.0]))
@settings(max_examples=25)
def test_a_copy_shows_frames_of_its_own_part_in_time_order(seconds: float, fps: float, sample_fps: float) -> None:
    describe = DescribeSettings(Roots.of("/v"), DecoderSettings(16, SamplingRule(sample_fps)))
    cutter = TakeCutter({"v": seconds}, TakeSettings(describe, seed=0))
    times = np.arange(0, seconds, 1 / fps)
    frames = np.full((len(times), 16, 16, 3), 128, np.uint8)
    shown: dict[str, list[float]] = {}
    for event in cutter.cut([FrameChunk("v", times, frames, (16, 16))]):
        copy = cutter.copies[event.video_id]
        assert isinstance(event, FrameChunk)
        shown.setdefault(copy.take_id, []).append(copy.start_seconds + float(event.frame_seconds[0]))
    bounds = {part.number: part.bounds(seconds) for part in split_video(seconds)}
    for take_id, moments in shown.items():
        start, end = bounds[cutter.copies[take_id].part.number]
        assert all(start <= moment < end for moment in moments)
        assert moments == sorted(set(moments))
