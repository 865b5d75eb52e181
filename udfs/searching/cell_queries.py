"""Searches stored codes with the codes of a night's new segments, without moving the stored ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeAlias

from udfs.searching.codes import CodedRows, decode, read_tables
from udfs.searching.pair_search import SimilarRows, find_similar_rows, keep_most_similar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Blocks: TypeAlias = Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]
    """Row numbers of stored rows, and of the queries that each of them is compared with."""

MATCHED_DDL = "left_id STRING, right_id STRING, cosine_similarity DOUBLE, is_sampled BOOLEAN"


@dataclass(frozen=True)
class CellQueries:
    """The new segments that a search compares with stored ones, and a sample of them.

    Attributes:
        rows: new rows.
        sample: numbers of the rows that are compared with every row of the first cells too, to estimate recall.
        num_sampled_cells: number of these cells.
    """

    rows: CodedRows
    sample: NDArray[np.int64]
    num_sampled_cells: int

    @cached_property
    def by_probe(self) -> dict[int, NDArray[np.int64]]:
        """The queries that probe each cell: their own cells are among these."""
        import numpy as np

        numbers = np.repeat(np.arange(len(self.rows)), self.rows.probes.shape[1])
        return _group(self.rows.probes.ravel(), numbers)

    @cached_property
    def by_cell(self) -> dict[int, NDArray[np.int64]]:
        """The queries whose own cell is each cell."""
        import numpy as np

        return _group(self.rows.probes[:, 0], np.arange(len(self.rows)))


def make_cell_searcher(
    queries: CellQueries, min_cosine_similarity: float
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that compares stored codes with queries: (video_id, probe_cells, code) -> MATCHED_DDL.

    Two rows are compared if the own cell of one is among the probed cells of the other. Rows of one video are never a
    pair, so the queries may be among the stored rows. The pairs of the sample are returned too, with `is_sampled`.
    Several partitions may return the same pair. Similarities are those of the codes.

    Runs on: executor, by `mapInArrow`; memory: the queries, about 32 MiB of codes, and four times as many bytes of
    vectors.
    """
    return partial(_search_partition, queries=queries, min_cosine_similarity=min_cosine_similarity)


def _search_partition(
    batches: Iterator[pa.RecordBatch], queries: CellQueries, min_cosine_similarity: float
) -> Iterator[pa.RecordBatch]:
    """Search the rows of a partition, table by table."""
    import numpy as np

    vectors = decode(queries.rows.codes)
    for table in read_tables(batches):
        stored = CodedRows.read(table)
        ids = np.concatenate([_to_objects(stored.video_ids), _to_objects(queries.rows.video_ids)])
        names, numbers = np.unique(ids, return_inverse=True)
        videos = numbers[: len(stored)], numbers[len(stored) :]
        decoded = decode(stored.codes)
        members = np.flatnonzero(stored.probes[:, 0] < queries.num_sampled_cells)
        exhaustive = iter([(members, queries.sample)] if len(queries.sample) and len(members) else [])
        for blocks, is_sampled in ((find_blocks(stored, queries), False), (exhaustive, True)):
            found = list(_search_blocks(blocks, decoded, vectors, videos, min_cosine_similarity))
            if found:
                yield _make_batch(keep_most_similar(found), names, is_sampled=is_sampled)


def find_blocks(stored: CodedRows, queries: CellQueries) -> Blocks:
    """Yield the rows to compare.

    First the rows of each cell with the queries that probe it, then the rows that probe a cell with the queries of that
    cell. A pair that meets both conditions is compared twice.
    """
    import numpy as np

    for cell, rows in _group(stored.probes[:, 0], np.arange(len(stored))).items():
        if cell in queries.by_probe:
            yield rows, queries.by_probe[cell]
    others = stored.probes[:, 1:]
    numbers = np.repeat(np.arange(len(stored)), others.shape[1])
    is_asked = np.isin(others.ravel(), np.fromiter(queries.by_cell, np.int64))
    for cell, rows in _group(others.ravel()[is_asked], numbers[is_asked]).items():
        yield rows, queries.by_cell[cell]


def _search_blocks(
    blocks: Blocks,
    stored: NDArray[np.float32],
    queries: NDArray[np.float32],
    videos: tuple[NDArray[np.int64], NDArray[np.int64]],
    min_cosine_similarity: float,
) -> Iterator[SimilarRows]:
    """Compare the rows of each block. Yields pairs of videos as numbers, the smaller on the left."""
    import numpy as np

    for rows, asked in blocks:
        pairs = find_similar_rows(stored[rows], queries[asked], min_cosine_similarity)
        one, other = videos[0][rows[pairs.left]], videos[1][asked[pairs.right]]
        differ = one != other
        if differ.any():
            lower, upper = np.minimum(one, other)[differ], np.maximum(one, other)[differ]
            yield keep_most_similar([SimilarRows(lower, upper, pairs.similarities[differ])])


def _group(keys: NDArray[np.int64], values: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Return the values of each key, in their order: (n,), (n,) -> key -> (k,)."""
    import numpy as np

    order = np.argsort(keys, kind="stable")
    found, begins = np.unique(keys[order], return_index=True)
    parts = np.split(values[order], begins[1:])
    return dict(zip(found.tolist(), parts, strict=True)) if len(found) else {}


def _to_objects(ids: pa.Array) -> NDArray[np.object_]:
    """Return strings as Python objects, which NumPy sorts."""
    values: NDArray[np.object_] = ids.to_numpy(zero_copy_only=False)
    return values.astype(object)


def _make_batch(pairs: SimilarRows, names: NDArray[np.object_], *, is_sampled: bool) -> pa.RecordBatch:
    """Make rows of MATCHED_DDL."""
    import pyarrow as pa

    ids = [pa.array(names[numbers], pa.string()) for numbers in (pairs.left, pairs.right)]
    marks = pa.array([is_sampled] * len(pairs.left), pa.bool_())
    columns = ["left_id", "right_id", "cosine_similarity", "is_sampled"]
    return pa.RecordBatch.from_arrays([*ids, pa.array(pairs.similarities), marks], columns)
