"""The split of each clip of the benchmark."""

from __future__ import annotations

import csv
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.accuracy.clips import choose_split, read_clips
from benchmarks.accuracy.make import make_training_set

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "video_id,file,source_id,scene_group,duration_s\n"


def test_sources_are_split_sixty_twenty_twenty_in_the_same_way_each_time() -> None:
    splits = Counter(choose_split(f"source-{number}", set()) for number in range(2000))
    assert {split: round(count / 2000, 1) for split, count in splits.items()} == {
        "train": 0.6,
        "calibrate": 0.2,
        "test": 0.2,
    }
    assert [choose_split(name, set()) for name in ("tears_of_steel", "wolf", "sam2_02-cups")] == [
        choose_split(name, set()) for name in ("tears_of_steel", "wolf", "sam2_02-cups")
    ]


def test_a_scene_group_is_in_one_split_and_sources_of_the_demo_are_in_the_test_split(tmp_path: Path) -> None:
    groups = [f"{n}{letter},clips/{n}{letter}.mp4,s-{n}{letter},g-{n},2.0\n" for n in range(20) for letter in "ab"]
    demo = [f"d{n},clips/d{n}.mp4,kivy_{n},,2.0\n" for n in range(20)]
    beside = ["x,clips/x.mp4,other,ui,2.0\n", "y,clips/y.mp4,gradio_y,ui,2.0\n"]
    (tmp_path / "clips.csv").write_text(HEADER + "".join([*groups, *demo, *beside]))
    clips = read_clips(tmp_path)
    for first, second in zip(clips[0:40:2], clips[1:40:2], strict=True):
        assert first.split == second.split
    assert {clip.split for clip in clips[:40]} == {"train", "calibrate", "test"}
    assert {clip.split for clip in clips[40:]} == {"test"}


def test_the_training_set_has_the_unedited_clips_of_the_train_and_calibrate_splits(tmp_path: Path) -> None:
    lines = [f"c{n},clips/c{n}.mp4,s-{n},,2.0\n" for n in range(30)]
    (tmp_path / "clips.csv").write_text(HEADER + "".join(lines))
    make_training_set(tmp_path, tmp_path / "train")
    with (tmp_path / "train" / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = {clip.video_id: clip.split for clip in read_clips(tmp_path) if clip.split != "test"}
    assert set(expected.values()) == {"train", "calibrate"}
    assert {row["video_id"]: row["split"] for row in rows} == expected
    assert {row["transform"] for row in rows} == {"original"}
