"""All pairs of vectors above a similarity, in one task, by FAISS."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from udfs.searching import nearest
from udfs.searching.nearest import open_range_search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from udfs.searching.chunks import Chunk

# float32 sums differ with the order of addition, so with the shape of a block: search a little below the threshold,
# then decide on the product in float64. An inner product of unit vectors errs by at most about dim * 2^-24 (Higham,
# Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1): 5e-4 for 8192 dims.
_SEARCH_MARGIN = 1e-3
_SIMILARITY_DECIMALS = 6
# A long video's windows nearly all meet one another: what is found may be as many as the square of a block. So a few
# rows are searched at a time: as many as could at worst be held with all they meet (12 bytes each), and no fewer than
# FAISS multiplies at full speed.
_MET_AT_ONCE = 1 << 23
_MIN_ROWS_AT_ONCE = 256
_PRODUCTS_AT_ONCE = 1 << 14
_MAX_LEAF_ROWS = 2048
"""So many rows are compared with one another in one square, of which half is wasted."""


class Pairs(NamedTuple):
    """Pairs of rows.

    Attributes:
        left: row numbers (p,).
        right: row numbers (p,).
        similarities: float64 (p,), computed in float64 and rounded to 6 decimals, so that they do not depend on how
            rows were blocked.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    similarities: NDArray[np.float64]


def search_block_pair(
    left: NDArray[np.float32], right: NDArray[np.float32], min_cosine_similarity: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Find every pair of a left and a right row whose cosine similarity reaches the threshold.

    Args:
        left: float32 (n, dim), unit norm.
        right: float32 (m, dim), unit norm.
        min_cosine_similarity: in [-1, 1].

    Returns:
        As `Pairs`. Runs on: executor.
    """
    import numpy as np

    search = open_range_search(np.ascontiguousarray(right))
    rows, found = search(np.ascontiguousarray(left), min_cosine_similarity - _SEARCH_MARGIN)
    return _decide(left, right, rows, found, min_cosine_similarity)


def search_past_few(rows: NDArray[np.float32], queries: NDArray[np.float32], min_cosine_similarity: float) -> Pairs:
    """As `search_block_pair`, for few queries and many rows that may be a mapped file: `left` numbers the rows.

    Runs on: the machine that is asked about one video; on its cores alone.
    """
    found = nearest.search_past_few(rows, queries, min_cosine_similarity - _SEARCH_MARGIN)
    return _decide(rows, queries, *found, min_cosine_similarity)


def _decide(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    rows: NDArray[np.int64],
    found: NDArray[np.int64],
    min_cosine_similarity: float,
) -> Pairs:
    """Compute the similarities of found pairs in float64, and keep those that reach the threshold."""
    import numpy as np

    products = np.empty(len(rows))
    for begin in range(0, len(rows), _PRODUCTS_AT_ONCE):
        part = slice(begin, begin + _PRODUCTS_AT_ONCE)
        one, other = left[rows[part]].astype(np.float64), right[found[part]].astype(np.float64)
        products[part] = np.einsum("pd,pd->p", one, other)
    similarities = np.clip(np.round(products, _SIMILARITY_DECIMALS), -1.0, 1.0)
    kept = similarities >= min_cosine_similarity
    return Pairs(rows[kept], found[kept], similarities[kept])


class Side(NamedTuple):
    """Rows of which each belongs to a video.

    Attributes:
        vectors: float32 (n, dim), unit norm, C-contiguous.
        codes: int64 (n,), the number of each row's video, in the order of video_ids.
    """

    vectors: NDArray[np.float32]
    codes: NDArray[np.int64]

    def part(self, begin: int, end: int) -> Side:
        """Return rows from `begin` to before `end`, without copying."""
        return Side(self.vectors[begin:end], self.codes[begin:end])


def search_videos(
    stored: Chunk, queries: Chunk | None, min_cosine_similarity: float, *, meet_one_another: bool
) -> pa.RecordBatch | None:
    """Find the pairs of videos of which two rows reach the threshold, each once, by its most similar rows.

    Args:
        stored: rows that are searched.
        queries: rows that each meet all stored ones, or None.
        min_cosine_similarity: in [-1, 1].
        meet_one_another: whether the stored rows meet one another too.

    Returns:
        (left_id, right_id, cosine_similarity) with left_id < right_id, or None where no two videos meet.
        Runs on: executor; memory: twice the vectors and some 200 MB.
    """
    import numpy as np
    import pyarrow as pa

    ids = stored.video_ids if queries is None else pa.concat_arrays([stored.video_ids, queries.video_ids])
    names, codes = np.unique(np.asarray(ids.to_numpy(zero_copy_only=False), dtype=object), return_inverse=True)
    codes = codes.astype(np.int64)
    right = Side(np.ascontiguousarray(stored.vectors), codes[: len(stored)])
    met = list(_meet_one_another(right, min_cosine_similarity)) if meet_one_another else []
    if queries is not None:
        left = Side(np.ascontiguousarray(queries.vectors), codes[len(stored) :])
        met += _meet(left, right, min_cosine_similarity)
    if not met:
        return None
    pairs = _keep_most_similar(met)
    columns = [pa.array(names[codes], pa.string()) for codes in (pairs.left, pairs.right)]
    return pa.RecordBatch.from_arrays(
        [*columns, pa.array(pairs.similarities)], ["left_id", "right_id", "cosine_similarity"]
    )


def _meet_one_another(rows: Side, min_cosine_similarity: float) -> Iterator[Pairs]:
    """Compare all rows of one side, each two once: the halves with each other, then each half likewise."""
    count = len(rows.codes)
    if count <= _MAX_LEAF_ROWS:
        yield from _meet(rows, rows, min_cosine_similarity)
        return
    left, right = rows.part(0, count // 2), rows.part(count // 2, count)
    yield from _meet(left, right, min_cosine_similarity)
    yield from _meet_one_another(left, min_cosine_similarity)
    yield from _meet_one_another(right, min_cosine_similarity)


def _meet(left: Side, right: Side, min_cosine_similarity: float) -> Iterator[Pairs]:
    """Compare each left with each right row; give pairs of videos, each once from every few left rows."""
    import numpy as np

    search = open_range_search(right.vectors)
    rows_at_once = max(_MIN_ROWS_AT_ONCE, _MET_AT_ONCE // len(right.codes))
    for begin in range(0, len(left.codes), rows_at_once):
        part = left.part(begin, begin + rows_at_once)
        rows, found = search(part.vectors, min_cosine_similarity - _SEARCH_MARGIN)
        one, other = part.codes[rows], right.codes[found]
        differ = one < other if left is right else one != other
        if not differ.any():
            continue
        pairs = _decide(part.vectors, right.vectors, rows[differ], found[differ], min_cosine_similarity)
        if len(pairs.left):
            one, other = part.codes[pairs.left], right.codes[pairs.right]
            yield _keep_most_similar([Pairs(np.minimum(one, other), np.maximum(one, other), pairs.similarities)])


def _keep_most_similar(found: Sequence[Pairs]) -> Pairs:
    """Keep one of all rows (left, right) that are equal: the most similar; in the order of left, then right."""
    import numpy as np

    left, right, similarities = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((similarities, right, left))
    left, right = left[order], right[order]
    is_last = np.append((np.diff(left) != 0) | (np.diff(right) != 0), True)
    return Pairs(left[is_last], right[is_last], similarities[order][is_last])
