"""Chooses the number of cells that each vector is compared in, by recall on a sample. Runs on: driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from udfs.searching.range_search import open_range_search

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from udfs.searching.chunks import Chunk

MAX_PROBES = 64
_QUERIES_PER_SEARCH = 64
"""Each may match every row: 64 x 2^18 pairs take 200 MB."""
_PAIRS_PER_ROW = 50
_ENOUGH_PAIRS = 20_000
_MAX_PRODUCTS = 1 << 30
"""Maximum number of pairs of rows that are compared: half a TFLOP at 512 dims, seconds on one core."""
_MIN_PAIRS = 100
"""Fewer pairs do not allow an estimate of recall to one percent."""
_DEFAULT_PROBES = 8


class Probes(NamedTuple):
    """The chosen number of cells.

    Attributes:
        num_probes: cells that a vector is compared in, including its own.
        num_pairs: pairs of the sample that were evaluated.
        recall: share of these pairs that `num_probes` cells find; None without pairs.
    """

    num_probes: int
    num_pairs: int
    recall: float | None


def choose_probes(
    sample: Chunk, nearest: NDArray[np.int64], min_cosine_similarity: float, min_recall: float, seed: int
) -> Probes:
    """Choose the smallest number of cells that finds the required share of a sample's pairs of videos.

    Two vectors are compared if the own cell of one is among the nearest cells of the other, so a pair needs as many
    cells as the better of its two ranks. Pairs of low similarity need the most cells. At most 50 pairs per row are
    evaluated.

    Args:
        sample: a uniform sample of all rows.
        nearest: int64 (s, c), the cells of each row, the nearest first.
        min_cosine_similarity: threshold of a pair.
        min_recall: share of the pairs to find, in [0, 1].
        seed: of the order in which rows of the sample are evaluated, until there are enough pairs.

    Returns:
        All c cells if fewer do not suffice; at most 8 if the sample has too few pairs for an estimate.
    """
    import numpy as np

    num_cells = nearest.shape[1]
    found = np.zeros(
        num_cells + 1, np.int64
    )  # by the number of cells that a pair needs, minus one; the last: none suffices
    for needed in _rank_pairs(sample, nearest, min_cosine_similarity, seed):
        found += np.bincount(needed, minlength=num_cells + 1)
        if found.sum() >= _ENOUGH_PAIRS:
            break
    num_pairs = int(found.sum())
    if num_pairs < _MIN_PAIRS:
        count = min(_DEFAULT_PROBES, num_cells)
    else:
        enough = np.cumsum(found[:num_cells]) >= min_recall * num_pairs
        count = int(enough.argmax()) + 1 if enough.any() else num_cells
    return Probes(count, num_pairs, float(found[:count].sum() / num_pairs) if num_pairs else None)


def _rank_pairs(
    sample: Chunk, nearest: NDArray[np.int64], min_cosine_similarity: float, seed: int
) -> Iterator[NDArray[np.int64]]:
    """Yield, batch by batch, the better rank of each pair: of one row's cell among the nearest cells of the other."""
    import numpy as np

    rng = np.random.default_rng(seed)
    vectors = np.ascontiguousarray(sample.vectors)
    codes = np.asarray(sample.video_ids.dictionary_encode().indices)
    order = rng.permutation(len(vectors))[: max(1, _MAX_PRODUCTS // max(1, len(vectors)))]
    search = open_range_search(vectors)
    for begin in range(0, len(order), _QUERIES_PER_SEARCH):
        queries = order[begin : begin + _QUERIES_PER_SEARCH]
        rows, others = search(vectors[queries], min_cosine_similarity)
        differ = codes[queries[rows]] != codes[others]
        kept = _sample_per_row(rows[differ], rng)
        rows, others = queries[rows[differ][kept]], others[differ][kept]
        yield np.minimum(_find_rank(nearest[rows], nearest[others, 0]), _find_rank(nearest[others], nearest[rows, 0]))


def _sample_per_row(rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return positions (k,) of at most `_PAIRS_PER_ROW` random pairs per row, so that no large topic dominates."""
    import numpy as np

    shuffled = rng.permutation(len(rows))
    positions = shuffled[np.argsort(rows[shuffled], kind="stable")]
    row = rows[positions]
    is_drawn = np.arange(len(row)) - np.searchsorted(row, row) < _PAIRS_PER_ROW
    drawn: NDArray[np.int64] = positions[is_drawn]
    return drawn


def _find_rank(lists: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of each cell in its list: (p, c), (p,) -> (p,); c if the list does not contain it."""
    import numpy as np

    is_cell = lists == cells[:, None]
    ranks: NDArray[np.int64] = np.where(is_cell.any(axis=1), is_cell.argmax(axis=1), lists.shape[1])
    return ranks
