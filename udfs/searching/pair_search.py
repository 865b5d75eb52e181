"""Finds all pairs of vectors above a similarity within one task, by FAISS."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from udfs.searching.range_search import open_range_search, range_search_few_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from udfs.searching.chunks import Chunk

# A float32 sum depends on the order of addition, and so on the shape of a block. The search therefore uses a threshold
# slightly below the given one, and the product in float64 decides. The inner product of unit vectors has an error of at
# most about dim * 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1): 5e-4 for 8192
# dims.
_SEARCH_MARGIN = 1e-3
_SIMILARITY_DECIMALS = 6
# Nearly all windows of a long video are similar to one another, so a block may have as many pairs as the square of its
# rows. Rows are therefore searched in batches: as many as fit in memory if each matched every row (12 bytes per pair),
# and at least as many as FAISS needs for full speed.
_MAX_PAIRS_PER_SEARCH = 1 << 23
_MIN_ROWS_PER_SEARCH = 256
_PRODUCTS_PER_BATCH = 1 << 14
_MAX_LEAF_ROWS = 2048
"""Rows that are compared with one another in one square. Half of its products are redundant."""


class SimilarRows(NamedTuple):
    """Pairs of rows that reach a similarity.

    Attributes:
        left: row numbers (p,).
        right: row numbers (p,).
        similarities: float64 (p,), computed in float64 and rounded to 6 decimals, so that they do not depend on how
            rows were split into blocks.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    similarities: NDArray[np.float64]


