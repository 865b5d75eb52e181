"""Labelled pairs of augmented videos, and the choice of the second video. tests/spark has the tests that need Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobs.training.augmentations import AugmentedVideos, TrainingVideo, _choose_others, _make_video
from models.training import AugmentedFrames

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_videos(sources: Sequence[str], others: Sequence[str], num_copies: int = 2) -> AugmentedVideos:
    """One frame per video. The descriptor of a copy is (index of the video, index of the copy)."""
    number = len(sources)
    descriptors = np.zeros((number, num_copies, 2), np.float16)
    descriptors[..., 0], descriptors[..., 1] = np.arange(number)[:, None], np.arange(num_copies)
    _, numbers = np.unique(list(sources), return_inverse=True)
    return AugmentedVideos(
        AugmentedFrames(descriptors, np.arange(number), numbers.astype(np.int64)),
        tuple(f"v{place}" for place in range(number)),
        tuple(sources),
        tuple(others),
        np.arange(number) % 2 == 1,
        tuple((("crop",),) * (num_copies - 1) for _ in range(number)),
        "fingerprint",
    )


def list_pairs(sources: Sequence[str], others: Sequence[str]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the pairs that are copies and those that are not."""
    left, right, is_copy = make_videos(sources, others).list_pairs()
    pairs = list(zip(left.tolist(), right.tolist(), strict=True))
    copies = [pair for pair, same in zip(pairs, is_copy, strict=True) if same]
    return copies, [pair for pair in pairs if pair not in copies]


def video(video_id: str, source: str) -> TrainingVideo:
    return TrainingVideo(video_id, f"/v/{video_id}.mp4", source)


def row(video_id: str = "v", is_held_out: bool | None = None) -> Any:
    return {"video_id": video_id, "uri": f"/v/{video_id}.mp4", "is_held_out": is_held_out, "duration_seconds": 0.0}


def test_copies_of_one_video_are_positives_and_videos_of_other_sources_are_negatives() -> None:
    copies, negatives = list_pairs("xy", ["", ""])
    assert copies == [(0, 1), (2, 3)]
    assert negatives == [(0, 2), (0, 3), (1, 2), (1, 3)]


def test_different_videos_of_the_same_source_are_no_pair() -> None:
    copies, negatives = list_pairs("xx", ["", ""])
    assert copies == [(0, 1), (2, 3)]
    assert negatives == []


def test_a_video_is_no_negative_of_the_footage_that_its_edits_insert() -> None:
    # The edits of v0 insert y, the source of v1. Those of v1 insert z, the source of v2. v0 and v2 are independent.
    copies, negatives = list_pairs("xyz", "yz?")
    assert copies == [(0, 1), (2, 3), (4, 5)]
    assert negatives == [(0, 4), (0, 5), (1, 4), (1, 5)]
    assert list_pairs("xyz", "?xy")[1] == negatives


def test_selecting_keeps_all_fields_of_the_selected_videos() -> None:
    videos = make_videos("xyz", "yzx").select(np.array([True, False, True]))
    assert videos.video_ids == ("v0", "v2")
    assert (videos.source_names, videos.other_names) == (("x", "z"), ("y", "x"))
    assert videos.frames.descriptors[:, 0, 0].tolist() == [0, 2]
    assert videos.frames.videos.tolist() == [0, 1]
    assert videos.is_held_out.tolist() == [False, False]
    assert videos.edits == ((("crop",),), (("crop",),))
    assert videos.fingerprint == "fingerprint"


def test_each_video_gets_a_second_video_of_another_source_independent_of_the_order() -> None:
    videos = [video(f"v{number}", "abc"[number % 3]) for number in range(12)]
    others = _choose_others(videos)
    source_of = {video.uri: video.source for video in videos}
    assert all(source_of[other] != video.source for video, other in zip(videos, others, strict=True))
    assert len(set(others)) > 6
    reversed_order = _choose_others(videos[::-1])
    assert reversed_order[::-1] == others


def test_two_sources_are_enough() -> None:
    assert _choose_others([video("a", "x"), video("b", "x"), video("c", "y")])[:2] == ["/v/c.mp4", "/v/c.mp4"]


def test_about_15_percent_of_the_sources_are_held_out_and_always_the_same() -> None:
    held_out = [_make_video(row(), f"source {number}").is_held_out for number in range(1000)]
    assert 120 < sum(held_out) < 180
    assert held_out == [_make_video(row("another"), f"source {number}").is_held_out for number in range(1000)]


@pytest.mark.parametrize("is_held_out", [True, False])
def test_a_condition_overrides_the_hash(is_held_out: bool) -> None:
    made = [_make_video(row(is_held_out=is_held_out), f"source {number}") for number in range(20)]
    assert {video.is_held_out for video in made} == {is_held_out}
    assert made[0] == TrainingVideo("v", "/v/v.mp4", "source 0", is_held_out)
