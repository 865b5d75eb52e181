from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from udfs.searching.chunks import Chunk
from udfs.searching.search import search_block_pair, search_videos

EAST, NORTH, NORTH_EAST = [1.0, 0.0], [0.0, 1.0], [0.8, 0.6]


def vectors(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def chunk(*rows: tuple[str, list[float]]) -> Chunk:
    return Chunk(pa.array([video_id for video_id, _ in rows]), vectors(*[vector for _, vector in rows]))


def found_in(stored: Chunk, threshold: float, queries: Chunk | None = None) -> list[tuple[str, str, float]]:
    """Search one block in itself, or, where there are queries, these in it."""
    found = search_videos(stored, queries, threshold, meet_one_another=queries is None)
    return [] if found is None else sorted(tuple(row.values()) for row in found.to_pylist())


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
    assert found_in(chunk(("b", EAST), ("a", EAST), ("c", NORTH)), 0.9) == [("a", "b", 1.0)]


def test_between_two_blocks_pairs_within_one_of_them_are_left_to_its_own_group() -> None:
    stored, queries = chunk(("d", EAST), ("a", EAST)), chunk(("c", NORTH_EAST))
    assert found_in(stored, 0.7, queries) == [("a", "c", 0.8), ("c", "d", 0.8)]


def test_queries_and_the_stored_may_meet_in_one_search() -> None:
    stored, queries = chunk(("d", EAST), ("a", EAST)), chunk(("c", NORTH_EAST), ("b", NORTH_EAST))
    found = search_videos(stored, queries, 0.7, meet_one_another=True)
    assert found is not None
    assert [(row["left_id"], row["right_id"]) for row in found.to_pylist()] == [
        ("a", "b"),
        ("a", "c"),
        ("a", "d"),
        ("b", "d"),
        ("c", "d"),
    ]


def test_one_video_alone_has_no_pairs() -> None:
    assert found_in(chunk(("a", EAST)), -1.0) == []


def test_two_videos_are_a_pair_once_by_their_most_similar_segments() -> None:
    rows = chunk(("a", NORTH), ("a", NORTH_EAST), ("b", EAST), ("b", [0.6, 0.8]))
    # .8 and .6 of a's segments with b's first one, .8 and .96 with its second
    assert found_in(rows, 0.5) == [("a", "b", 0.96)]


def test_the_segments_of_one_video_are_no_pair() -> None:
    assert found_in(chunk(("a", EAST), ("a", EAST), ("a", NORTH)), 0.0) == []


def test_segments_of_two_blocks_are_a_pair_once_too() -> None:
    one, other = chunk(("a", EAST), ("a", NORTH_EAST)), chunk(("b", NORTH_EAST), ("b", NORTH))
    assert found_in(other, 0.5, one) == [("a", "b", 1.0)]


def test_long_videos_whose_segments_all_meet_are_one_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udfs.searching.search._PRODUCTS_AT_ONCE", 1000)
    monkeypatch.setattr("udfs.searching.search._MAX_LEAF_ROWS", 100)
    monkeypatch.setattr("udfs.searching.search._MET_AT_ONCE", 1000)
    monkeypatch.setattr("udfs.searching.search._MIN_ROWS_AT_ONCE", 7)
    segments = [(video_id, [1.0, 0.0]) for video_id in "ab" for _ in range(400)]
    segments[700] = ("b", [0.8, 0.6])
    assert found_in(chunk(*segments, ("c", NORTH_EAST)), 0.7) == [
        ("a", "b", 1.0),
        ("a", "c", 0.8),
        ("b", "c", 1.0),
    ]
