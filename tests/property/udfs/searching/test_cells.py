"""Any two vectors that share a probed cell are compared once, whatever the size of cells and blocks."""

from __future__ import annotations

from collections import Counter, defaultdict

import faiss
import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from udfs.searching.cells import CellPlan, balance_groups, find_cells, make_cell_assigner, plan_cells, train_centroids
from udfs.searching.groups import ChunkRole, make_group_searcher

DIM = 8
faiss.omp_set_num_threads(1)  # starting a second thread takes longer than the work


def draw_vectors(count: int, seed: int) -> np.ndarray:
    """Draw unit vectors. Half of them are close together, so that one cell has to be split."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, DIM))
    vectors[::2] = vectors[0] + rng.normal(scale=0.05, size=vectors[::2].shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def plan(vectors: np.ndarray, num_cells: int, num_probes: int, block_rows: int) -> CellPlan:
    centroids = train_centroids(vectors, num_cells, 0)
    nearest = find_cells(centroids, vectors, min(num_probes, num_cells))
    return plan_cells(centroids, nearest, num_rows=len(vectors), block_rows=block_rows, min_tasks=3)


def assign(vectors: np.ndarray, cells: CellPlan) -> list[pa.RecordBatch]:
    count = len(vectors)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([f"v{number:03}" for number in range(count)]),
            pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * DIM), pa.array(vectors.ravel())),
            pa.array(np.arange(count) * 7919 % 1009),
        ],
        ["video_id", "vector", "spread"],
    )
    return list(make_cell_assigner(cells)(iter([batch])))


def count_comparisons(batches: list[pa.RecordBatch]) -> Counter[tuple[str, str]]:
    """Count how often any two rows are compared: (stored, query), or two stored rows with the smaller first."""
    groups: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for batch in batches:
        for row in batch.to_pylist():
            groups[row["group"]][row["role"]] += row["video_ids"]
    comparisons: Counter[tuple[str, str]] = Counter()
    for roles in groups.values():
        members, stored = sorted(roles[ChunkRole.SELF_JOINED]), roles[ChunkRole.STORED] + roles[ChunkRole.SELF_JOINED]
        comparisons.update((one, other) for place, one in enumerate(members) for other in members[place + 1 :])
        comparisons.update((one, other) for one in stored for other in roles[ChunkRole.QUERY])
    return comparisons


@given(st.integers(4, 40), st.integers(1, 4), st.integers(1, 3), st.integers(1, 50), st.integers(0, 99))
def test_each_vector_is_compared_once_with_the_vectors_of_its_probed_cells(
    count: int, num_cells: int, num_probes: int, block_rows: int, seed: int
) -> None:
    vectors = draw_vectors(count, seed)
    cells = plan(vectors, num_cells, num_probes, block_rows)
    nearest = np.argsort(-(vectors @ cells.centroids.T), axis=1, kind="stable")[:, : cells.num_probes]
    expected: Counter[frozenset[str]] = Counter()
    for i in range(count):
        for j in range(count):
            is_probe = i != j and nearest[j, 0] in nearest[i, 1:]
            is_same_cell = i < j and nearest[i, 0] == nearest[j, 0]
            expected[frozenset((f"v{i:03}", f"v{j:03}"))] += int(is_probe) + int(is_same_cell)
    compared: Counter[frozenset[str]] = Counter()
    for pair, times in count_comparisons(assign(vectors, cells)).items():
        compared[frozenset(pair)] += times
    assert +compared == +expected


@given(st.integers(2, 40), st.integers(1, 50), st.integers(0, 99))
def test_the_groups_of_all_cells_find_the_same_pairs_as_a_full_comparison(
    count: int, block_rows: int, seed: int
) -> None:
    vectors = draw_vectors(count, seed)
    cells = plan(vectors, 2, 2, block_rows)
    found = {}
    for batch in make_group_searcher(0.6)(iter(assign(vectors, cells))):
        found |= {(row["left_id"], row["right_id"]): row["cosine_similarity"] for row in batch.to_pylist()}
    similarity = np.round(vectors.astype(float) @ vectors.T.astype(float), 6)
    assert found == {
        (f"v{i:03}", f"v{j:03}"): min(1.0, similarity[i, j])
        for i in range(count)
        for j in range(i + 1, count)
        if similarity[i, j] >= 0.6
    }


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.integers(1, 8))
def test_no_task_exceeds_its_share_by_more_than_one_group(costs: list[float], num_tasks: int) -> None:
    tasks = balance_groups(np.array(costs), num_tasks)
    loads = np.bincount(tasks, weights=costs, minlength=num_tasks)
    assert len(loads) == num_tasks
    assert loads.max() <= sum(costs) / num_tasks + max(costs) + 1e-9
