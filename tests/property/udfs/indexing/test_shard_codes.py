"""A shard with codes finds what the rule of the cells compares, and nothing that is not similar."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from udfs.indexing.shard_codes import ShardCodes, VideoVectors, write_codes
from udfs.searching.cells import Cells, assign_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIM = 16


def draw(count: int, seed: int) -> NDArray[np.float32]:
    """Draw unit vectors around a few directions, so that many are similar."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((4, DIM))[rng.integers(0, 4, count)] + 0.7 * rng.standard_normal((count, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=60)
@given(
    count=st.integers(1, 300),
    num_queries=st.integers(1, 9),
    num_cells=st.integers(1, 12),
    num_probes=st.integers(1, 4),
    threshold=st.floats(-0.2, 0.95),
    seed=st.integers(0, 999),
)
def test_the_search_finds_the_similar_segments_that_the_rule_of_the_cells_compares(
    count: int, num_queries: int, num_cells: int, num_probes: int, threshold: float, seed: int
) -> None:
    stored, queries = draw(count, seed), draw(num_queries, seed + 1)
    cells = Cells(draw(num_cells, seed + 2), min(num_probes, num_cells), margin=0.02, version=3)
    with tempfile.TemporaryDirectory() as folder:
        write_codes(Path(folder), stored, cells)
        codes = ShardCodes.open(Path(folder))
        assert codes is not None
        found = codes.search(VideoVectors(queries), threshold)
    assert (codes.cells.version, codes.cells.num_probes, codes.cells.margin) == (3, cells.num_probes, 0.02)
    similarities = stored.astype(float) @ queries.T.astype(float)
    mine = assign_cells(cells.centroids, stored, cells.num_probes)
    asked = assign_cells(cells.centroids, queries, cells.num_probes)
    is_near = (mine[:, :1, None] == asked.T[None]).any(axis=1) | (mine[:, :, None] == asked.T[None, :1]).any(axis=1)
    wanted = np.flatnonzero((is_near & (similarities >= threshold)).any(axis=1))
    assert found.tolist() == sorted(set(found.tolist()))
    assert set(wanted.tolist()) <= set(found.tolist())
    assert (similarities[found].max(axis=1) >= threshold - 2 * cells.margin).all()


def test_a_shard_without_cells_has_no_codes(tmp_path: Path) -> None:
    assert ShardCodes.open(tmp_path) is None
