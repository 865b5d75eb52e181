"""Generated videos of one layout: their plan, their truth, and the pixels of their screens."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy.catalogue import make
from benchmarks.accuracy.counts import count_false
from benchmarks.accuracy.designs import CONTENTS, SPLITS, STYLES, Screen, Words, choose_style
from benchmarks.accuracy.grid import GRID
from benchmarks.accuracy.layouts import FAMILIES, LAYOUTS, UNREADABLE, plan_layouts
from benchmarks.accuracy.methods import Ranked
from benchmarks.accuracy.screens import KINDS, make_drawing
from benchmarks.accuracy.truth import build_truth
from benchmarks.accuracy.videos import LAYOUT
from jobs.demo.editing.transcode import survey_clip
from jobs.evaluation.truth import SEGMENT_COLUMNS, Truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = Path("/made")
DESIGNS = [(kind, style) for kind in KINDS for style in STYLES]


def draw_all(screen: Screen, fps: float = 1.0) -> NDArray[np.int16]:
    """Return frames, int16 (n, height, width, 3)."""
    draw, seconds = make_drawing(screen)
    return np.array([draw(number / fps) for number in range(int(seconds * fps))], dtype=np.int16)


def collect_words(screen: Screen) -> set[str]:
    words = Words(screen)
    lines = [words.draw_person() for _ in range(30)] + [words.draw_clause() for _ in range(40)]
    return {word for line in lines for word in line.split()} - {"the"}


def test_each_split_has_three_contents_of_each_design_with_two_copies_of_each() -> None:
    videos = plan_layouts("test", FOLDER)
    assert len(videos) == len(DESIGNS) * 3 * 3 == 189
    assert len({video.video_id for video in videos}) == 189
    assert set(Counter(video.footage_id for video in videos).values()) == {9}
    assert {(video.split, video.transform, video.family) for video in videos} == {("test", LAYOUT, LAYOUT)}
    assert all(6 <= video.duration_seconds <= 10 for video in videos)
    assert videos == plan_layouts("test", FOLDER)


def test_copies_are_readable_and_made_by_edits_that_keep_the_footage() -> None:
    able = {edit.name for kind in GRID if kind.family in FAMILIES for edit in kind.strengths}
    assert able > UNREADABLE, "each excluded edit exists"
    edits = {video.edit_name for split in SPLITS for video in plan_layouts(split, FOLDER)} - {""}
    assert edits <= able - UNREADABLE
    assert len(edits) > 50


def test_only_copies_of_one_content_are_in_the_truth() -> None:
    videos = plan_layouts("calibrate", FOLDER)
    rows = build_truth(videos, ())
    source_of = {video.video_id: video.source_id for video in videos}
    assert len(rows) == len(DESIGNS) * 3 * 3
    assert {row.relation for row in rows} == {"copy"}
    assert all(source_of[row.left_id] == source_of[row.right_id] for row in rows)
    assert all(row.bounds is not None and row.bounds[1] - row.bounds[0] >= 6 for row in rows)


@pytest.mark.parametrize(("kind", "style"), DESIGNS)
def test_contents_of_a_design_differ_in_text_for_most_of_their_duration(kind: str, style: int) -> None:
    contents = [draw_all(Screen("test", kind, style, content)) for content in CONTENTS]
    for one, other in combinations(contents, 2):
        is_changed = (np.abs(one - other).max(axis=3) > 60).mean(axis=(1, 2)) > 0.004
        assert is_changed.mean() > 0.8
        assert (np.abs(one - other).max(axis=3) > 60).mean() < 0.25, "most of the picture is the same"


def test_screens_are_the_same_each_time_and_differ_between_splits() -> None:
    screens = [Screen(split, "slides", 1, 1) for split in SPLITS]
    for screen in screens:
        np.testing.assert_array_equal(draw_all(screen, 0.5), draw_all(screen, 0.5))
    assert len({choose_style(screen) for screen in LAYOUTS.values()}) == len(SPLITS) * len(DESIGNS)
    assert len({choose_style(screen).background for screen in screens}) == 3


def test_neither_splits_nor_contents_of_a_design_share_a_word() -> None:
    for kind in KINDS:
        of_split = {split: [collect_words(Screen(split, kind, 1, content)) for content in CONTENTS] for split in SPLITS}
        for one, other in combinations([words for contents in of_split.values() for words in contents], 2):
            assert not one & other
            assert len(one) >= 15


def test_timers_of_a_design_never_show_the_same_time() -> None:
    minutes = {split: [Words(Screen(split, "timer", 1, content)).minute for content in CONTENTS] for split in SPLITS}
    assert len({minute for of_split in minutes.values() for minute in of_split}) == 9


def test_originals_are_encoded_before_their_copies(tmp_path: Path) -> None:
    original, copy, _ = plan_layouts("train", tmp_path / "videos")[:3]
    assert copy.inputs == (original.path,)
    assert make([copy, original], 1) == 2
    for video in (original, copy):
        assert survey_clip(video.path).duration_seconds == pytest.approx(video.duration_seconds, abs=0.1)


def test_false_pairs_of_one_layout_are_counted() -> None:
    videos = plan_layouts("test", FOLDER)[:6]
    manifest = pd.DataFrame([(video.video_id, video.transform) for video in videos], columns=["video_id", "transform"])
    truth = pd.DataFrame([(row.left_id, row.right_id, row.relation, "") for row in build_truth(videos, ())])
    truth.columns = pd.Index(["left_id", "right_id", "relation", "transform"])
    found = pd.DataFrame(combinations(sorted(manifest["video_id"]), 2), columns=["left_id", "right_id"])
    method = Ranked("ours", found.assign(score=0.9), 0.5)
    counts = count_false(method.find_pairs(), Truth(truth.assign(**dict.fromkeys(SEGMENT_COLUMNS, np.nan))), manifest)
    assert (counts[LAYOUT], counts["all"]) == (9, 9)
