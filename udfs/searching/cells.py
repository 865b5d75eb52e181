"""The cell join: vectors go to the cells of a coarse quantiser, and meet those of the same cells alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from udfs.searching.chunks import read_batches, split_chunk
from udfs.searching.groups import Role
from udfs.searching.nearest import set_up_faiss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from udfs.searching.chunks import Chunk

_TRAINING_ROUNDS = 10
_ROW_COST = 2000
"""What moving a row costs, in products of two vectors: about 10 microseconds against 5 nanoseconds."""


def train_centroids(sample: NDArray[np.float32], num_cells: int, seed: int) -> NDArray[np.float32]:
    """Train a coarse quantiser: spherical k-means by FAISS.

    Args:
        sample: float32 (s, dim), unit norm, s >= num_cells.
        num_cells: cells.
        seed: of the first centroids.

    Returns:
        float32 (num_cells, dim), unit norm. The same for the same sample on the same machine. Runs on: driver.
    """
    import faiss
    import numpy as np

    if num_cells == 1:
        return sample[:1].copy()
    kmeans = faiss.Kmeans(
        sample.shape[1],
        num_cells,
        niter=_TRAINING_ROUNDS,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(sample),
    )
    kmeans.train(sample)
    return np.ascontiguousarray(kmeans.centroids)


def find_cells(centroids: NDArray[np.float32], vectors: NDArray[np.float32], num_probes: int) -> NDArray[np.int64]:
    """Return the numbers of the nearest cells of each vector: int64 (n, num_probes), the nearest first.

    Args:
        centroids: float32 (c, dim).
        vectors: float32 (n, dim), C-contiguous.
        num_probes: at most c. Runs on: driver and executor.
    """
    import faiss

    index = faiss.IndexFlatIP(centroids.shape[1])
    index.add(centroids)
    nearest: NDArray[np.int64] = index.search(vectors, num_probes)[1]
    return nearest


@dataclass(frozen=True)
class Cells:
    """The cells, and how each is cut into groups of a bounded size.

    A vector is stored in its nearest cell, and meets what is stored in its `num_probes` nearest ones. So two vectors
    miss each other only if neither's cell is among the other's nearest. A cell with more vectors than a block holds is
    cut into blocks, every two of which are a group, as in the exact plan; its visitors are cut likewise.

    Attributes:
        centroids: float32 (c, dim), unit norm.
        num_probes: nearest cells that a vector meets, its own among them.
        num_blocks: int64 (c,), blocks of what is stored in each cell, at least 1.
        num_visits: int64 (c,), blocks of what visits it from other cells, at least 1.
        first_groups: int64 (c,), number of each cell's first group.
        tasks: int64 (g,), the task of each group.
    """

    centroids: NDArray[np.float32]
    num_probes: int
    num_blocks: NDArray[np.int64]
    num_visits: NDArray[np.int64]
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
) -> Cells:
    """Estimate from a sample how full each cell is, cut the over-full ones, and spread the groups over tasks.

    Args:
        centroids: float32 (c, dim).
        nearest: int64 (s, num_probes), the cells of a sample drawn evenly from all rows: see `find_cells`.
        num_rows: all rows.
        block_rows: rows in a block, about: the sample is a sample.
        min_tasks: tasks, at least; more where they would hold more than two blocks and their visitors.

    Runs on: driver.
    """
    import numpy as np

    scale = num_rows / len(nearest)
    count = len(centroids)
    stored = np.bincount(nearest[:, 0], minlength=count) * scale
    visiting = np.bincount(nearest[:, 1:].ravel(), minlength=count) * scale
    num_blocks = np.maximum(1, np.ceil(stored / block_rows)).astype(np.int64)
    num_visits = np.maximum(1, np.ceil(visiting / block_rows)).astype(np.int64)
    num_groups = num_blocks * (num_blocks - 1) // 2 + num_blocks * num_visits
    costs: list[float] = []
    sizes: list[float] = []
    for cell in range(count):
        blocks, visits = int(num_blocks[cell]), int(num_visits[cell])
        block, visit = stored[cell] / blocks, visiting[cell] / visits
        num_couples = blocks * (blocks - 1) // 2
        costs += [block**2] * num_couples + [block * (block / 2 + visit), *[block * visit] * (visits - 1)] * blocks
        sizes += [2 * block] * num_couples + [block + visit] * (blocks * visits)
    moved = np.array(sizes)
    num_tasks = max(min_tasks, int(np.ceil(moved.sum() / (2 * block_rows))))
    return Cells(
        centroids,
        nearest.shape[1],
        num_blocks,
        num_visits,
        np.cumsum(num_groups) - num_groups,
        spread_evenly(np.array(costs) + _ROW_COST * moved, num_tasks),
    )


def spread_evenly(costs: NDArray[np.float64], num_tasks: int) -> NDArray[np.int64]:
    """Give each group a task: the costliest first, each to the task with least to do (Graham 1969).

    Args:
        costs: float64 (g,), of the groups.
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


