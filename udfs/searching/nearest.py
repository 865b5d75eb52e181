"""Which rows reach a similarity: FAISS's range search, and what stands in for it on a GPU, which has none."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Found: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
    RangeSearch: TypeAlias = Callable[[NDArray[np.float32], float], Found]
    """Query rows (n, dim) and a similarity -> row numbers of queries (p,) and of what they meet (p,)."""
    Nearest: TypeAlias = Callable[[NDArray[np.float32], int], tuple[NDArray[np.float32], NDArray[np.int64]]]
    """Query rows (n, dim) and k -> similarities (n, k), descending, and row numbers (n, k)."""
    OpenNearest: TypeAlias = Callable[[NDArray[np.float32]], Nearest]

_FIRST_K = 64
_K_GROWTH = 8
_MAX_K = 2048  # of a flat index on a GPU: https://github.com/facebookresearch/faiss/wiki/Faiss-on-the-GPU
# FAISS 1.15 takes one query at a time where queries x dims are below 128,000: at 256 dims a tenth of the speed.
_MIN_BLAS_QUERIES = 1
_NO_BLAS = (1 << 31) - 1  # an int in C
_GPU_SCRATCH_BYTES = 64 << 20  # FAISS takes gigabytes by default, in every process


def open_range_search(rows: NDArray[np.float32]) -> RangeSearch:
    """Make rows ready to be searched: on the task's GPU where FAISS sees one, else on its cores.

    Args:
        rows: float32 (m, dim), C-contiguous.

    Runs on: executor. FAISS gets as many threads as Spark gives the task cores (`spark.task.cpus`).
    """
    import faiss

    if faiss.get_num_gpus():
        return lambda queries, radius: search_by_nearest(_open_on_gpu, rows, queries, radius)
    set_up_faiss()
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return lambda queries, radius: _search_range(index, queries, radius)


def set_up_faiss() -> None:
    """Give FAISS the task's cores, outside a task what it takes, and let it multiply matrices. Runs on: executor."""
    import faiss
    from pyspark import TaskContext

    faiss.cvar.distance_compute_blas_threshold = _MIN_BLAS_QUERIES
    task = TaskContext.get()
    if task is not None:
        faiss.omp_set_num_threads(task.cpus())


def _search_range(index: Any, queries: NDArray[np.float32], radius: float) -> Found:  # noqa: ANN401 -- faiss has no types
    """Search by FAISS's own range search, which GPUs do not have."""
    import numpy as np

    limits, _, found = index.range_search(queries, radius)
    return np.repeat(np.arange(len(queries)), np.diff(limits).astype(np.int64)), found


def search_past_few(rows: NDArray[np.float32], queries: NDArray[np.float32], radius: float) -> Found:
    """Find which of many rows reach a similarity with which of a few queries, on the cores of this machine.

    The queries are what is indexed and the rows what is searched for, so that these stream past once and nothing is
    copied or multiplied as a matrix: .14 s for 8 queries and a million rows of 512 dims on two cores, where FAISS's
    own search takes .25 s the other way round, and one pass of reading .19 s (benchmarks/query).

    Args:
        rows: float32 (m, dim), C-contiguous; it may be a mapped file.
        queries: float32 (n, dim), C-contiguous.
        radius: a cosine similarity.

    Returns:
        Row numbers of `rows` (p,) and of `queries` (p,).
    """
    import faiss

    index = faiss.IndexFlatIP(queries.shape[1])
    index.add(queries)
    faiss.cvar.distance_compute_blas_threshold = _NO_BLAS
    try:
        return _search_range(index, rows, radius)
    finally:
        faiss.cvar.distance_compute_blas_threshold = _MIN_BLAS_QUERIES


def search_by_nearest(
    open_nearest: OpenNearest,
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    radius: float,
    max_k: int = _MAX_K,
) -> Found:
    """Find all rows at or above a similarity with nearest neighbours alone.

    A query whose k-th neighbour still reaches the similarity may have more: it is searched again with a larger k, and
    where k may not grow any more, in each half of the rows by itself. Nothing is cut. The idea of searching the
    over-full again is `range_search_gpu`'s, of faiss/contrib/exhaustive_search.py.

    Args:
        open_nearest: makes rows ready for a search of nearest neighbours.
        rows: float32 (m, dim).
        queries: float32 (n, dim).
        radius: a cosine similarity.
        max_k: neighbours that one search may ask for, at least 1.

    Returns:
        Row numbers of queries (p,) and of rows (p,), in no order. Runs on: executor.
    """
    import numpy as np

    nearest = open_nearest(rows)
    waiting = np.arange(len(queries))
    k = min(_FIRST_K, max_k, len(rows))
    parts: list[Found] = []
    while len(waiting):
        similarities, found = nearest(queries[waiting], k)
        is_full = (similarities[:, -1] >= radius) & (k < len(rows))
        places, ranks = np.nonzero((similarities >= radius) & ~is_full[:, None])
        parts.append((waiting[places], found[places, ranks]))
        waiting = waiting[is_full]
        if k == min(max_k, len(rows)):
            break
        k = min(_K_GROWTH * k, max_k, len(rows))
    if len(waiting):
        middle = len(rows) // 2
        for begin, half in ((0, rows[:middle]), (middle, rows[middle:])):
            one, other = search_by_nearest(open_nearest, half, queries[waiting], radius, max_k)
            parts.append((waiting[one], other + begin))
    return np.concatenate([one for one, _ in parts]), np.concatenate([other for _, other in parts])


def _open_on_gpu(rows: NDArray[np.float32]) -> Nearest:  # pragma: no cover -- needs a GPU
    """Put rows on the GPU that Spark gave this task, or the first."""
    import faiss
    from pyspark import TaskContext

    task = TaskContext.get()
    given = task.resources().get("gpu") if task is not None else None
    device = int(given.addresses[0]) if given is not None else 0
    index = faiss.index_cpu_to_gpu(_gpu_resources(), device, faiss.IndexFlatIP(rows.shape[1]))
    index.add(rows)
    nearest: Nearest = index.search
    return nearest


@cache
def _gpu_resources() -> Any:  # noqa: ANN401 -- faiss has no types  # pragma: no cover -- needs a GPU
    """Return the scratch memory that this process's searches share."""
    import faiss

    resources = faiss.StandardGpuResources()
    resources.setTempMemory(_GPU_SCRATCH_BYTES)
    return resources