def search_block_pair(
    left: NDArray[np.float32], right: NDArray[np.float32], min_cosine_similarity: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Find all pairs of a left and a right row whose cosine similarity reaches the threshold.

    Args:
        left: float32 (n, dim), unit norm.
        right: float32 (m, dim), unit norm.
        min_cosine_similarity: in [-1, 1].

    Returns:
        The fields of `SimilarRows`. Runs on: executor.
    """
    import numpy as np

    search = open_range_search(np.ascontiguousarray(right))
    rows, found = search(np.ascontiguousarray(left), min_cosine_similarity - _SEARCH_MARGIN)
    return _filter_exactly(left, right, rows, found, min_cosine_similarity)


def search_few_queries(
    rows: NDArray[np.float32], queries: NDArray[np.float32], min_cosine_similarity: float
) -> SimilarRows:
    """Find all pairs of a row and one of a few queries: as `search_block_pair`, with the rows on the left.

    The rows may be a memory-mapped file. Runs on: the machine that checks one video, on its cores only.
    """
    found = range_search_few_queries(rows, queries, min_cosine_similarity - _SEARCH_MARGIN)
    return _filter_exactly(rows, queries, *found, min_cosine_similarity)


def find_similar_rows(
    left: NDArray[np.float32], right: NDArray[np.float32], min_cosine_similarity: float
) -> SimilarRows:
    """Find pairs as `search_block_pair` does, by matrix products alone: faster for blocks of a few hundred rows."""
    import numpy as np

    batch_rows = max(1, _MAX_PAIRS_PER_SEARCH // max(1, len(right)))
    parts = []
    for begin in range(0, len(left), batch_rows):
        products = left[begin : begin + batch_rows] @ right.T
        rows, found = np.nonzero(products >= min_cosine_similarity - _SEARCH_MARGIN)
        parts.append((rows + begin, found))
    rows, found = (np.concatenate(numbers) for numbers in zip(*parts, strict=True))
    return _filter_exactly(left, right, rows, found, min_cosine_similarity)


def _filter_exactly(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    rows: NDArray[np.int64],
    found: NDArray[np.int64],
    min_cosine_similarity: float,
) -> SimilarRows:
    """Compute the similarities of pairs in float64, and keep those that reach the threshold."""
    import numpy as np

    products = np.empty(len(rows))
    for begin in range(0, len(rows), _PRODUCTS_PER_BATCH):
        part = slice(begin, begin + _PRODUCTS_PER_BATCH)
        one, other = left[rows[part]].astype(np.float64), right[found[part]].astype(np.float64)
        products[part] = np.einsum("pd,pd->p", one, other)
    similarities = np.clip(np.round(products, _SIMILARITY_DECIMALS), -1.0, 1.0)
    kept = similarities >= min_cosine_similarity
    return SimilarRows(rows[kept], found[kept], similarities[kept])


def make_pair_checker(min_cosine_similarity: float) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that computes the similarities of given pairs, and keeps those that reach the threshold.

    Its input is (left_id, right_id, left_vector, right_vector), its output FOUND_DDL. Runs on: executor, by
    `mapInArrow`.
    """
    return partial(_check_pairs, min_cosine_similarity=min_cosine_similarity)


def _check_pairs(batches: Iterator[pa.RecordBatch], min_cosine_similarity: float) -> Iterator[pa.RecordBatch]:
    """Check the pairs of a partition."""
    import numpy as np
    import pyarrow as pa

    for batch in batches:
        if batch.num_rows:
            left, right = (
                batch.column(name).flatten().to_numpy(zero_copy_only=False).reshape(batch.num_rows, -1)
                for name in ("left_vector", "right_vector")
            )
            rows = np.arange(batch.num_rows)
            kept = _filter_exactly(left, right, rows, rows, min_cosine_similarity)
            ids = [batch.column(name).take(pa.array(kept.left)) for name in ("left_id", "right_id")]
            names = ["left_id", "right_id", "cosine_similarity"]
            yield pa.RecordBatch.from_arrays([*ids, pa.array(kept.similarities)], names)


class VideoRows(NamedTuple):
    """Vectors, each with the number of its video.

    Attributes:
        vectors: float32 (n, dim), unit norm, C-contiguous.
        codes: int64 (n,), the number of the video of each row. Numbers have the order of video_ids.
    """

    vectors: NDArray[np.float32]
    codes: NDArray[np.int64]

    def part(self, begin: int, end: int) -> VideoRows:
        """Return rows from `begin` to before `end`, without copying."""
        return VideoRows(self.vectors[begin:end], self.codes[begin:end])


def search_videos(
    stored: Chunk, queries: Chunk | None, min_cosine_similarity: float, *, self_join: bool
) -> pa.RecordBatch | None:
    """Find the pairs of videos that have two rows at or above the threshold. Each has the similarity of its best rows.

    Args:
        stored: rows that are searched.
        queries: rows that are compared with all stored rows, or None.
        min_cosine_similarity: in [-1, 1].
        self_join: whether the stored rows are compared with one another too.

    Returns:
        (left_id, right_id, cosine_similarity) with left_id < right_id, each pair once; None if there are no pairs.
        Runs on: executor; memory: twice the vectors and about 200 MB.
    """
    import numpy as np
    import pyarrow as pa

    ids = stored.video_ids if queries is None else pa.concat_arrays([stored.video_ids, queries.video_ids])
    names, codes = np.unique(np.asarray(ids.to_numpy(zero_copy_only=False), dtype=object), return_inverse=True)
    codes = codes.astype(np.int64)
    right = VideoRows(np.ascontiguousarray(stored.vectors), codes[: len(stored)])
    found = list(_join_self(right, min_cosine_similarity)) if self_join else []
    if queries is not None:
        left = VideoRows(np.ascontiguousarray(queries.vectors), codes[len(stored) :])
        found += _join(left, right, min_cosine_similarity)
    if not found:
        return None
    pairs = keep_most_similar(found)
    columns = [pa.array(names[codes], pa.string()) for codes in (pairs.left, pairs.right)]
    return pa.RecordBatch.from_arrays(
        [*columns, pa.array(pairs.similarities)], ["left_id", "right_id", "cosine_similarity"]
    )


def _join_self(rows: VideoRows, min_cosine_similarity: float) -> Iterator[SimilarRows]:
    """Compare all rows with one another, each pair once: both halves with each other, then each half with itself."""
    count = len(rows.codes)
    if count <= _MAX_LEAF_ROWS:
        yield from _join(rows, rows, min_cosine_similarity)
        return
    left, right = rows.part(0, count // 2), rows.part(count // 2, count)
    yield from _join(left, right, min_cosine_similarity)
    yield from _join_self(left, min_cosine_similarity)
    yield from _join_self(right, min_cosine_similarity)


def _join(left: VideoRows, right: VideoRows, min_cosine_similarity: float) -> Iterator[SimilarRows]:
    """Compare each left row with each right row. Yields pairs of videos, each once per batch of left rows."""
    import numpy as np

    search = open_range_search(right.vectors)
    batch_rows = max(_MIN_ROWS_PER_SEARCH, _MAX_PAIRS_PER_SEARCH // len(right.codes))
    for begin in range(0, len(left.codes), batch_rows):
        part = left.part(begin, begin + batch_rows)
        rows, found = search(part.vectors, min_cosine_similarity - _SEARCH_MARGIN)
        one, other = part.codes[rows], right.codes[found]
        differ = one < other if left is right else one != other
        if not differ.any():
            continue
        pairs = _filter_exactly(part.vectors, right.vectors, rows[differ], found[differ], min_cosine_similarity)
        if len(pairs.left):
            one, other = part.codes[pairs.left], right.codes[pairs.right]
            yield keep_most_similar([SimilarRows(np.minimum(one, other), np.maximum(one, other), pairs.similarities)])


def keep_most_similar(found: Sequence[SimilarRows]) -> SimilarRows:
    """Keep the highest similarity of each (left, right), sorted by left, then right."""
    import numpy as np

    left, right, similarities = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((similarities, right, left))
    left, right = left[order], right[order]
    is_last = np.append((np.diff(left) != 0) | (np.diff(right) != 0), True)
    return SimilarRows(left[is_last], right[is_last], similarities[order][is_last])
