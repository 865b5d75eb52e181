"""However full cells are and however they are cut, each two vectors that should meet do so once."""

from __future__ import annotations

from collections import Counter, defaultdict

import faiss
import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from udfs.searching.cells import Cells, cell_assigner, find_cells, plan_cells, spread_evenly, train_centroids
from udfs.searching.groups import Role, group_searcher

DIM = 8
faiss.omp_set_num_threads(1)  # so little work is done before a second thread has woken up


def draw_vectors(count: int, seed: int) -> np.ndarray:
    """Draw unit vectors of which half lie close together, so that one cell is over-full."""
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(count, DIM))
    vectors[::2] = vectors[0] + chance.normal(scale=0.05, size=vectors[::2].shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def plan(vectors: np.ndarray, num_cells: int, num_probes: int, block_rows: int) -> Cells:
    centroids = train_centroids(vectors, num_cells, 0)
    nearest = find_cells(centroids, vectors, min(num_probes, num_cells))
    return plan_cells(centroids, nearest, num_rows=len(vectors), block_rows=block_rows, min_tasks=3)


def assign(vectors: np.ndarray, cells: Cells) -> list[pa.RecordBatch]:
    count = len(vectors)
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([f"v{number:03}" for number in range(count)]),
            pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * DIM), pa.array(vectors.ravel())),
            pa.array(np.arange(count) * 7919 % 1009),
        ],
        ["video_id", "vector", "spread"],
    )
    return list(cell_assigner(cells)(iter([batch])))


def count_meetings(batches: list[pa.RecordBatch]) -> Counter[tuple[str, str]]:
    """Count how often each two rows meet: (stored, looked up), or of two that are stored the smaller first."""
    groups: dict[int, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for batch in batches:
        for row in batch.to_pylist():
            groups[row["group"]][row["role"]] += row["video_ids"]
    meetings: Counter[tuple[str, str]] = Counter()
    for roles in groups.values():
        members, stored = sorted(roles[Role.MEMBER]), roles[Role.STORED] + roles[Role.MEMBER]
        meetings.update((one, other) for place, one in enumerate(members) for other in members[place + 1 :])
        meetings.update((one, other) for one in stored for other in roles[Role.QUERY])
    return meetings


@given(st.integers(4, 40), st.integers(1, 4), st.integers(1, 3), st.integers(1, 50), st.integers(0, 99))
def test_each_vector_meets_those_of_the_cells_it_is_looked_up_in_once(
    count: int, num_cells: int, num_probes: int, block_rows: int, seed: int
) -> None:
    vectors = draw_vectors(count, seed)
    cells = plan(vectors, num_cells, num_probes, block_rows)
    nearest = np.argsort(-(vectors @ cells.centroids.T), axis=1, kind="stable")[:, : cells.num_probes]
    expected: Counter[frozenset[str]] = Counter()
    for i in range(count):
        for j in range(count):
            is_visit = i != j and nearest[j, 0] in nearest[i, 1:]
            is_home = i < j and nearest[i, 0] == nearest[j, 0]
            expected[frozenset((f"v{i:03}", f"v{j:03}"))] += int(is_visit) + int(is_home)
    met: Counter[frozenset[str]] = Counter()
    for pair, times in count_meetings(assign(vectors, cells)).items():
        met[frozenset(pair)] += times
    assert +met == +expected


@given(st.integers(2, 40), st.integers(1, 50), st.integers(0, 99))
def test_the_groups_of_all_cells_find_what_comparing_all_with_all_finds(count: int, block_rows: int, seed: int) -> None:
    vectors = draw_vectors(count, seed)
    cells = plan(vectors, 2, 2, block_rows)
    found = {}
    for batch in group_searcher(0.6)(iter(assign(vectors, cells))):
        found |= {(row["left_id"], row["right_id"]): row["cosine_similarity"] for row in batch.to_pylist()}
    similarity = np.round(vectors.astype(float) @ vectors.T.astype(float), 6)
    assert found == {
        (f"v{i:03}", f"v{j:03}"): min(1.0, similarity[i, j])
        for i in range(count)
        for j in range(i + 1, count)
        if similarity[i, j] >= 0.6
    }


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.integers(1, 8))
def test_no_task_has_more_to_do_than_a_fair_share_and_one_group(costs: list[float], num_tasks: int) -> None:
    tasks = spread_evenly(np.array(costs), num_tasks)
    loads = np.bincount(tasks, weights=costs, minlength=num_tasks)
    assert len(loads) == num_tasks
    assert loads.max() <= sum(costs) / num_tasks + max(costs) + 1e-9
