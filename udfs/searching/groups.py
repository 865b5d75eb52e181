"""Which vectors meet in one task: groups of chunks, and the search inside each."""

from __future__ import annotations

from collections import defaultdict
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING

from udfs.searching.chunks import CHUNK_DDL, Chunk, read_chunks
from udfs.searching.search import search_videos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

FOUND_DDL = "left_id STRING, right_id STRING, cosine_similarity DOUBLE"
GROUPED_DDL = f"task INT, group INT, role INT, {CHUNK_DDL}"


class Role(IntEnum):
    """What a chunk does in a group."""

    QUERY = 0
    """Its rows meet the stored ones, not one another."""
    STORED = 1
    """Its rows meet the queries."""
    MEMBER = 2
    """As STORED; and they meet one another."""


def group_searcher(
    min_cosine_similarity: float,
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that searches each group by itself: GROUPED_DDL -> FOUND_DDL, by `mapInArrow`.

    All chunks of a group must be in one partition. A pair of videos comes once from each group. Runs on: executor;
    memory: the chunks of its partition, and twice those of its largest group.
    """
    return partial(_search_groups, min_cosine_similarity=min_cosine_similarity)


def _search_groups(batches: Iterator[pa.RecordBatch], min_cosine_similarity: float) -> Iterator[pa.RecordBatch]:
    """Gather the chunks of a partition by group, then search group after group."""
    groups: dict[int, dict[Role, list[Chunk]]] = defaultdict(lambda: defaultdict(list))
    for batch in batches:
        numbers, roles = batch.column("group").to_pylist(), batch.column("role").to_pylist()
        for number, role, chunk in zip(numbers, roles, read_chunks(batch), strict=True):
            groups[number][Role(role)].append(chunk)
    for number in sorted(groups):
        found = _search_group(groups.pop(number), min_cosine_similarity)
        if found is not None:
            yield found


def _search_group(chunks: dict[Role, list[Chunk]], min_cosine_similarity: float) -> pa.RecordBatch | None:
    """Search one group."""
    stored = [*chunks.get(Role.STORED, []), *chunks.get(Role.MEMBER, [])]
    queries = chunks.get(Role.QUERY, [])
    if not stored:
        return None
    return search_videos(
        Chunk.join(stored),
        Chunk.join(queries) if queries else None,
        min_cosine_similarity,
        meet_one_another=Role.MEMBER in chunks,
    )
