"""Takes: parts of one clip that share no footage, for literal clips and for two encoded ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.accuracy.clips import Clip
from benchmarks.accuracy.takes import choose_sources, find_inseparable, plan_takes
from benchmarks.accuracy.truth import NaturalPair, build_truth
from benchmarks.accuracy.videos import TAKE
from tests.support.clock_clips import HEIGHT_PX, WIDTH_PX, write_frames
from udfs.describing.takes import COPIES_PER_PART

FOLDER = Path("/made")


def make_clip(video_id: str, source_id: str = "", seconds: float = 18.0) -> Clip:
    return Clip(video_id, Path(f"/clips/{video_id}.mp4"), source_id or f"s-{video_id}", "", seconds, "test")


def test_each_part_has_two_copies_with_different_edits() -> None:
    takes = plan_takes([make_clip("a", seconds=9.0)], (), FOLDER)
    assert len(takes) == 2 * (1 + COPIES_PER_PART)
    assert [takes[0].video_id, takes[3].video_id] == ["a-take-1-of-2", "a-take-2-of-2"]
    assert len({video.edit_name for video in takes}) == 6
    assert {video.transform for video in takes} == {TAKE}
    for video in takes[:3]:
        assert [(shown.clip_start_seconds, shown.clip_end_seconds) for shown in video.shown] == [(0.0, 4.0)]


def test_copies_of_one_part_are_copies_and_those_of_two_parts_are_negatives() -> None:
    takes = plan_takes([make_clip("a", seconds=9.0)], (), FOLDER)
    relations = {(row.left_id, row.right_id): row.relation for row in build_truth(takes, ())}
    assert len(relations) == 6
    assert set(relations.values()) == {"copy"}
    assert all(left.split("-of-")[0] == right.split("-of-")[0] for left, right in relations)


def test_inseparable_takes_are_ignored() -> None:
    first, *_, last = plan_takes([make_clip("a", seconds=9.0)], (), FOLDER)
    pair = frozenset((first.video_id, last.video_id))
    rows = build_truth([first, last], (), {pair})
    assert [(row.left_id, row.right_id, row.relation) for row in rows] == [(*sorted(pair), "ignore")]


def test_takes_are_cut_from_the_whole_clip_and_not_from_its_beginning() -> None:
    last = plan_takes([make_clip("a", seconds=200.0)], (), FOLDER)[-1]
    assert not last.is_limited
    assert [(shown.clip_start_seconds, shown.clip_end_seconds) for shown in last.shown] == [(150.0, 162.0)]


def test_the_longest_clip_of_each_source_is_chosen() -> None:
    clips = [make_clip("a", "s1", 8.9), make_clip("b", "s2", 9.0), make_clip("c", "s2", 30.0)]
    assert [clip.video_id for clip in choose_sources(clips, ())] == ["c"]


def test_a_clip_that_looks_like_another_source_is_not_chosen() -> None:
    clips = [make_clip(name, source) for name, source in (("a", "s1"), ("b", "s2"), ("c", "s3"), ("d", "s3"))]
    natural = [NaturalPair("a", "b", "ignore"), NaturalPair("c", "d", "ignore")]
    assert [clip.video_id for clip in choose_sources(clips, natural)] == ["c"]


def test_parts_of_a_frozen_clip_are_inseparable_and_those_of_a_moving_one_are_not(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)
    frozen = write_frames(tmp_path / "frozen.mp4", (picture for _ in range(100)))
    moving = write_frames(tmp_path / "moving.mp4", (np.roll(picture, number, axis=1) for number in range(100)))
    clips = [Clip(path.stem, path, path.stem, "", 10.0, "test") for path in (moving, frozen)]
    pairs = find_inseparable(plan_takes(clips, (), tmp_path))
    assert len(pairs) == 9
    assert {video_id.split("-")[0] for pair in pairs for video_id in pair} == {"frozen"}


def test_parts_are_compared_within_the_bounds_at_which_they_were_cut(tmp_path: Path) -> None:
    """The picture changes at 5.1 s, and the second part starts at 5.05 s: a frame of 5.0 s would have twins."""
    first, second = np.random.default_rng(0).integers(0, 255, (2, HEIGHT_PX, WIDTH_PX, 3), dtype=np.uint8)
    path = write_frames(tmp_path / "a.mp4", (first if number < 51 else second for number in range(101)))
    takes = plan_takes([Clip("a", path, "a", "", 10.1, "test")], (), tmp_path)
    assert [video.shown[0].clip_start_seconds for video in takes] == [0.0] * 3 + [5.05] * 3
    assert find_inseparable(takes) == set()
