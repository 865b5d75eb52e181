"""Any two vectors that share a probed cell are compared once, whatever the size of cells and blocks."""

from __future__ import annotations

from collections import Counter, defaultdict

import faiss
import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from udfs.searching.cell_groups import make_cell_assigner
from udfs.searching.cells import CellPlan, assign_cells, balance_groups, plan_cells, train_centroids
from udfs.searching.codes import CodedRows, decode, make_encoder
from udfs.searching.groups import ChunkRole, make_group_searcher

DIM = 8
faiss.omp_set_num_threads(1)  # starting a second thread takes longer than the work


def draw_vectors(count: int, seed: int) -> np.ndarray:
    """Draw unit vectors. Half of them are close together, so that one cell has to be split."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, DIM))
    vectors[::2] = vectors[0] + rng.normal(scale=0.05, size=vectors[::2].shape)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def encode(vectors: np.ndarray, num_cells: int, num_probes: int) -> pa.Table:
    """Return the codes of vectors in trained cells, with a number that spreads them over blocks."""
    count = len(vectors)
    values = pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * DIM), pa.array(vectors.ravel()))
    columns = [pa.array([f"v{number:03}" for number in range(count)]), pa.array(np.arange(count) * 7919 % 1009), values]
    batch = pa.RecordBatch.from_arrays(columns, ["video_id", "spread", "vector"])
    centroids = train_centroids(vectors, num_cells, 0)
    return pa.Table.from_batches(make_encoder(centroids, min(num_probes, num_cells))(iter([batch])))


def plan(coded: pa.Table, num_cells: int, block_rows: int) -> CellPlan:
    probes = CodedRows.read(coded).probes
    stored, querying = (np.bincount(p.ravel(), minlength=num_cells) for p in (probes[:, 0], probes[:, 1:]))
    return plan_cells(stored, querying, block_rows=block_rows, min_tasks=3)


def assign(coded: pa.Table, num_cells: int, block_rows: int) -> list[pa.RecordBatch]:
    return list(make_cell_assigner(plan(coded, num_cells, block_rows))(iter(coded.to_batches())))


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
    coded = encode(draw_vectors(count, seed), num_cells, num_probes)
    nearest = CodedRows.read(coded).probes
    expected: Counter[frozenset[str]] = Counter()
    for i in range(count):
        for j in range(count):
            is_probe = i != j and nearest[j, 0] in nearest[i, 1:]
            is_same_cell = i < j and nearest[i, 0] == nearest[j, 0]
            expected[frozenset((f"v{i:03}", f"v{j:03}"))] += int(is_probe) + int(is_same_cell)
    compared: Counter[frozenset[str]] = Counter()
    for pair, times in count_comparisons(assign(coded, num_cells, block_rows)).items():
        compared[frozenset(pair)] += times
    assert +compared == +expected


@given(st.integers(2, 40), st.integers(1, 50), st.integers(0, 99))
def test_the_groups_of_all_cells_find_the_same_pairs_as_a_full_comparison(
    count: int, block_rows: int, seed: int
) -> None:
    coded = encode(draw_vectors(count, seed), 2, 2)
    vectors = decode(CodedRows.read(coded).codes)
    found = {}
    for batch in make_group_searcher(0.6, is_coded=True)(iter(assign(coded, 2, block_rows))):
        found |= {(row["left_id"], row["right_id"]): row["cosine_similarity"] for row in batch.to_pylist()}
    similarity = np.round(vectors.astype(float) @ vectors.T.astype(float), 6)
    assert found == {
        (f"v{i:03}", f"v{j:03}"): min(1.0, similarity[i, j])
        for i in range(count)
        for j in range(i + 1, count)
        if similarity[i, j] >= 0.6
    }


@given(st.integers(4, 40), st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_the_cells_of_a_row_do_not_depend_on_the_rows_beside_it(
    count: int, num_cells: int, num_probes: int, seed: int
) -> None:
    vectors = draw_vectors(count, seed)
    num_cells = min(num_cells, count)
    centroids = train_centroids(vectors, num_cells, 0)
    num_probes = min(num_probes, num_cells)
    together = assign_cells(centroids, vectors, num_probes)
    alone = np.concatenate([assign_cells(centroids, row[None], num_probes) for row in vectors])
    assert (together == alone).all()
    exact = vectors.astype(float) @ centroids.T.astype(float)
    assert (np.take_along_axis(exact, together[:, :1], 1)[:, 0] >= exact.max(axis=1) - 1e-12).all()


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.integers(1, 8))
def test_no_task_exceeds_its_share_by_more_than_one_group(costs: list[float], num_tasks: int) -> None:
    tasks = balance_groups(np.array(costs), num_tasks)
    loads = np.bincount(tasks, weights=costs, minlength=num_tasks)
    assert len(loads) == num_tasks
    assert loads.max() <= sum(costs) / num_tasks + max(costs) + 1e-9
