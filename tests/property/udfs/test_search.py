from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from udfs.search import block_pair_searcher, search_block_pair

THRESHOLDS = st.sampled_from([-1.0, -0.2, 0.0, 0.3, 0.7, 0.95])


def unit_vectors(count: int, seed: int) -> np.ndarray:
    """Draw unit vectors of 6 dimensions of which some are equal or close."""
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(count, 6))
    vectors[1::3] = vectors[: len(vectors[1::3])] + chance.normal(scale=0.1, size=vectors[1::3].shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def all_pairs(left: np.ndarray, right: np.ndarray, threshold: float) -> set[tuple[int, int]]:
    similarity = np.round(left.astype(np.float64) @ right.T.astype(np.float64), 6)
    return {(i, j) for i in range(len(left)) for j in range(len(right)) if similarity[i, j] >= threshold}


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 999), THRESHOLDS)
def test_the_search_finds_what_comparing_all_with_all_finds(n: int, m: int, seed: int, threshold: float) -> None:
    left, right = unit_vectors(n, seed), unit_vectors(m, seed + 1)
    rows, found, similarities = search_block_pair(left, right, threshold)
    assert set(zip(rows.tolist(), found.tolist(), strict=True)) == all_pairs(left, right, threshold)
    assert len(rows) == len(set(zip(rows.tolist(), found.tolist(), strict=True)))
    assert (similarities >= threshold).all()


@given(st.integers(2, 14), st.integers(1, 4), st.integers(0, 999), THRESHOLDS, st.randoms(use_true_random=False))
def test_however_rows_are_blocked_each_pair_comes_once_and_with_one_similarity(
    n: int, num_blocks: int, seed: int, threshold: float, chance: object
) -> None:
    vectors = unit_vectors(n, seed)
    block_of = [chance.randrange(num_blocks) for _ in range(n)]  # type: ignore[attr-defined]
    rows = pd.DataFrame({"video_id": [f"v{i:02}" for i in range(n)], "block": block_of, "vector": list(vectors)})
    search = block_pair_searcher(threshold)
    found: list[tuple[str, str, float]] = []
    for left in range(num_blocks):
        for right in range(left, num_blocks):
            group = rows[rows["block"].isin([left, right])].assign(left_block=left, right_block=right)
            found += search(group).itertuples(index=False, name=None)
    whole = search(rows.assign(block=0, left_block=0, right_block=0)).itertuples(index=False, name=None)
    assert sorted(found) == sorted(whole)
    assert {(a, b) for a, b, _ in found} == {
        (f"v{i:02}", f"v{j:02}") for i, j in all_pairs(vectors, vectors, threshold) if i < j
    }
