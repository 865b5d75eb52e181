"""The catalogue of the accuracy benchmark: its plan and truth for literal clips, and a few encoded videos."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.accuracy.catalogue import (
    MANIFEST_COLUMNS,
    choose_companion,
    choose_edited,
    make,
    plan,
    plan_edits,
    read_measured_clips,
    write_manifest,
)
from benchmarks.accuracy.clips import Clip
from benchmarks.accuracy.grid import GRID
from benchmarks.accuracy.layouts import plan_layouts
from benchmarks.accuracy.negatives import INTRO_EDIT, plan_after_intro, plan_flat
from benchmarks.accuracy.takes import TAKES
from benchmarks.accuracy.truth import (
    NaturalPair,
    TruePair,
    build_truth,
    intersect,
    measure_union,
    read_natural,
    write_truth,
)
from benchmarks.accuracy.videos import LAYOUT, Shown, Video, edit_clip, keep_clip
from jobs.demo.editing.edits import EDITS, Edit
from jobs.demo.editing.transcode import survey_clip
from jobs.evaluation.truth import load_truth
from tests.support.clock_clips import write_clock_clip

FOLDER = Path("/made")
CLIP_FILES = Path("/clips")
EDIT_OF = {edit.name: edit for transformation in GRID for edit in transformation.strengths}


def make_clip(
    video_id: str, source_id: str = "", scene_group: str = "", seconds: float = 10.0, split: str = "test"
) -> Clip:
    return Clip(video_id, CLIP_FILES / f"{video_id}.mp4", source_id or f"s-{video_id}", scene_group, seconds, split)


def make_copy(clip: Clip, edit_name: str, companion: Clip | None = None) -> Video:
    return replace(edit_clip(clip, EDIT_OF[edit_name], FOLDER, companion), transform=edit_name.rpartition("-")[0])


def relations_of(videos: list[Video], natural: tuple[NaturalPair, ...] = ()) -> dict[tuple[str, str], str]:
    return {(line.left_id, line.right_id): line.relation for line in build_truth(videos, natural)}


A, B = make_clip("a"), make_clip("b", seconds=8.0)
COPY_OF_A = make_copy(A, "blur-light")


def test_only_test_sources_are_edited_and_train_sources_are_left_out() -> None:
    clips = [make_clip(f"{split}{n}", split=split) for split in ("train", "calibrate", "test") for n in range(8)]
    videos = plan(clips, (), FOLDER, edits_per_clip=20)
    assert [video.video_id for video in videos[:16]] == [clip.video_id for clip in clips if clip.split != "train"]
    made = videos[16:]
    assert {video.split for video in made} == {"test"}
    shown = {shown.clip_id for video in made if video.transform != LAYOUT for shown in video.shown}
    assert shown <= {f"test{n}" for n in range(8)}
    assert [video for video in made if video.transform == LAYOUT] == plan_layouts("test", FOLDER)
    assert len({video.video_id for video in videos}) == len(videos)


def test_the_shortest_clip_of_four_seconds_or_more_of_a_source_is_edited_else_the_longest() -> None:
    clips = [
        make_clip("a", "s1", seconds=3.0),
        make_clip("b", "s1", seconds=9.0),
        make_clip("c", "s1", seconds=4.0),
        make_clip("d", "s2", seconds=2.0),
        make_clip("e", "s2", seconds=3.0),
    ]
    assert [clip.video_id for clip in choose_edited(clips)] == ["c", "e"]


def test_each_strength_of_each_transformation_is_applied_to_the_same_number_of_clips() -> None:
    clips = [make_clip(f"c{n:02}") for n in range(30)]
    videos = plan_edits(clips, (), FOLDER, edits_per_clip=15)
    assert len(videos) == 3 * len(GRID) * 3
    assert set(Counter((video.transform, video.strength) for video in videos).values()) == {3}
    assert {len({v.clip_id for v in videos if v.edit_name == name}) for name in EDIT_OF} == {3}
    assert videos == plan_edits(clips[::-1], (), FOLDER, edits_per_clip=15)


def test_short_clips_are_neither_cut_nor_combined() -> None:
    clips = [make_clip(f"c{n}", seconds=3.9 if n else 10.0) for n in range(5)]
    videos = plan_edits(clips, (), FOLDER, edits_per_clip=60)
    families = {clip.video_id: {v.family for v in videos if v.clip_id == clip.video_id} for clip in clips}
    assert all(
        families[name] <= {"encoding", "photometric", "geometry", "overlay"} for name in ("c1", "c2", "c3", "c4")
    )
    assert {"temporal", "composition", "reversal"} <= families["c0"]


def test_a_companion_is_long_enough_and_unrelated() -> None:
    clip = make_clip("a", scene_group="street")
    unsuitable = [
        make_clip("b", "s-a"),
        make_clip("c", scene_group="street"),
        make_clip("d", seconds=2.0),
        make_clip("e"),
    ]
    related = {frozenset("ae")}
    assert choose_companion(clip, [clip, *unsuitable, make_clip("f")], related, "intro-light").video_id == "f"
    with pytest.raises(
        ValueError, match="clip 'a' has no companion for 'intro-light'; add unrelated test clips of 3 s or more"
    ):
        choose_companion(clip, [clip, *unsuitable], related, "intro-light")


def test_only_the_first_sixteen_seconds_of_a_long_clip_are_edited() -> None:
    video = make_copy(make_clip("a", seconds=30.0), "speed-up-strong")
    assert video.duration_seconds == pytest.approx(8.05)
    assert video.shown == (Shown("a", 0.0, 16.1, 0.0, 8.05),)


def test_an_original_and_its_edited_copy_are_a_copy_with_bounds_and_transformation() -> None:
    assert build_truth([keep_clip(A), keep_clip(B), COPY_OF_A], ()) == [
        TruePair("a", "a-blur-light", "copy", "blur", (0.0, 10.0, 0.0, 10.0))
    ]


def test_the_relation_of_two_edited_copies_follows_from_their_shared_footage() -> None:
    head, tail = make_copy(A, "trim-head-medium"), make_copy(A, "trim-tail-medium")
    lines = {(line.left_id, line.right_id): line for line in build_truth([COPY_OF_A, head, tail], ())}
    assert lines["a-blur-light", "a-trim-head-medium"].relation == "partial"
    assert lines["a-blur-light", "a-trim-head-medium"].bounds == pytest.approx((3, 10, 0, 7))
    both = lines["a-trim-head-medium", "a-trim-tail-medium"]
    assert (both.relation, both.transform) == ("partial", "")
    assert both.bounds == pytest.approx((0, 4, 3, 7)), "seconds 3 to 7 of the clip"
    assert relations_of([COPY_OF_A, make_copy(A, "noise-strong")]) == {("a-blur-light", "a-noise-strong"): "copy"}


def test_copies_of_one_clip_that_share_no_footage_are_ignored() -> None:
    head, tail = make_copy(A, "trim-tail-strong"), make_copy(A, "trim-head-strong")
    assert relations_of([head, tail]) == {("a-trim-head-strong", "a-trim-tail-strong"): "ignore"}


def test_a_shared_intro_does_not_make_a_pair() -> None:
    clips = [A, B, make_clip("c", scene_group="street"), make_clip("d", seconds=3.0)]
    after_intro = plan_after_intro(clips, FOLDER)
    assert {video.video_id for video in after_intro} == {"a-shared-intro", "b-shared-intro"}
    assert {video.inputs[1] for video in after_intro} == {FOLDER / "shared-intro-itself.mp4"}
    lines = build_truth([*map(keep_clip, clips), *after_intro], ())
    assert lines == [
        TruePair("a", "a-shared-intro", "partial", "shared-intro", (0.0, 10.0, 3.0, 13.0)),
        TruePair("b", "b-shared-intro", "partial", "shared-intro", (0.0, 8.0, 3.0, 11.0)),
    ]


def test_flat_videos_show_no_clip_and_have_no_pairs() -> None:
    flat = plan_flat(FOLDER)
    assert {"flat-black", "flat-white", "flat-grey", "gradient-blue", "slide-1", "slide-2"} <= {
        v.video_id for v in flat
    }
    assert build_truth(flat, ()) == []


def test_footage_of_a_companion_counts_if_it_is_long_and_visible_enough() -> None:
    originals = [keep_clip(A), keep_clip(B)]

    def find_relation(edit_name: str) -> tuple[str, str]:
        lines = build_truth([*originals, make_copy(A, edit_name, B)], ())
        (line,) = [line for line in lines if line.left_id == "b" or line.right_id == "b"]
        return line.relation, line.transform

    assert find_relation("intro-light") == ("ignore", "companion"), "1.5 of 8 s"
    assert find_relation("intro-strong") == ("partial", "companion"), "all 8 s, in 18"
    assert find_relation("picture-in-picture-light") == ("ignore", "companion"), "a fifth of the width"
    assert find_relation("picture-in-picture-strong") == ("partial", "companion")
    assert find_relation("blend-light") == ("ignore", "companion")


def test_footage_in_a_part_of_the_picture_is_partial() -> None:
    for edit_name, relation in (
        ("inset-light", "partial"),
        ("side-by-side-strong", "partial"),
        ("blend-light", "copy"),
    ):
        made = make_copy(A, edit_name, B)
        assert relations_of([keep_clip(A), made]) == {("a", made.video_id): relation}


def test_a_loop_covers_its_original_twice() -> None:
    assert build_truth([keep_clip(A), make_copy(A, "loop-medium")], ()) == [
        TruePair("a", "a-loop-medium", "copy", "loop", (0.0, 10.0, 0.0, 10.0)),
        TruePair("a", "a-loop-medium", "copy", "loop", (0.0, 10.0, 10.0, 20.0)),
    ]


def test_natural_copies_keep_their_truth_and_edited_copies_inherit_it() -> None:
    # Seconds 2 to 8 of a are all of b, which plays them in 3 s.
    b = make_clip("b", seconds=3.0)
    natural = (NaturalPair("a", "b", "partial", 2.0, 8.0, 0.0, 3.0), NaturalPair("a", "c", "ignore"))
    head = make_copy(A, "trim-tail-strong")
    lines = build_truth([keep_clip(A), keep_clip(b), keep_clip(make_clip("c")), head], natural)
    assert lines == [
        TruePair("a", "a-trim-tail-strong", "partial", "trim-tail", (0, 4, 0, 4)),
        TruePair("a", "b", "partial", "natural", (2.0, 8.0, 0.0, 3.0)),
        TruePair("a", "c", "ignore", "natural"),
        TruePair("a-trim-tail-strong", "b", "partial", "", (2.0, 4.0, 0.0, 1.0)),
        TruePair("a-trim-tail-strong", "c", "ignore", ""),
    ]


def test_a_pair_of_clips_without_truth_is_negative_and_so_are_their_copies() -> None:
    street = [make_clip("a", scene_group="street"), make_clip("b", scene_group="street")]
    copies = [make_copy(clip, "blur-light") for clip in street]
    assert relations_of([*map(keep_clip, street), *copies]) == {
        ("a", "a-blur-light"): "copy",
        ("b", "b-blur-light"): "copy",
    }


def test_reversed_footage_is_located_from_its_end() -> None:
    shown = Shown("a", 2.0, 10.0, 0.0, 4.0, is_reversed=True)
    assert shown.locate(2.0, 4.0) == (3.0, 4.0)
    assert shown.locate(8.0, 10.0) == (0.0, 1.0)


def test_stretches_that_overlap_by_a_twentieth_of_a_second_share_nothing() -> None:
    itself = NaturalPair("a", "a", "copy", 0.0, 100.0, 0.0, 100.0)
    one, other = Shown("a", 0.0, 5.0, 0.0, 5.0), Shown("a", 4.95, 9.0, 0.0, 4.05)
    assert intersect(one, other, itself) is None


def test_overlapping_intervals_are_counted_once() -> None:
    assert measure_union([(2.0, 4.0), (0.0, 1.0), (3.0, 6.0), (3.5, 4.0)]) == 5.0
    assert measure_union([]) == 0.0


def test_manifest_and_truth_have_the_format_of_the_job_and_its_evaluation(tmp_path: Path) -> None:
    videos = [keep_clip(A), keep_clip(B), COPY_OF_A]
    write_manifest(videos, tmp_path / "manifest.csv")
    rows = list(csv.DictReader((tmp_path / "manifest.csv").read_text().splitlines()))
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    assert rows[2] == {
        "video_id": "a-blur-light",
        "uri": "/made/a-blur-light.mp4",
        "source_id": "s-a",
        "footage_id": "s-a",
        "split": "test",
        "transform": "blur",
        "strength": "",
        "family": "",
        "clip_id": "a",
    }
    natural = (NaturalPair("a", "b", "ignore"),)
    write_truth(build_truth(videos, natural), tmp_path / "truth.csv")
    assert (tmp_path / "truth.csv").read_text().splitlines()[1:] == [
        "a,a-blur-light,copy,blur,0.000,10.000,0.000,10.000",
        "a,b,ignore,natural,,,,",
        "a-blur-light,b,ignore,,,,,",
    ]
    truth = load_truth(tmp_path / "truth.csv")
    assert truth.count_pairs() == 3


def test_the_truth_of_the_clips_is_read_with_its_times(tmp_path: Path) -> None:
    header = "id_a,id_b,relation,transform,a_start,a_end,b_start,b_end\n"
    (tmp_path / "truth.csv").write_text(f"{header}a,b,copy,natural,0.5,2.0,-0.0,1.5\na,c,ignore,natural,,,,\n")
    assert read_natural(tmp_path / "truth.csv") == [
        NaturalPair("a", "b", "copy", 0.5, 2.0, 0.0, 1.5),
        NaturalPair("a", "c", "ignore"),
    ]


def test_durations_are_measured_and_clips_that_cannot_be_decoded_are_returned(tmp_path: Path) -> None:
    header = "video_id,file,source_id,scene_group,duration_s\n"
    # Sources of the demo are in the test split.
    (tmp_path / "clips.csv").write_text(header + "a,a.mp4,kivy_a,,9.0\nb,b.mp4,kivy_b,,9.0\n")
    write_clock_clip(tmp_path / "a.mp4", num_frames=30)
    (tmp_path / "b.mp4").write_text("not a video")
    clips, unreadable = read_measured_clips(tmp_path)
    assert [clip.duration_seconds for clip in clips] == [3.0, 9.0]
    assert unreadable == {"b"}


def test_videos_are_encoded_once_and_have_the_planned_duration(tmp_path: Path) -> None:
    write_clock_clip(tmp_path / "a.mp4", num_frames=40)
    write_clock_clip(tmp_path / "b.mp4", num_frames=30)
    a, b = (replace(make_clip(name, seconds=s), path=tmp_path / f"{name}.mp4") for name, s in (("a", 4.0), ("b", 3.0)))
    folder = tmp_path / "videos"
    videos = [
        keep_clip(a),
        edit_clip(a, EDIT_OF["outro-light"], folder, b),
        edit_clip(a, EDIT_OF["noise-light"], folder),
        *plan_after_intro([a], folder),
        *[video for video in plan_flat(folder) if video.video_id in {"slide-1", "gradient-red"}],
    ]
    done: list[tuple[int, int]] = []
    assert make(videos, 1, lambda *numbers: done.append(numbers)) == 5
    assert done == [(n, 5) for n in range(1, 6)]
    for video in videos:
        assert survey_clip(video.path).duration_seconds == pytest.approx(video.duration_seconds, abs=0.1)
    assert not list(folder.glob("unfinished-*"))
    assert make(videos, 1) == 0


def test_the_edits_of_hard_negatives_have_unique_names() -> None:
    edits: list[Edit] = [*TAKES.values(), INTRO_EDIT]
    assert not {edit.name for edit in edits} & {*EDIT_OF, *EDITS}
