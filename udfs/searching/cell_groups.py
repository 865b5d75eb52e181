"""Assigns coded vectors to the groups of the cell join: see `udfs.searching.cells.CellPlan`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from udfs.searching.chunks import Chunk, split_chunk
from udfs.searching.codes import CodedRows, read_tables
from udfs.searching.groups import ChunkRole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from udfs.searching.cells import CellPlan


def make_cell_assigner(cells: CellPlan) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that assigns codes to the groups of their cells: -> GROUPED_DDL, by `mapInArrow`.

    Its input is (video_id, probe_cells, code, spread). `spread` is a number >= 0 that differs between rows and selects
    the block in a cell with several. Runs on: executor; holds about 32 MiB of codes and their copies for one probe.
    """
    return partial(_assign, cells=cells)


def _assign(batches: Iterator[pa.RecordBatch], cells: CellPlan) -> Iterator[pa.RecordBatch]:
    """Assign the codes of a partition to groups."""
    import numpy as np

    for table in read_tables(batches):
        coded = CodedRows.read(table)
        chunk = Chunk(coded.video_ids, coded.codes)
        spread = table.column("spread").to_numpy().astype(np.int64)
        yield _pack(chunk, *_assign_own_cell(cells, coded.probes[:, 0], spread), cells)
        for rank in range(1, coded.probes.shape[1]):
            yield _pack(chunk, *_assign_probed_cell(cells, coded.probes[:, rank], spread), cells)


def _assign_own_cell(
    cells: CellPlan, cell: NDArray[np.int64], spread: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Assign vectors to the groups of their own cells: row numbers, groups and roles, each (p,).

    A cell with B blocks and Q query blocks has one group for any two blocks, followed by one group for each block and
    query block. The first of these Q groups of a block also compares its rows with one another.
    """
    import numpy as np

    num_blocks, num_query_blocks = cells.num_blocks[cell], cells.num_query_blocks[cell]
    rows, turn = _repeat(num_query_blocks + num_blocks - 1)
    first, num_blocks, num_query_blocks = cells.first_groups[cell][rows], num_blocks[rows], num_query_blocks[rows]
    block = spread[rows] % num_blocks
    other = turn - num_query_blocks
    other += other >= block
    lower, upper = np.minimum(block, other), np.maximum(block, other)
    block_pair = first + lower * (2 * num_blocks - lower - 1) // 2 + upper - lower - 1
    with_queries = first + num_blocks * (num_blocks - 1) // 2 + block * num_query_blocks + turn
    groups = np.where(turn < num_query_blocks, with_queries, block_pair)
    role = np.where(turn == 0, ChunkRole.SELF_JOINED, ChunkRole.STORED)
    pair_role = np.where(block < other, ChunkRole.QUERY, ChunkRole.STORED)
    return rows, groups, np.where(turn < num_query_blocks, role, pair_role)


def _assign_probed_cell(
    cells: CellPlan, cell: NDArray[np.int64], spread: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Assign vectors as queries to the groups of another cell: row numbers, groups and roles, each (p,)."""
    import numpy as np

    num_blocks, num_query_blocks = cells.num_blocks[cell], cells.num_query_blocks[cell]
    rows, block = _repeat(num_blocks)
    query_block = (spread % num_query_blocks)[rows]
    num_pair_groups = (num_blocks * (num_blocks - 1) // 2)[rows]
    groups = cells.first_groups[cell][rows] + num_pair_groups + block * num_query_blocks[rows] + query_block
    return rows, groups, np.full(len(rows), ChunkRole.QUERY)


def _repeat(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Repeat the number of each row `counts` times. Also return the index of each repetition, from 0."""
    import numpy as np

    rows = np.repeat(np.arange(len(counts)), counts)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)


def _pack(
    chunk: Chunk, rows: NDArray[np.int64], groups: NDArray[np.int64], roles: NDArray[np.int64], cells: CellPlan
) -> pa.RecordBatch:
    """Make rows of GROUPED_DDL."""
    import pyarrow as pa

    keys, video_ids, vectors = split_chunk(chunk, rows, groups * len(ChunkRole) + roles)
    numbers, chunk_roles = keys // len(ChunkRole), keys % len(ChunkRole)
    integers = [pa.array(column, pa.int32()) for column in (cells.tasks[numbers], numbers, chunk_roles)]
    return pa.RecordBatch.from_arrays(
        [*integers, video_ids, vectors], ["task", "group", "role", "video_ids", "vectors"]
    )
