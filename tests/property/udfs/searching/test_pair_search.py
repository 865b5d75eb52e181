from __future__ import annotations

from typing import TYPE_CHECKING

import faiss
import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from udfs.searching.chunks import Chunk
from udfs.searching.pair_search import search_block_pair, search_videos
from udfs.searching.range_search import range_search_by_knn

if TYPE_CHECKING:
    from udfs.searching.range_search import KnnSearch

THRESHOLDS = st.sampled_from([-1.0, -0.2, 0.0, 0.3, 0.7, 0.95])


def unit_vectors(count: int, seed: int) -> np.ndarray:
    """Draw unit vectors of 6 dimensions; some are equal or close to each other."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 6))
    vectors[1::3] = vectors[: len(vectors[1::3])] + rng.normal(scale=0.1, size=vectors[1::3].shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def all_pairs(left: np.ndarray, right: np.ndarray, threshold: float) -> set[tuple[int, int]]:
    similarity = np.round(left.astype(np.float64) @ right.T.astype(np.float64), 6)
    return {(i, j) for i in range(len(left)) for j in range(len(right)) if similarity[i, j] >= threshold}


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 999), THRESHOLDS)
def test_the_search_finds_the_same_pairs_as_a_full_comparison(n: int, m: int, seed: int, threshold: float) -> None:
    left, right = unit_vectors(n, seed), unit_vectors(m, seed + 1)
    rows, found, similarities = search_block_pair(left, right, threshold)
    assert set(zip(rows.tolist(), found.tolist(), strict=True)) == all_pairs(left, right, threshold)
    assert len(rows) == len(set(zip(rows.tolist(), found.tolist(), strict=True)))
    assert (similarities >= threshold).all()


@given(st.integers(2, 14), st.integers(1, 4), st.integers(0, 999), THRESHOLDS, st.randoms(use_true_random=False))
def test_pairs_and_similarities_do_not_depend_on_the_blocks(
    n: int, num_blocks: int, seed: int, threshold: float, random: object
) -> None:
    vectors = unit_vectors(n, seed)
    video_of = np.array([random.randrange(n) for _ in range(n)])  # type: ignore[attr-defined]
    block_of = np.array([random.randrange(num_blocks) for _ in range(n)])[video_of]  # type: ignore[attr-defined]
    ids = np.array([f"v{video:02}" for video in video_of])
    chunks = [Chunk(pa.array(ids[block_of == block]), vectors[block_of == block]) for block in range(num_blocks)]
    found: list[dict[str, object]] = []
    for left in range(num_blocks):
        for right in range(left, num_blocks):
            is_one = left == right
            batch = (
                search_videos(chunks[right], None if is_one else chunks[left], threshold, self_join=is_one)
                if len(chunks[left]) and len(chunks[right])
                else None
            )
            found += batch.to_pylist() if batch is not None else []
    expected: dict[tuple[str, str], float] = {}
    for i, j in all_pairs(vectors, vectors, threshold):
        if ids[i] < ids[j]:
            similarity = round(float(vectors[i].astype(float) @ vectors[j].astype(float)), 6)
            pair = (str(ids[i]), str(ids[j]))
            expected[pair] = max(expected.get(pair, -1.0), min(1.0, similarity))
    assert len(found) == len(expected)
    assert {(row["left_id"], row["right_id"]): row["cosine_similarity"] for row in found} == expected


def open_knn_on_cpu(rows: np.ndarray) -> KnnSearch:
    """Index rows for k-NN search, which is all that a GPU supports."""
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return index.search  # type: ignore[no-any-return]


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 999), THRESHOLDS, st.integers(1, 5))
def test_knn_search_finds_the_same_pairs_as_a_range_search_for_any_maximum_k(
    n: int, m: int, seed: int, threshold: float, max_k: int
) -> None:
    queries, rows = unit_vectors(n, seed), unit_vectors(m, seed + 1)
    rows[m // 2 :] = rows[0]  # many equal neighbours
    one, other = range_search_by_knn(open_knn_on_cpu, rows, queries, threshold, max_k)
    index = faiss.IndexFlatIP(6)
    index.add(rows)
    limits, _, expected = index.range_search(queries, np.nextafter(np.float32(threshold), np.float32(-2)))
    pairs = list(zip(one.tolist(), other.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == set(
        zip(np.repeat(np.arange(n), np.diff(limits).astype(int)).tolist(), expected.tolist(), strict=True)
    )
