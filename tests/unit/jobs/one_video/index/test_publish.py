"""Which shards of an index are kept, and which are rewritten."""

from __future__ import annotations

from jobs.one_video.index.publish import MAX_SMALL_SHARDS, SHARD_SEGMENTS, choose_kept

LARGE = SHARD_SEGMENTS


def test_shards_of_present_videos_are_kept() -> None:
    assert choose_kept({"a": LARGE, "b": 10}, {"a": LARGE, "b": 10}) == ["a", "b"]


def test_a_shard_with_more_than_a_fifth_of_removed_videos_is_rewritten() -> None:
    assert choose_kept({"a": 80, "b": 79}, {"a": 100, "b": 100, "gone": 5}) == ["a"]


def test_too_many_small_shards_are_rewritten_as_one_and_large_ones_are_kept() -> None:
    small = {f"s{number}": 10 for number in range(MAX_SMALL_SHARDS)}
    assert choose_kept(small | {"a": LARGE}, small | {"a": LARGE}) == [*small, "a"]
    small["one-more"] = 10
    assert choose_kept(small | {"a": LARGE}, small | {"a": LARGE}) == ["a"]