def cell_assigner(cells: Cells) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that sends vectors to their cells' groups, by `mapInArrow`.

    It takes rows (video_id, vector, spread), where `spread` is a number >= 0 that is the row's own, by which over-full
    cells are cut, and gives `udfs.searching.groups.GROUPED_DDL`. Runs on: executor; holds some 32 MiB of vectors and
    their copies for one probe.
    """
    return partial(_assign, cells=cells)


def _assign(batches: Iterator[pa.RecordBatch], cells: Cells) -> Iterator[pa.RecordBatch]:
    """Send a partition's vectors to groups."""
    import numpy as np

    set_up_faiss()
    for chunk, spread in read_batches(batches, "spread"):
        nearest = find_cells(cells.centroids, np.ascontiguousarray(chunk.vectors), cells.num_probes)
        yield _pack(chunk, *_store(cells, nearest[:, 0], spread), cells)
        for rank in range(1, cells.num_probes):
            yield _pack(chunk, *_visit(cells, nearest[:, rank], spread), cells)


def _store(
    cells: Cells, home: NDArray[np.int64], spread: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Store vectors in their cells: row numbers, groups and roles, each (p,).

    The groups of a cell with B blocks and V blocks of visitors are first every two blocks, then each block with each
    block of visitors; in the first of these V its rows meet one another too.
    """
    import numpy as np

    num_blocks, num_visits = cells.num_blocks[home], cells.num_visits[home]
    rows, turn = _repeat(num_visits + num_blocks - 1)
    first, num_blocks, num_visits = cells.first_groups[home][rows], num_blocks[rows], num_visits[rows]
    block = spread[rows] % num_blocks
    other = turn - num_visits
    other += other >= block
    lower, upper = np.minimum(block, other), np.maximum(block, other)
    couple = first + lower * (2 * num_blocks - lower - 1) // 2 + upper - lower - 1
    with_visitors = first + num_blocks * (num_blocks - 1) // 2 + block * num_visits + turn
    groups = np.where(turn < num_visits, with_visitors, couple)
    own = np.where(turn == 0, Role.MEMBER, Role.STORED)
    return rows, groups, np.where(turn < num_visits, own, np.where(block < other, Role.QUERY, Role.STORED))


def _visit(
    cells: Cells, cell: NDArray[np.int64], spread: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Let vectors meet what is stored in other cells: row numbers, groups and roles, each (p,)."""
    import numpy as np

    num_blocks, num_visits = cells.num_blocks[cell], cells.num_visits[cell]
    rows, block = _repeat(num_blocks)
    visit = (spread % num_visits)[rows]
    couples = (num_blocks * (num_blocks - 1) // 2)[rows]
    groups = cells.first_groups[cell][rows] + couples + block * num_visits[rows] + visit
    return rows, groups, np.full(len(rows), Role.QUERY)


def _repeat(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each row's number as often as it counts, and how often it has come before."""
    import numpy as np

    rows = np.repeat(np.arange(len(counts)), counts)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)


def _pack(
    chunk: Chunk, rows: NDArray[np.int64], groups: NDArray[np.int64], roles: NDArray[np.int64], cells: Cells
) -> pa.RecordBatch:
    """Make rows of GROUPED_DDL."""
    import pyarrow as pa

    keys, video_ids, vectors = split_chunk(chunk, rows, groups * len(Role) + roles)
    numbers, found_roles = keys // len(Role), keys % len(Role)
    integers = [pa.array(column, pa.int32()) for column in (cells.tasks[numbers], numbers, found_roles)]
    return pa.RecordBatch.from_arrays(
        [*integers, video_ids, vectors], ["task", "group", "role", "video_ids", "vectors"]
    )
