from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from udfs.search import block_pair_searcher, search_block_pair

EAST, NORTH, NORTH_EAST = [1.0, 0.0], [0.0, 1.0], [0.8, 0.6]


def vectors(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def block_rows(*rows: tuple[str, int, list[float]], left: int, right: int) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["video_id", "block", "vector"])
    frame["vector"] = [np.array(vector, dtype=np.float32) for vector in frame["vector"]]
    return frame.assign(left_block=left, right_block=right)


def found_in(rows: pd.DataFrame, threshold: float) -> list[tuple[str, str, float]]:
    return sorted(block_pair_searcher(threshold)(rows).itertuples(index=False, name=None))


def test_pairs_at_the_threshold_are_found_and_those_below_are_not() -> None:
    rows, found, similarities = search_block_pair(vectors(EAST, NORTH), vectors(NORTH_EAST), 0.8)
    assert (rows.tolist(), found.tolist(), similarities.tolist()) == ([0], [0], [0.8])


def test_the_threshold_is_held_to_the_sixth_decimal() -> None:
    rows, _, _ = search_block_pair(vectors(EAST), vectors(NORTH_EAST), 0.800002)
    assert rows.tolist() == []


@pytest.mark.parametrize(("threshold", "count"), [(-1.0, 4), (1.0, 2)])
def test_the_ends_of_the_range_are_thresholds_too(threshold: float, count: int) -> None:
    both = vectors(EAST, [-1.0, 0.0])
    assert len(search_block_pair(both, both, threshold)[0]) == count


def test_a_similarity_is_never_above_one() -> None:
    vector = vectors([0.6000001, 0.8000001])
    assert search_block_pair(vector, vector, 0.9)[2].tolist() == [1.0]


def test_within_a_block_each_pair_comes_once_with_the_smaller_id_first() -> None:
    rows = block_rows(("b", 0, EAST), ("a", 0, EAST), ("c", 0, NORTH), left=0, right=0)
    assert found_in(rows, 0.9) == [("a", "b", 1.0)]


def test_between_two_blocks_pairs_within_one_of_them_are_left_to_its_own_group() -> None:
    rows = block_rows(("d", 1, EAST), ("a", 1, EAST), ("c", 2, NORTH_EAST), left=1, right=2)
    assert found_in(rows, 0.7) == [("a", "c", 0.8), ("c", "d", 0.8)]


def test_a_pair_of_blocks_of_which_one_is_empty_has_no_pairs() -> None:
    assert found_in(block_rows(("a", 1, EAST), ("b", 1, EAST), left=0, right=1), 0.5) == []


def test_one_video_alone_has_no_pairs() -> None:
    assert found_in(block_rows(("a", 0, EAST), left=0, right=0), -1.0) == []


def test_no_pairs_still_have_columns_that_arrow_takes_as_text() -> None:
    found = block_pair_searcher(0.5)(block_rows(("a", 1, EAST), left=0, right=1))
    assert list(found.columns) == ["left_id", "right_id", "cosine_similarity"]
    assert found["left_id"].dtype == object


def test_two_videos_are_a_pair_once_by_their_most_similar_segments() -> None:
    rows = block_rows(("a", 0, NORTH), ("a", 0, NORTH_EAST), ("b", 0, EAST), ("b", 0, [0.6, 0.8]), left=0, right=0)
    # .8 and .6 of a's segments with b's first one, .8 and .96 with its second
    assert found_in(rows, 0.5) == [("a", "b", 0.96)]


def test_the_segments_of_one_video_are_no_pair() -> None:
    assert found_in(block_rows(("a", 0, EAST), ("a", 0, EAST), ("a", 0, NORTH), left=0, right=0), 0.0) == []


def test_segments_of_two_blocks_are_a_pair_once_too() -> None:
    rows = block_rows(("a", 1, EAST), ("a", 1, NORTH_EAST), ("b", 2, NORTH_EAST), ("b", 2, NORTH), left=1, right=2)
    assert found_in(rows, 0.5) == [("a", "b", 1.0)]


def test_only_segments_of_the_same_video_meeting_still_gives_columns_that_arrow_takes_as_text() -> None:
    found = block_pair_searcher(0.5)(block_rows(("a", 0, EAST), ("a", 0, EAST), left=0, right=0))
    assert (len(found), list(found.columns)) == (0, ["left_id", "right_id", "cosine_similarity"])
    assert found["left_id"].dtype == object


def test_long_videos_whose_segments_all_meet_are_one_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udfs.search._PRODUCTS_AT_ONCE", 1000)
    segments = [(video_id, 0, [1.0, 0.0]) for video_id in "ab" for _ in range(400)]
    segments[700] = ("b", 0, [0.8, 0.6])
    assert found_in(block_rows(*segments, ("c", 0, NORTH_EAST), left=0, right=0), 0.7) == [
        ("a", "b", 1.0),
        ("a", "c", 0.8),
        ("b", "c", 1.0),
    ]
