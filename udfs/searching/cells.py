"""The cell join: compares only vectors that share a cell of a coarse quantiser (inverted file index, IVF)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from udfs.searching.chunks import read_batches, split_chunk
from udfs.searching.groups import ChunkRole
from udfs.searching.range_search import configure_faiss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from udfs.searching.chunks import Chunk

_NUM_ITERATIONS = 10
_ROW_COST = 2000
"""The cost of shuffling a row, in products of two vectors: about 10 microseconds against 5 nanoseconds."""


def train_centroids(sample: NDArray[np.float32], num_cells: int, seed: int) -> NDArray[np.float32]:
    """Train a coarse quantiser by the spherical k-means of FAISS.

    Args:
        sample: float32 (s, dim), unit norm, s >= num_cells.
        num_cells: number of cells.
        seed: of the initial centroids.

    Returns:
        float32 (num_cells, dim), unit norm; deterministic on one machine. Runs on: driver.
    """
    import faiss
    import numpy as np

    if num_cells == 1:
        return sample[:1].copy()
    kmeans = faiss.Kmeans(
        sample.shape[1],
        num_cells,
        niter=_NUM_ITERATIONS,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(sample),
    )
    kmeans.train(sample)
    return np.ascontiguousarray(kmeans.centroids)


def find_cells(centroids: NDArray[np.float32], vectors: NDArray[np.float32], num_probes: int) -> NDArray[np.int64]:
    """Return the numbers of the cells nearest to each vector: int64 (n, num_probes), the nearest first.

    Args:
        centroids: float32 (c, dim).
        vectors: float32 (n, dim), C-contiguous.
        num_probes: at most c.

    Runs on: driver and executor.
    """
    import faiss

    index = faiss.IndexFlatIP(centroids.shape[1])
    index.add(centroids)
    nearest: NDArray[np.int64] = index.search(vectors, num_probes)[1]
    return nearest


@dataclass(frozen=True)
class CellPlan:
    """The cells, and how each is split into groups of a bounded size.

    A vector is stored in its nearest cell and compared with the vectors that are stored in its `num_probes` nearest
    cells. So two vectors are compared unless neither's cell is among the other's nearest. A cell with more vectors than
    a block holds is split into blocks, and any two of its blocks form a group, as in the exact plan. The queries from
    other cells are split into blocks too.

    Attributes:
        centroids: float32 (c, dim), unit norm.
        num_probes: cells that a vector is compared in, including its own.
        num_blocks: int64 (c,), blocks of stored vectors in each cell, at least 1.
        num_query_blocks: int64 (c,), blocks of queries from other cells, at least 1.
        first_groups: int64 (c,), number of the first group of each cell.
        tasks: int64 (g,), the task of each group.
    """

    centroids: NDArray[np.float32]
    num_probes: int
    num_blocks: NDArray[np.int64]
    num_query_blocks: NDArray[np.int64]
    first_groups: NDArray[np.int64]
    tasks: NDArray[np.int64]

    @property
    def num_tasks(self) -> int:
        """The number of tasks."""
        return int(self.tasks.max()) + 1


def plan_cells(
    centroids: NDArray[np.float32],
    nearest: NDArray[np.int64],
    *,
    num_rows: int,
    block_rows: int,
    min_tasks: int,
) -> CellPlan:
    """Estimate the size of each cell from a sample, split the large ones, and distribute the groups over tasks.

    Args:
        centroids: float32 (c, dim).
        nearest: int64 (s, num_probes), the cells of a uniform sample of all rows: see `find_cells`.
        num_rows: number of all rows.
        block_rows: rows per block, approximately, because sizes are estimates.
        min_tasks: least number of tasks. There are more if a task would exceed two blocks and their queries.

    Runs on: driver.
    """
    import numpy as np

    scale = num_rows / len(nearest)
    count = len(centroids)
    stored = np.bincount(nearest[:, 0], minlength=count) * scale
    querying = np.bincount(nearest[:, 1:].ravel(), minlength=count) * scale
    num_blocks = np.maximum(1, np.ceil(stored / block_rows)).astype(np.int64)
    num_query_blocks = np.maximum(1, np.ceil(querying / block_rows)).astype(np.int64)
    num_groups = num_blocks * (num_blocks - 1) // 2 + num_blocks * num_query_blocks
    costs: list[float] = []
    sizes: list[float] = []
    for cell in range(count):
        blocks, query_blocks = int(num_blocks[cell]), int(num_query_blocks[cell])
        block, queries = stored[cell] / blocks, querying[cell] / query_blocks
        num_block_pairs = blocks * (blocks - 1) // 2
        costs += [block**2] * num_block_pairs
        costs += [block * (block / 2 + queries), *[block * queries] * (query_blocks - 1)] * blocks
        sizes += [2 * block] * num_block_pairs + [block + queries] * (blocks * query_blocks)
    moved = np.array(sizes)
    num_tasks = max(min_tasks, int(np.ceil(moved.sum() / (2 * block_rows))))
    return CellPlan(
        centroids,
        nearest.shape[1],
        num_blocks,
        num_query_blocks,
        np.cumsum(num_groups) - num_groups,
        balance_groups(np.array(costs) + _ROW_COST * moved, num_tasks),
    )


def balance_groups(costs: NDArray[np.float64], num_tasks: int) -> NDArray[np.int64]:
    """Assign groups to tasks: the most expensive group first, each to the task with the least load (Graham 1969).

    Args:
        costs: float64 (g,), the cost of each group.
        num_tasks: at least 1.

    Returns:
        int64 (g,): task numbers below num_tasks. Runs on: driver.
    """
    import heapq

    import numpy as np

    tasks = np.empty(len(costs), np.int64)
    loads = [(0.0, task) for task in range(num_tasks)]
    for group in np.argsort(-costs, kind="stable"):
        load, task = heapq.heappop(loads)
        tasks[group] = task
        heapq.heappush(loads, (load + float(costs[group]), task))
    return tasks


def make_cell_assigner(cells: CellPlan) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that assigns vectors to the groups of their cells: -> GROUPED_DDL, by `mapInArrow`.

    Its input is (video_id, vector, spread). `spread` is a number >= 0 that differs between rows and selects the block
    in a cell with several. Runs on: executor; holds about 32 MiB of vectors and their copies for one probe.
    """
    return partial(_assign, cells=cells)


