from __future__ import annotations

import pandas as pd

from jobs.training.footage import connect_footage


def connect(video_ids: str, *pairs: str) -> dict[str, int]:
    """Number the groups of videos with ids of one letter; a pair is a text of two ids."""
    truth = pd.DataFrame([list(pair) for pair in pairs], columns=["left_id", "right_id"])
    return dict(connect_footage(list(video_ids), truth))


def test_pairs_of_the_truth_are_in_one_group() -> None:
    assert connect("abcd", "ab", "cd") == {"a": 0, "b": 0, "c": 1, "d": 1}


def test_two_parts_of_one_clip_are_in_its_group() -> None:
    """The clip contains both parts, which share no footage."""
    assert connect("abcd", "ab", "ac") == {"a": 0, "b": 0, "c": 0, "d": 1}


def test_videos_outside_of_the_truth_have_groups_of_their_own() -> None:
    assert connect("abc") == {"a": 0, "b": 1, "c": 2}


def test_the_side_of_a_video_and_repeated_pairs_do_not_matter() -> None:
    assert connect("abc", "ba", "ab", "ba") == {"a": 0, "b": 0, "c": 1}


def test_pairs_with_other_videos_are_left_out() -> None:
    assert connect("ab", "az", "zb") == {"a": 0, "b": 1}
