"""Takes: which videos they are cut from, and the labels of their pairs. tests/spark has the tests that need Spark."""

from __future__ import annotations

import pandas as pd
import pytest

from jobs.training.augmentations import TrainingVideo
from jobs.training.takes import Takes, choose_parents


def make_takes(*copies: str, same: str = "", **source_of: str) -> Takes:
    """Copies like `a1x`: copy x of part 1 of the video a. Parts of the videos in `same` look the same."""
    rows = [
        (name, name[0], source_of.get(name[0], name[0]), int(name[1]), 0, [1, 2] if name[0] in same else [])
        for name in copies
    ]
    columns = ["video_id", "parent_id", "source", "part", "copy_index", "same_parts"]
    return Takes(pd.DataFrame(rows, columns=columns), source_of=source_of)


def video(video_id: str, source: str, seconds: float) -> TrainingVideo:
    return TrainingVideo(video_id, f"/v/{video_id}.mp4", source, duration_seconds=seconds)


def list_rows(table: pd.DataFrame) -> dict[str, str]:
    pairs = table[["left_id", "right_id", "relation"]].itertuples(index=False, name=None)
    return {f"{left} {right}": relation for left, right, relation in pairs}


def test_copies_of_one_part_are_copies_and_those_of_two_parts_are_takes() -> None:
    assert list_rows(make_takes("a1x", "a1y", "a2x", "b1x").list_pairs()) == {
        "a1x a1y": "copy",
        "a1x a2x": "take",
        "a1y a2x": "take",
    }


def test_copies_of_parts_that_look_the_same_are_ignored() -> None:
    assert list_rows(make_takes("a1x", "a2x", same="a").list_pairs()) == {"a1x a2x": "ignore"}


def test_a_copy_is_a_part_of_its_video_and_ignored_with_other_videos_of_its_source() -> None:
    takes = make_takes("a1x", "a2x", a="s", b="s", c="t")
    assert list_rows(takes.list_relations("abc")) == {
        "a a1x": "partial",
        "a1x b": "ignore",
        "a a2x": "partial",
        "a2x b": "ignore",
    }


def test_takes_share_no_footage_and_are_not_listed() -> None:
    takes = make_takes("a1x", "a1y", "a2x", same="", a="s")
    assert list_rows(takes.list_relations("")) == {"a1x a1y": "copy"}


def test_the_longest_video_of_each_source_is_cut_if_it_lasts_9_s() -> None:
    videos = [video("a", "s", 9.0), video("b", "s", 20.0), video("c", "t", 8.9), video("d", "u", 9.0)]
    assert [parent.video_id for parent in choose_parents(videos, 9)] == ["b", "d"]


def test_a_limit_selects_the_same_videos_whatever_their_order() -> None:
    videos = [video(f"v{number}", f"s{number}", 10.0 + number) for number in range(20)]
    chosen = choose_parents(videos, 5)
    assert len(chosen) == 5
    assert choose_parents(videos[::-1], 5) == chosen[::-1]
    assert set(chosen) < set(choose_parents(videos, 6))


@pytest.mark.parametrize("takes", [Takes.none(), make_takes()])
def test_no_takes_have_no_pairs(takes: Takes) -> None:
    assert (takes.num_parts, takes.num_sources, takes.is_empty) == (0, 0, True)
    assert takes.list_pairs().empty
    assert takes.list_relations(["v"]).empty


def test_a_summary_counts_parts_sources_and_copies() -> None:
    assert make_takes("a1x", "a1y", "a2x", "b1x", "b2x").describe() == "4 takes of 2 sources, 5 copies"
