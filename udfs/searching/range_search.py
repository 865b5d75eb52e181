"""Range search: finds the rows that reach a similarity, by FAISS on the CPU, and by k-NN search on a GPU."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    RowPairs: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
    RangeSearch: TypeAlias = Callable[[NDArray[np.float32], float], RowPairs]
    """Queries (n, dim) and a similarity -> row numbers of queries (p,) and of the rows that reach it (p,)."""
    KnnSearch: TypeAlias = Callable[[NDArray[np.float32], int], tuple[NDArray[np.float32], NDArray[np.int64]]]
    """Queries (n, dim) and k -> similarities (n, k), descending, and row numbers (n, k)."""
    OpenKnnSearch: TypeAlias = Callable[[NDArray[np.float32]], KnnSearch]

_FIRST_K = 64
_K_GROWTH = 8
_MAX_K = 2048  # of a flat index on a GPU: https://github.com/facebookresearch/faiss/wiki/Faiss-on-the-GPU
# FAISS 1.15 processes queries one by one if queries x dims is below 128,000: a tenth of the speed at 256 dims.
_MIN_BLAS_QUERIES = 1
_NO_BLAS = (1 << 31) - 1  # an int in C
_GPU_SCRATCH_BYTES = 64 << 20  # FAISS allocates gigabytes by default, in every process


def open_range_search(rows: NDArray[np.float32]) -> RangeSearch:
    """Index rows for range search: on the GPU of the task if FAISS detects one, else on its cores.

    Args:
        rows: float32 (m, dim), C-contiguous.

    Runs on: executor. FAISS uses as many threads as the task has cores (`spark.task.cpus`).
    """
    import faiss

    if faiss.get_num_gpus():
        return lambda queries, radius: range_search_by_knn(_open_knn_on_gpu, rows, queries, radius)
    configure_faiss()
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return lambda queries, radius: _search_range(index, queries, radius)


def configure_faiss() -> None:
    """Limit FAISS to the cores of the Spark task, if any, and enable matrix multiplication. Runs on: executor."""
    import faiss
    from pyspark import TaskContext

    faiss.cvar.distance_compute_blas_threshold = _MIN_BLAS_QUERIES
    task = TaskContext.get()
    if task is not None:
        faiss.omp_set_num_threads(task.cpus())


def _search_range(index: Any, queries: NDArray[np.float32], radius: float) -> RowPairs:  # noqa: ANN401 -- faiss has no types
    """Search with the range search of FAISS, which exists on CPUs only."""
    import numpy as np

    limits, _, found = index.range_search(queries, radius)
    return np.repeat(np.arange(len(queries)), np.diff(limits).astype(np.int64)), found


def range_search_few_queries(rows: NDArray[np.float32], queries: NDArray[np.float32], radius: float) -> RowPairs:
    """Find the rows that reach a similarity with one of a few queries, on the cores of this machine.

    The queries are indexed and the rows are searched for, so each row is read once and no matrix is copied or
    multiplied: .14 s for 8 queries and a million rows of 512 dims on two cores. Indexing the rows takes .25 s, and
    reading them once .19 s (benchmarks/query).

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


def range_search_by_knn(
    open_knn: OpenKnnSearch,
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    radius: float,
    max_k: int = _MAX_K,
) -> RowPairs:
    """Find all rows that reach a similarity by k-NN search alone.

    If the k-th neighbour of a query reaches the similarity, there may be more. The query is then searched again with a
    larger k, and once k is at its maximum, in each half of the rows separately. So the result is complete. Searching
    queries with full results again follows `range_search_gpu` of faiss/contrib/exhaustive_search.py.

    Args:
        open_knn: indexes rows for k-NN search.
        rows: float32 (m, dim).
        queries: float32 (n, dim).
        radius: a cosine similarity.
        max_k: largest k of one search, at least 1.

    Returns:
        Row numbers of queries (p,) and of rows (p,), in no order. Runs on: executor.
    """
    import numpy as np

    search = open_knn(rows)
    pending = np.arange(len(queries))
    k = min(_FIRST_K, max_k, len(rows))
    parts: list[RowPairs] = []
    while len(pending):
        similarities, found = search(queries[pending], k)
        is_full = (similarities[:, -1] >= radius) & (k < len(rows))
        places, ranks = np.nonzero((similarities >= radius) & ~is_full[:, None])
        parts.append((pending[places], found[places, ranks]))
        pending = pending[is_full]
        if k == min(max_k, len(rows)):
            break
        k = min(_K_GROWTH * k, max_k, len(rows))
    if len(pending):
        middle = len(rows) // 2
        for begin, half in ((0, rows[:middle]), (middle, rows[middle:])):
            one, other = range_search_by_knn(open_knn, half, queries[pending], radius, max_k)
            parts.append((pending[one], other + begin))
    return np.concatenate([one for one, _ in parts]), np.concatenate([other for _, other in parts])


def _open_knn_on_gpu(rows: NDArray[np.float32]) -> KnnSearch:  # pragma: no cover -- needs a GPU
    """Index rows on the GPU that Spark assigned to this task, or on the first GPU."""
    import faiss
    from pyspark import TaskContext

    task = TaskContext.get()
    assigned = task.resources().get("gpu") if task is not None else None
    device = int(assigned.addresses[0]) if assigned is not None else 0
    index = faiss.index_cpu_to_gpu(_gpu_resources(), device, faiss.IndexFlatIP(rows.shape[1]))
    index.add(rows)
    search: KnnSearch = index.search
    return search


@cache
def _gpu_resources() -> Any:  # noqa: ANN401 -- faiss has no types  # pragma: no cover -- needs a GPU
    """Return the scratch memory that the searches of this process share."""
    import faiss

    resources = faiss.StandardGpuResources()
    resources.setTempMemory(_GPU_SCRATCH_BYTES)
    return resources
