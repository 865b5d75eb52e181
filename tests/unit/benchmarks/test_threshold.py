"""The benchmark that finds the threshold: splits, labels, rules and figures, on literals."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.threshold.calibration import (
    choose_best_f1,
    choose_threshold,
    fit_platt,
    measure_average_precision,
)
from benchmarks.threshold.catalogue import (
    ORIGINAL,
    WHOLE_COPY_EDITS,
    Clip,
    choose_edited,
    choose_split,
    encode_copies,
    plan_videos,
    read_clips,
)
from benchmarks.threshold.evaluation import Pairs, evaluate, measure_recall_by_edit
from benchmarks.threshold.labels import Kind, label_clips, label_pairs, read_relations
from udfs.editing.edits import EDITS, trace_footage

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "video_id,file,source_id,scene_group,duration_s\n"


def make_clip(video_id: str, source_id: str, scene_group: str = "", seconds: float = 4.0, path: str = "") -> Clip:
    return Clip(video_id, path, source_id, scene_group, seconds, "test")  # type: ignore[arg-type] # never opened


def test_sources_are_split_sixty_twenty_twenty_and_always_alike() -> None:
    splits = Counter(choose_split(f"source-{number}", set()) for number in range(2000))
    assert {split: round(count / 2000, 1) for split, count in splits.items()} == {
        "train": 0.6,
        "calibrate": 0.2,
        "test": 0.2,
    }
    assert [choose_split(name, set()) for name in ("tears_of_steel", "wolf", "sam2_02-cups")] == [
        choose_split(name, set()) for name in ("tears_of_steel", "wolf", "sam2_02-cups")
    ]


def test_a_scene_group_goes_one_way_and_what_the_demo_shows_goes_to_the_test(tmp_path: Path) -> None:
    groups = [f"{n}{letter},clips/{n}{letter}.mp4,s-{n}{letter},g-{n},2.0\n" for n in range(20) for letter in "ab"]
    demo = [f"d{n},clips/d{n}.mp4,kivy_{n},,2.0\n" for n in range(20)]
    beside = ["x,clips/x.mp4,other,ui,2.0\n", "y,clips/y.mp4,gradio_y,ui,2.0\n"]
    (tmp_path / "clips.csv").write_text(HEADER + "".join([*groups, *demo, *beside]))
    clips = read_clips(tmp_path)
    for first, second in zip(clips[0:40:2], clips[1:40:2], strict=True):
        assert first.split == second.split
    assert {clip.split for clip in clips[:40]} == {"train", "calibrate", "test"}
    assert {clip.split for clip in clips[40:]} == {"test"}


def test_the_shortest_clip_of_each_source_is_edited_unless_it_is_long() -> None:
    clips = [
        make_clip("b", "s1", seconds=3.0),
        make_clip("a", "s1", seconds=5.0),
        make_clip("d", "s2", seconds=2.0),
        make_clip("c", "s3", seconds=30.0),
    ]
    assert [clip.video_id for clip in choose_edited(clips, "test")] == ["b", "d"]
    assert choose_edited(clips, "calibrate") == []


def test_every_edit_of_the_benchmark_keeps_the_whole_clip() -> None:
    for name in WHOLE_COPY_EDITS:
        (footage,) = trace_footage(EDITS[name], 10.0)
        assert (footage.source_start_seconds, footage.source_end_seconds) == (0.0, 10.0)


def test_copies_that_lie_there_are_not_encoded_again(tmp_path: Path) -> None:
    videos = plan_videos([make_clip("a", "s1")], tmp_path)
    assert [video.video_id for video in videos[:2]] == ["a", "a-reencode-low-bitrate"]
    assert len(videos) == 1 + len(WHOLE_COPY_EDITS)
    for video in videos[1:]:
        video.path.touch()
    assert encode_copies(videos) == 0


def test_what_the_truth_does_not_list_is_other_footage_of_one_of_three_kinds() -> None:
    one = make_clip("a", "s1", "street")
    assert label_clips(one, one, {}) is Kind.COPY
    assert label_clips(one, make_clip("b", "s2"), {}) is Kind.UNRELATED
    assert label_clips(one, make_clip("b", "s2", "street"), {}) is Kind.SAME_SCENE
    assert label_clips(one, make_clip("b", "s1", "street"), {}) is Kind.ANOTHER_TAKE
    assert label_clips(make_clip("a", "s1"), make_clip("b", "s2"), {}) is Kind.UNRELATED


def test_the_truth_wins_and_partial_copies_do_not_count(tmp_path: Path) -> None:
    lines = "id_a,id_b,relation\na,b,copy\na,c,partial\na,d,ignore\n"
    (tmp_path / "truth.csv").write_text(lines)
    relations = read_relations(tmp_path / "truth.csv")
    one = make_clip("a", "s1", "street")
    kinds = [label_clips(make_clip(other, "s2", "street"), one, relations) for other in "bcde"]
    assert kinds == [Kind.COPY, Kind.IGNORED, Kind.IGNORED, Kind.SAME_SCENE]


def test_edits_are_labelled_as_the_clips_that_they_were_made_of() -> None:
    a, b = make_clip("a", "s1"), make_clip("b", "s2")
    labels = label_pairs([a, a, b], {})
    copy, unrelated = int(Kind.COPY), int(Kind.UNRELATED)
    assert labels.tolist() == [[copy, copy, unrelated], [copy, copy, unrelated], [unrelated, unrelated, copy]]


def test_pairs_that_count_are_taken_once() -> None:
    copy, ignored, unrelated = int(Kind.COPY), int(Kind.IGNORED), int(Kind.UNRELATED)
    pairs = Pairs.of(
        np.array([[copy, copy, ignored], [copy, copy, unrelated], [ignored, unrelated, copy]], dtype=np.int8)
    )
    assert list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)) == [(0, 1), (1, 2)]
    assert pairs.is_copy.tolist() == [True, False]
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
    np.testing.assert_allclose(pairs.compare(vectors), [0.6, 0.8])


def test_the_threshold_is_the_lowest_above_all_unrelated_pairs() -> None:
    cosines, is_copy = np.array([0.9, 0.8, 0.5, 0.1]), np.array([True, True, False, False])
    assert choose_threshold(cosines, is_copy, ~is_copy) == 0.501


def test_one_unrelated_pair_in_ten_thousand_may_be_above_the_threshold_and_two_may_not() -> None:
    def threshold(num_high: int) -> float:
        others = np.concatenate([np.full(num_high, 0.7), np.full(10_000 - num_high, 0.2)])
        cosines = np.concatenate([np.full(1000, 0.9), others])
        is_copy = np.arange(11_000) < 1000
        return choose_threshold(cosines, is_copy, ~is_copy)

    assert threshold(1) == 0.201
    assert threshold(2) == 0.701


def test_other_takes_count_against_the_precision_alone() -> None:
    cosines, is_copy = np.array([0.9] * 98 + [0.8] * 2), np.arange(100) < 98
    no_unrelated = np.zeros(100, dtype=bool)
    assert choose_threshold(cosines, is_copy, no_unrelated) == 0.801
    assert choose_threshold(cosines[:99], is_copy[:99], no_unrelated[:99]) == 0.801
    many = np.array([0.9] * 198 + [0.8] * 2)
    assert choose_threshold(many, np.arange(200) < 198, np.zeros(200, dtype=bool)) == 0.0


def test_labels_that_no_threshold_separates_are_refused() -> None:
    with pytest.raises(ValueError, match="no threshold separates copies from other pairs"):
        choose_threshold(np.array([0.5, 0.9]), np.array([True, False]), np.array([False, True]))


def test_the_best_f1_takes_a_false_pair_for_a_copy_that_it_brings() -> None:
    cosines, is_copy = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, True])
    assert choose_best_f1(cosines, is_copy) == 0.0
    assert choose_best_f1(np.array([0.9, 0.3]), np.array([True, False])) == 0.301


def test_the_probabilities_finds_the_function_that_drew_the_labels() -> None:
    draw = np.random.default_rng(5)
    cosines = draw.uniform(0, 1, 200_000)
    is_copy = draw.uniform(size=200_000) < 1 / (1 + np.exp(-(-6 + 10 * cosines)))
    intercept, slope = fit_platt(cosines, is_copy)
    assert intercept == pytest.approx(-6, abs=0.2)
    assert slope == pytest.approx(10, abs=0.3)


def test_pairs_that_can_be_told_apart_give_a_finite_slope() -> None:
    cosines, is_copy = np.array([0.9, 0.8, 0.2, 0.1]), np.array([True, True, False, False])
    intercept, slope = fit_platt(cosines, is_copy)
    # By symmetry a half at .5; smoothed labels 3/4 and 1/4 then fix the rest.
    assert intercept == pytest.approx(-slope / 2, abs=1e-4)
    assert 0 < slope < 10


def test_average_precision_is_the_mean_of_the_precisions_at_the_copies() -> None:
    cosines, is_copy = np.array([0.7, 0.9, 0.8]), np.array([True, True, False])
    assert measure_average_precision(cosines, is_copy) == pytest.approx((1 + 2 / 3) / 2)
    assert measure_average_precision(np.array([0.9, 0.9]), np.array([True, False])) == pytest.approx(0.5)


def test_figures_count_what_lies_at_or_above_the_threshold() -> None:
    kinds = np.array([Kind.COPY, Kind.COPY, Kind.UNRELATED, Kind.SAME_SCENE, Kind.COPY, Kind.UNRELATED], dtype=np.int8)
    pairs = Pairs(np.arange(6), np.arange(6), kinds)
    figures = evaluate(np.array([0.9, 0.6, 0.6, 0.8, 0.5, 0.5], np.float32), pairs, 0.6)
    assert figures.precision == 0.5
    assert figures.recall == pytest.approx(2 / 3)
    assert figures.f1 == pytest.approx(4 / 7)
    assert figures.num_false == (1, 1, 0)


def test_recall_by_edit_looks_at_pairs_of_an_original_with_its_copy() -> None:
    edits = [ORIGINAL, "blur", "noise", ORIGINAL]
    left, right = np.triu_indices(4, k=1)
    pairs = Pairs(left, right, np.zeros(6, dtype=np.int8))
    cosines = np.array([0.9, 0.1, 0.8, 0.2, 0.9, 0.3], np.float32)  # 01 02 03 12 13 23
    recalls = measure_recall_by_edit(cosines, pairs, edits, 0.5)
    assert recalls == {ORIGINAL: (1.0, 1), "blur": (1.0, 2), "noise": (0.0, 2)}
