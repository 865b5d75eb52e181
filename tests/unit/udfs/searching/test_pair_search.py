from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from udfs.searching.chunks import Chunk
from udfs.searching.pair_search import search_block_pair, search_videos

EAST, NORTH, NORTH_EAST = [1.0, 0.0], [0.0, 1.0], [0.8, 0.6]


def vectors(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def chunk(*rows: tuple[str, list[float]]) -> Chunk:
    return Chunk(pa.array([video_id for video_id, _ in rows]), vectors(*[vector for _, vector in rows]))


def search(stored: Chunk, threshold: float, queries: Chunk | None = None) -> list[tuple[str, str, float]]:
    """Search a block for pairs within it or, with queries, for pairs with the queries."""
    found = search_videos(stored, queries, threshold, self_join=queries is None)
    return [] if found is None else sorted(tuple(row.values()) for row in found.to_pylist())


def test_pairs_at_the_threshold_are_found_and_those_below_are_not() -> None:
    rows, found, similarities = search_block_pair(vectors(EAST, NORTH), vectors(NORTH_EAST), 0.8)
    assert (rows.tolist(), found.tolist(), similarities.tolist()) == ([0], [0], [0.8])


def test_the_threshold_is_exact_to_six_decimals() -> None:
    rows, _, _ = search_block_pair(vectors(EAST), vectors(NORTH_EAST), 0.800002)
    assert rows.tolist() == []


@pytest.mark.parametrize(("threshold", "count"), [(-1.0, 4), (1.0, 2)])
def test_the_threshold_may_be_at_either_end_of_the_range(threshold: float, count: int) -> None:
    both = vectors(EAST, [-1.0, 0.0])
    assert len(search_block_pair(both, both, threshold)[0]) == count


def test_a_similarity_is_never_above_one() -> None:
    vector = vectors([0.6000001, 0.8000001])
    assert search_block_pair(vector, vector, 0.9)[2].tolist() == [1.0]


def test_each_pair_within_a_block_is_found_once_with_the_smaller_id_first() -> None:
    assert search(chunk(("b", EAST), ("a", EAST), ("c", NORTH)), 0.9) == [("a", "b", 1.0)]


def test_a_search_between_two_blocks_returns_no_pairs_within_a_block() -> None:
    stored, queries = chunk(("d", EAST), ("a", EAST)), chunk(("c", NORTH_EAST))
    assert search(stored, 0.7, queries) == [("a", "c", 0.8), ("c", "d", 0.8)]


def test_one_search_may_compare_stored_rows_with_queries_and_with_one_another() -> None:
    stored, queries = chunk(("d", EAST), ("a", EAST)), chunk(("c", NORTH_EAST), ("b", NORTH_EAST))
    found = search_videos(stored, queries, 0.7, self_join=True)
    assert found is not None
    assert [(row["left_id"], row["right_id"]) for row in found.to_pylist()] == [
        ("a", "b"),
        ("a", "c"),
        ("a", "d"),
        ("b", "d"),
        ("c", "d"),
    ]


def test_one_video_alone_has_no_pairs() -> None:
    assert search(chunk(("a", EAST)), -1.0) == []


def test_two_videos_are_one_pair_with_the_similarity_of_their_most_similar_segments() -> None:
    rows = chunk(("a", NORTH), ("a", NORTH_EAST), ("b", EAST), ("b", [0.6, 0.8]))
    # The segments of a have similarities 0 and .8 to the first segment of b, and .8 and .96 to the second.
    assert search(rows, 0.5) == [("a", "b", 0.96)]


def test_segments_of_one_video_are_not_a_pair() -> None:
    assert search(chunk(("a", EAST), ("a", EAST), ("a", NORTH)), 0.0) == []


def test_segments_in_two_blocks_are_one_pair() -> None:
    one, other = chunk(("a", EAST), ("a", NORTH_EAST)), chunk(("b", NORTH_EAST), ("b", NORTH))
    assert search(other, 0.5, one) == [("a", "b", 1.0)]


def test_long_videos_whose_segments_are_all_similar_are_one_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udfs.searching.pair_search._PRODUCTS_PER_BATCH", 1000)
    monkeypatch.setattr("udfs.searching.pair_search._MAX_LEAF_ROWS", 100)
    monkeypatch.setattr("udfs.searching.pair_search._MAX_PAIRS_PER_SEARCH", 1000)
    monkeypatch.setattr("udfs.searching.pair_search._MIN_ROWS_PER_SEARCH", 7)
    segments = [(video_id, [1.0, 0.0]) for video_id in "ab" for _ in range(400)]
    segments[700] = ("b", [0.8, 0.6])
    assert search(chunk(*segments, ("c", NORTH_EAST)), 0.7) == [
        ("a", "b", 1.0),
        ("a", "c", 0.8),
        ("b", "c", 1.0),
    ]
