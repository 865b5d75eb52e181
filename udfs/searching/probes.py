"""How many cells a vector must be looked for in: as few as miss hardly a pair of a sample. Runs on: driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from udfs.searching.nearest import open_range_search

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from udfs.searching.chunks import Chunk

MAX_PROBES = 64
_QUERIES_AT_ONCE = 64
"""They may meet every row: 64 x 2^18 pairs take 200 MB."""
_PAIRS_OF_A_ROW = 50
_ENOUGH_PAIRS = 20_000
_MAX_PRODUCTS = 1 << 30
"""Pairs of rows that are compared, at most: half a TFLOP at 512 dims, seconds of one core."""
_FEW_PAIRS = 100
"""Fewer say little of one in a hundred."""
_PROBES_OF_FEW = 8


class Probes(NamedTuple):
    """How many cells were chosen.

    Attributes:
        num_probes: cells that a vector is looked for in, its own among them.
        num_pairs: pairs that were looked at.
        recall: share of them that so many cells find; None of none.
    """

    num_probes: int
    num_pairs: int
    recall: float | None


def choose_probes(
    sample: Chunk, nearest: NDArray[np.int64], min_cosine_similarity: float, min_recall: float, seed: int
) -> Probes:
    """Choose the fewest cells with which a sample's pairs of videos are found.

    Two vectors miss each other where neither's own cell is among the other's nearest, so a pair needs as many as the
    better of two ranks. How much alike the pairs are that are wanted decides: the faintest need most. Of each row up to
    50 pairs are looked at.

    Args:
        sample: drawn evenly from all rows.
        nearest: int64 (s, c), the cells of each, the nearest first.
        min_cosine_similarity: of a pair.
        min_recall: share of the pairs that is to be found, in [0, 1].
        seed: of the order in which the sample is looked through, until enough pairs have been seen.

    Returns:
        All c cells where fewer do not suffice; 8 at most where the sample has too few pairs to tell.
    """
    import numpy as np

    num_cells = nearest.shape[1]
    found = np.zeros(num_cells + 1, np.int64)  # by the number of cells that a pair needs, less one; the last: more
    for needed in _ranks(sample, nearest, min_cosine_similarity, seed):
        found += np.bincount(needed, minlength=num_cells + 1)
        if found.sum() >= _ENOUGH_PAIRS:
            break
    num_pairs = int(found.sum())
    if num_pairs < _FEW_PAIRS:
        count = min(_PROBES_OF_FEW, num_cells)
    else:
        enough = np.cumsum(found[:num_cells]) >= min_recall * num_pairs
        count = int(enough.argmax()) + 1 if enough.any() else num_cells
    return Probes(count, num_pairs, float(found[:count].sum() / num_pairs) if num_pairs else None)


def _ranks(
    sample: Chunk, nearest: NDArray[np.int64], min_cosine_similarity: float, seed: int
) -> Iterator[NDArray[np.int64]]:
    """Give, for the pairs of some rows after others, at which rank one's cell comes among the other's; c: nowhere."""
    import numpy as np

    chance = np.random.default_rng(seed)
    vectors = np.ascontiguousarray(sample.vectors)
    codes = np.asarray(sample.video_ids.dictionary_encode().indices)
    order = chance.permutation(len(vectors))[: max(1, _MAX_PRODUCTS // max(1, len(vectors)))]
    search = open_range_search(vectors)
    for begin in range(0, len(order), _QUERIES_AT_ONCE):
        queries = order[begin : begin + _QUERIES_AT_ONCE]
        rows, others = search(vectors[queries], min_cosine_similarity)
        differ = codes[queries[rows]] != codes[others]
        kept = _draw_some(rows[differ], chance)
        rows, others = queries[rows[differ][kept]], others[differ][kept]
        yield np.minimum(_rank(nearest[rows], nearest[others, 0]), _rank(nearest[others], nearest[rows, 0]))


def _draw_some(rows: NDArray[np.int64], chance: np.random.Generator) -> NDArray[np.int64]:
    """Draw places (k,) of at most `_PAIRS_OF_A_ROW` pairs of each row, so that no large topic speaks for all."""
    import numpy as np

    shuffled = chance.permutation(len(rows))
    places = shuffled[np.argsort(rows[shuffled], kind="stable")]
    row = rows[places]
    is_drawn = np.arange(len(row)) - np.searchsorted(row, row) < _PAIRS_OF_A_ROW
    drawn: NDArray[np.int64] = places[is_drawn]
    return drawn


def _rank(lists: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place of each cell in its list: (p, c), (p,) -> (p,); c where it is not there."""
    import numpy as np

    is_here = lists == cells[:, None]
    ranks: NDArray[np.int64] = np.where(is_here.any(axis=1), is_here.argmax(axis=1), lists.shape[1])
    return ranks
