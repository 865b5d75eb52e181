"""Groups of chunks whose vectors are compared in one task, and the search of each group."""

from __future__ import annotations

from collections import defaultdict
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING

from udfs.searching.chunks import CHUNK_DDL, Chunk, read_chunks
from udfs.searching.codes import decode
from udfs.searching.pair_search import search_videos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

FOUND_DDL = "left_id STRING, right_id STRING, cosine_similarity DOUBLE"
GROUPED_DDL = f"task INT, group INT, role INT, {CHUNK_DDL}"


class ChunkRole(IntEnum):
    """What the vectors of a chunk are compared with in a group."""

    QUERY = 0
    """With the stored vectors, but not with one another."""
    STORED = 1
    """With the queries."""
    SELF_JOINED = 2
    """With the queries and with one another."""


def make_group_searcher(
    min_cosine_similarity: float, *, is_coded: bool = False
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that searches each group separately: GROUPED_DDL -> FOUND_DDL, by `mapInArrow`.

    With `is_coded`, the chunks hold codes (`udfs.searching.codes`), and the similarities are those of the codes. All
    chunks of a group must be in one partition. Each group returns a pair of videos at most once. Runs on: executor;
    memory: the chunks of its partition, and twice those of its largest group.
    """
    return partial(_search_groups, min_cosine_similarity=min_cosine_similarity, is_coded=is_coded)


def _search_groups(
    batches: Iterator[pa.RecordBatch], min_cosine_similarity: float, *, is_coded: bool
) -> Iterator[pa.RecordBatch]:
    """Collect the chunks of a partition by group, then search one group after another."""
    groups: dict[int, dict[ChunkRole, list[Chunk]]] = defaultdict(lambda: defaultdict(list))
    for batch in batches:
        numbers, roles = batch.column("group").to_pylist(), batch.column("role").to_pylist()
        for number, role, chunk in zip(numbers, roles, read_chunks(batch, is_coded=is_coded), strict=True):
            groups[number][ChunkRole(role)].append(chunk)
    for number in sorted(groups):
        found = _search_group(groups.pop(number), min_cosine_similarity)
        if found is not None:
            yield found


def _search_group(chunks: dict[ChunkRole, list[Chunk]], min_cosine_similarity: float) -> pa.RecordBatch | None:
    """Search one group."""
    stored = [*chunks.get(ChunkRole.STORED, []), *chunks.get(ChunkRole.SELF_JOINED, [])]
    queries = chunks.get(ChunkRole.QUERY, [])
    if not stored:
        return None
    return search_videos(
        _join(stored),
        _join(queries) if queries else None,
        min_cosine_similarity,
        self_join=ChunkRole.SELF_JOINED in chunks,
    )


def _join(chunks: list[Chunk]) -> Chunk:
    """Concatenate chunks, and decode them if they are codes."""
    import numpy as np

    joined = Chunk.join(chunks)
    return Chunk(joined.video_ids, decode(joined.vectors)) if joined.vectors.dtype == np.int8 else joined
