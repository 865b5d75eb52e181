"""A few rows against all that a partition holds: what is new on a night, or a sample that an estimate is made of."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from udfs.searching.chunks import Chunk, read_batches
from udfs.searching.search import search_videos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa


def rows_searcher(
    rows: Chunk, min_cosine_similarity: float
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that holds some rows against all: (video_id, vector, spread) -> FOUND_DDL.

    A pair of videos may come from several partitions. Runs on: executor, by `mapInArrow`.
    """
    return partial(_search_rows, rows=rows, min_cosine_similarity=min_cosine_similarity)


def _search_rows(
    batches: Iterator[pa.RecordBatch], rows: Chunk, min_cosine_similarity: float
) -> Iterator[pa.RecordBatch]:
    """Search a partition."""
    for chunk, _ in read_batches(batches, "spread"):
        found = search_videos(chunk, rows, min_cosine_similarity, meet_one_another=False)
        if found is not None:
            yield found
