"""The cell join: compares only vectors that share a cell of a coarse quantiser (inverted file index, IVF)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    import numpy as np
    from numpy.typing import NDArray

_NUM_ITERATIONS = 10
_NUM_SPARE_CELLS = 4
_ROWS_PER_RANKING = 1024
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


def assign_cells(centroids: NDArray[np.float32], vectors: NDArray[np.float32], num_probes: int) -> NDArray[np.int64]:
    """Return the cells nearest to each vector as `find_cells` does, whatever rows are assigned together.

    The float32 products of FAISS depend on the number of rows. So the nearest cells and a few more are compared again
    in float64; of equally near cells the one with the smaller number comes first.
    """
    import numpy as np

    found = find_cells(centroids, vectors, min(len(centroids), num_probes + _NUM_SPARE_CELLS))
    ranked = np.empty((len(vectors), num_probes), np.int64)
    for begin in range(0, len(vectors), _ROWS_PER_RANKING):
        part = np.sort(found[begin : begin + _ROWS_PER_RANKING], axis=1)
        rows = vectors[begin : begin + _ROWS_PER_RANKING].astype(np.float64)
        similarities = np.einsum("nkd,nd->nk", centroids[part].astype(np.float64), rows)
        order = np.argsort(-similarities, axis=1, kind="stable")[:, :num_probes]
        ranked[begin : begin + _ROWS_PER_RANKING] = np.take_along_axis(part, order, axis=1)
    return ranked


@dataclass(frozen=True)
class Cells:
    """The cells of one version, without what is known of their training.

    Attributes:
        centroids: float32 (c, dim), unit norm.
        num_probes: cells that a vector is compared in, including its own.
        margin: a search by codes lowers its threshold by this, so that their error makes it miss no pair.
        version: number of the version, from 1; 0 if the cells are not stored.
        trained_on: date of the run that trained them, UTC; None if the cells are not stored.
    """

    centroids: NDArray[np.float32]
    num_probes: int
    margin: float
    version: int = 0
    trained_on: date | None = None


@dataclass(frozen=True)
class CellPlan:
    """How the cells are split into groups of a bounded size.

    A vector is stored in its nearest cell and compared with the vectors that are stored in its `num_probes` nearest
    cells. So two vectors are compared unless neither's cell is among the other's nearest. A cell with more vectors than
    a block holds is split into blocks, and any two of its blocks form a group, as in the exact plan. The queries from
    other cells are split into blocks too.

    Attributes:
        num_blocks: int64 (c,), blocks of stored vectors in each cell, at least 1.
        num_query_blocks: int64 (c,), blocks of queries from other cells, at least 1.
        first_groups: int64 (c,), number of the first group of each cell.
        tasks: int64 (g,), the task of each group.
    """

    num_blocks: NDArray[np.int64]
    num_query_blocks: NDArray[np.int64]
    first_groups: NDArray[np.int64]
    tasks: NDArray[np.int64]

    @property
    def num_tasks(self) -> int:
        """The number of tasks."""
        return int(self.tasks.max()) + 1


def plan_cells(stored: NDArray[np.int64], querying: NDArray[np.int64], *, block_rows: int, min_tasks: int) -> CellPlan:
    """Split large cells, and distribute the groups over tasks.

    Args:
        stored: int64 (c,), number of vectors in each cell.
        querying: int64 (c,), number of vectors of other cells that probe each cell.
        block_rows: rows per block, approximately, because a hash splits the cells.
        min_tasks: least number of tasks. There are more if a task would exceed two blocks and their queries.

    Runs on: driver.
    """
    import numpy as np

    count = len(stored)
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