def _assign(batches: Iterator[pa.RecordBatch], cells: CellPlan) -> Iterator[pa.RecordBatch]:
    """Assign the vectors of a partition to groups."""
    import numpy as np

    configure_faiss()
    for chunk, spread in read_batches(batches, "spread"):
        nearest = find_cells(cells.centroids, np.ascontiguousarray(chunk.vectors), cells.num_probes)
        yield _pack(chunk, *_assign_own_cell(cells, nearest[:, 0], spread), cells)
        for rank in range(1, cells.num_probes):
            yield _pack(chunk, *_assign_probed_cell(cells, nearest[:, rank], spread), cells)


def _assign_own_cell(
    cells: CellPlan, cell: NDArray[np.int64], spread: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Assign vectors to the groups of their own cells: row numbers, groups and roles, each (p,).

    A cell with B blocks and Q query blocks has one group for any two blocks, followed by one group for each block and
    query block. The first of these Q groups of a block also compares its rows with one another.
    """
    import numpy as np

    num_blocks, num_query_blocks = cells.num_blocks[cell], cells.num_query_blocks[cell]
    rows, turn = _repeat(num_query_blocks + num_blocks - 1)
    first, num_blocks, num_query_blocks = cells.first_groups[cell][rows], num_blocks[rows], num_query_blocks[rows]
    block = spread[rows] % num_blocks
    other = turn - num_query_blocks
    other += other >= block
    lower, upper = np.minimum(block, other), np.maximum(block, other)
    block_pair = first + lower * (2 * num_blocks - lower - 1) // 2 + upper - lower - 1
    with_queries = first + num_blocks * (num_blocks - 1) // 2 + block * num_query_blocks + turn
    groups = np.where(turn < num_query_blocks, with_queries, block_pair)
    role = np.where(turn == 0, ChunkRole.SELF_JOINED, ChunkRole.STORED)
    pair_role = np.where(block < other, ChunkRole.QUERY, ChunkRole.STORED)
    return rows, groups, np.where(turn < num_query_blocks, role, pair_role)


def _assign_probed_cell(
    cells: CellPlan, cell: NDArray[np.int64], spread: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Assign vectors as queries to the groups of another cell: row numbers, groups and roles, each (p,)."""
    import numpy as np

    num_blocks, num_query_blocks = cells.num_blocks[cell], cells.num_query_blocks[cell]
    rows, block = _repeat(num_blocks)
    query_block = (spread % num_query_blocks)[rows]
    num_pair_groups = (num_blocks * (num_blocks - 1) // 2)[rows]
    groups = cells.first_groups[cell][rows] + num_pair_groups + block * num_query_blocks[rows] + query_block
    return rows, groups, np.full(len(rows), ChunkRole.QUERY)


def _repeat(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Repeat the number of each row `counts` times. Also return the index of each repetition, from 0."""
    import numpy as np

    rows = np.repeat(np.arange(len(counts)), counts)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)


def _pack(
    chunk: Chunk, rows: NDArray[np.int64], groups: NDArray[np.int64], roles: NDArray[np.int64], cells: CellPlan
) -> pa.RecordBatch:
    """Make rows of GROUPED_DDL."""
    import pyarrow as pa

    keys, video_ids, vectors = split_chunk(chunk, rows, groups * len(ChunkRole) + roles)
    numbers, chunk_roles = keys // len(ChunkRole), keys % len(ChunkRole)
    integers = [pa.array(column, pa.int32()) for column in (cells.tasks[numbers], numbers, chunk_roles)]
    return pa.RecordBatch.from_arrays(
        [*integers, video_ids, vectors], ["task", "group", "role", "video_ids", "vectors"]
    )
