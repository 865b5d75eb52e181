"""Which views are pairs, and who is shown beside whom; choosing and describing need Spark: tests/spark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobs.training.augmentations import LakeViews, TrainingVideo, _choose_others, _make_video
from models.training import ViewSet

if TYPE_CHECKING:
    from collections.abc import Sequence


def lake_views(sources: Sequence[str], others: Sequence[str], num_views: int = 2) -> LakeViews:
    """One frame of each video, and views that say which video and which view they are."""
    number = len(sources)
    descriptors = np.zeros((number, num_views, 2), np.float16)
    descriptors[..., 0], descriptors[..., 1] = np.arange(number)[:, None], np.arange(num_views)
    _, numbers = np.unique(list(sources), return_inverse=True)
    return LakeViews(
        ViewSet(descriptors, np.arange(number), numbers.astype(np.int64)),
        tuple(f"v{place}" for place in range(number)),
        tuple(sources),
        tuple(others),
        np.arange(number) % 2 == 1,
        tuple((("crop",),) * (num_views - 1) for _ in range(number)),
        "fingerprint",
    )


def pair_up(sources: Sequence[str], others: Sequence[str]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the pairs that are copies and those that are not."""
    left, right, is_copy = lake_views(sources, others).pair_up()
    pairs = list(zip(left.tolist(), right.tolist(), strict=True))
    copies = [pair for pair, same in zip(pairs, is_copy, strict=True) if same]
    return copies, [pair for pair in pairs if pair not in copies]


def video(video_id: str, source: str) -> TrainingVideo:
    return TrainingVideo(video_id, f"/v/{video_id}.mp4", source)


def row(video_id: str = "v", is_held_out: bool | None = None) -> Any:
    return {"video_id": video_id, "uri": f"/v/{video_id}.mp4", "is_held_out": is_held_out}


def test_views_of_one_video_are_copies_and_those_of_other_sources_are_not() -> None:
    copies, strangers = pair_up("xy", ["", ""])
    assert copies == [(0, 1), (2, 3)]
    assert strangers == [(0, 2), (0, 3), (1, 2), (1, 3)]


def test_other_videos_of_one_source_are_neither() -> None:
    copies, strangers = pair_up("xx", ["", ""])
    assert copies == [(0, 1), (2, 3)]
    assert strangers == []


def test_a_video_is_no_stranger_to_the_footage_that_its_views_show_beside_their_own() -> None:
    # v0 shows y, which v1 is; v1 shows z, which v2 is; v0 and v2 have nothing to do with one another
    copies, strangers = pair_up("xyz", "yz?")
    assert copies == [(0, 1), (2, 3), (4, 5)]
    assert strangers == [(0, 4), (0, 5), (1, 4), (1, 5)]
    assert pair_up("xyz", "?xy")[1] == strangers


def test_selecting_keeps_everything_of_the_videos_taken() -> None:
    views = lake_views("xyz", "yzx").select(np.array([True, False, True]))
    assert views.video_ids == ("v0", "v2")
    assert (views.source_names, views.other_names) == (("x", "z"), ("y", "x"))
    assert views.views.descriptors[:, 0, 0].tolist() == [0, 2]
    assert views.views.videos.tolist() == [0, 1]
    assert views.is_held_out.tolist() == [False, False]
    assert views.edits == ((("crop",),), (("crop",),))
    assert views.fingerprint == "fingerprint"


def test_every_video_gets_another_of_other_footage_whatever_the_order() -> None:
    videos = [video(f"v{number}", "abc"[number % 3]) for number in range(12)]
    others = _choose_others(videos)
    source_of = {video.uri: video.source for video in videos}
    assert all(source_of[other] != video.source for video, other in zip(videos, others, strict=True))
    assert len(set(others)) > 6
    turned = _choose_others(videos[::-1])
    assert turned[::-1] == others


def test_two_sources_are_enough_for_others() -> None:
    assert _choose_others([video("a", "x"), video("b", "x"), video("c", "y")])[:2] == ["/v/c.mp4", "/v/c.mp4"]


def test_about_15_percent_of_the_sources_are_held_out_always_the_same() -> None:
    held_out = [_make_video(row(), f"source {number}").is_held_out for number in range(1000)]
    assert 120 < sum(held_out) < 180
    assert held_out == [_make_video(row("another"), f"source {number}").is_held_out for number in range(1000)]


@pytest.mark.parametrize("is_held_out", [True, False])
def test_a_condition_wins_over_the_hash(is_held_out: bool) -> None:
    made = [_make_video(row(is_held_out=is_held_out), f"source {number}") for number in range(20)]
    assert {video.is_held_out for video in made} == {is_held_out}
    assert made[0] == TrainingVideo("v", "/v/v.mp4", "source 0", is_held_out)
