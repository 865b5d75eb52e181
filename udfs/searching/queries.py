"""Searches a partition with a few query vectors: those of changed videos, or a sample that recall is estimated on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from udfs.searching.chunks import Chunk, read_batches
from udfs.searching.pair_search import search_videos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa


def make_query_searcher(
    queries: Chunk, min_cosine_similarity: float
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that compares all rows with the queries: (video_id, vector, spread) -> FOUND_DDL.

    Several partitions may return the same pair of videos. Runs on: executor, by `mapInArrow`.
    """
    return partial(_search_partition, queries=queries, min_cosine_similarity=min_cosine_similarity)


def _search_partition(
    batches: Iterator[pa.RecordBatch], queries: Chunk, min_cosine_similarity: float
) -> Iterator[pa.RecordBatch]:
    """Search one partition."""
    for chunk, _ in read_batches(batches, "spread"):
        found = search_videos(chunk, queries, min_cosine_similarity, self_join=False)
        if found is not None:
            yield found
