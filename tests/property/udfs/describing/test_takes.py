"""Parts of one video share no footage, whatever its duration."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from udfs.describing.takes import (
    GAP_SECONDS,
    MAX_PART_SECONDS,
    MIN_PART_SECONDS,
    MIN_SOURCE_SECONDS,
    choose_longest,
    split_video,
)

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
