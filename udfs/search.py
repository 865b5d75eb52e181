"""All pairs of vectors above a similarity, block by block, by FAISS."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

# float32 sums differ with the order of addition, so with the shape of a block: search a little below the threshold,
# then decide on the product in float64. An inner product of unit vectors errs by at most about dim * 2^-24 (Higham,
# Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1): 5e-4 for 8192 dims.
_SEARCH_MARGIN = 1e-3
_SIMILARITY_DECIMALS = 6
# A long video's windows nearly all meet one another: what is found may be as many as the square of a block.
_ROWS_AT_ONCE = 256
_PRODUCTS_AT_ONCE = 1 << 14


def search_block_pair(
    left: NDArray[np.float32], right: NDArray[np.float32], min_cosine_similarity: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Find every pair of a left and a right row whose cosine similarity reaches the threshold.

    Args:
        left: float32 (n, dim), unit norm.
        right: float32 (m, dim), unit norm.
        min_cosine_similarity: in [-1, 1].

    Returns:
        Row numbers in left (p,), row numbers in right (p,), and similarities (p,), float64 computed and rounded to
        6 decimals, so that they do not depend on how rows were blocked.
    """
    import faiss
    import numpy as np

    index = faiss.IndexFlatIP(right.shape[1])
    index.add(np.ascontiguousarray(right))
    limits, _, found = index.range_search(np.ascontiguousarray(left), min_cosine_similarity - _SEARCH_MARGIN)
    rows = np.repeat(np.arange(len(left)), np.diff(limits).astype(np.int64))
    products = np.empty(len(rows))
    for begin in range(0, len(rows), _PRODUCTS_AT_ONCE):
        part = slice(begin, begin + _PRODUCTS_AT_ONCE)
        one, other = left[rows[part]].astype(np.float64), right[found[part]].astype(np.float64)
        products[part] = np.einsum("pd,pd->p", one, other)
    similarities = np.clip(np.round(products, _SIMILARITY_DECIMALS), -1.0, 1.0)
    kept = similarities >= min_cosine_similarity
    return rows[kept], found[kept], similarities[kept]


def block_pair_searcher(min_cosine_similarity: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Make the function for `applyInPandas` over a pair of blocks.

    It takes rows (left_block, right_block, block, video_id, vector): those of both blocks, or of the one block that
    is paired with itself, and returns rows (left_id, right_id, cosine_similarity) with left_id < right_id, each pair
    of videos once, by its most similar rows. Runs on: executor, memory: the two blocks.
    """

    def search(rows: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        is_left = rows["block"] == rows["left_block"]
        is_right = rows["block"] == rows["right_block"]
        left, right = rows[is_left], rows[is_right]
        if left.empty or right.empty:
            return pd.DataFrame(columns=["left_id", "right_id", "cosine_similarity"])  # of objects, which Arrow takes
        parts = [
            _pair_videos(left.iloc[begin : begin + _ROWS_AT_ONCE], right, min_cosine_similarity)
            for begin in range(0, len(left), _ROWS_AT_ONCE)
        ]
        return _keep_most_similar(pd.concat(parts))

    return search


def _pair_videos(left: pd.DataFrame, right: pd.DataFrame, min_cosine_similarity: float) -> pd.DataFrame:
    """Return the pairs of videos of which a left and a right row are similar enough, each once."""
    import numpy as np
    import pandas as pd

    i, j, similarities = search_block_pair(
        np.stack(left["vector"].to_list()), np.stack(right["vector"].to_list()), min_cosine_similarity
    )
    one, other = left["video_id"].to_numpy()[i], right["video_id"].to_numpy()[j]
    pairs = pd.DataFrame(
        {
            "left_id": np.where(one < other, one, other),
            "right_id": np.where(one < other, other, one),
            "cosine_similarity": similarities,
        }
    )
    return _keep_most_similar(pairs[pairs["left_id"] != pairs["right_id"]])


def _keep_most_similar(pairs: pd.DataFrame) -> pd.DataFrame:
    """Keep one row of each pair of videos."""
    return pairs.groupby(["left_id", "right_id"], as_index=False, sort=False).max()
