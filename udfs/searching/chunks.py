"""Chunks: many vectors packed in one row, so that Spark shuffles few and large rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

CHUNK_DDL = "video_ids ARRAY<STRING>, vectors BINARY"
"""`vectors` is float32, little-endian, or int8 if they are codes: (len(video_ids), dim), row-major."""
_VALUES_PER_CHUNK = 1 << 23
"""32 MiB of vectors, which a task collects before it packs them."""


@dataclass(frozen=True)
class Chunk:
    """Vectors that are moved together.

    Attributes:
        video_ids: Arrow array of strings (n,), the video of each vector.
        vectors: float32 (n, dim), or int8 if they are codes (`udfs.searching.codes`).
    """

    video_ids: pa.Array
    vectors: NDArray[Any]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.vectors)

    @staticmethod
    def join(chunks: Sequence[Chunk]) -> Chunk:
        """Concatenate chunks."""
        import numpy as np
        import pyarrow as pa

        if len(chunks) == 1:
            return chunks[0]
        return Chunk(
            pa.concat_arrays([chunk.video_ids for chunk in chunks]),
            np.concatenate([chunk.vectors for chunk in chunks]),
        )


def read_batches(batches: Iterator[pa.RecordBatch], key: str) -> Iterator[tuple[Chunk, NDArray[np.int64]]]:
    """Combine batches of (video_id, vector and an integer `key`) into chunks of about 32 MiB, with their keys.

    Runs on: executor.
    """
    import numpy as np

    pending: list[tuple[Chunk, NDArray[np.int64]]] = []
    num_values = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        vectors = batch.column("vector").flatten().to_numpy(zero_copy_only=False).reshape(batch.num_rows, -1)
        keys = batch.column(key).to_numpy(zero_copy_only=False).astype(np.int64)
        pending.append((Chunk(batch.column("video_id"), vectors), keys))
        num_values += vectors.size
        if num_values >= _VALUES_PER_CHUNK:
            yield _join(pending)
            pending, num_values = [], 0
    if pending:
        yield _join(pending)


def _join(parts: Sequence[tuple[Chunk, NDArray[np.int64]]]) -> tuple[Chunk, NDArray[np.int64]]:
    """Concatenate chunks and their keys."""
    import numpy as np

    return Chunk.join([chunk for chunk, _ in parts]), np.concatenate([keys for _, keys in parts])


def split_chunk(
    chunk: Chunk, rows: NDArray[np.int64], keys: NDArray[np.int64]
) -> tuple[NDArray[np.int64], pa.Array, pa.Array]:
    """Split a chunk into one chunk per key.

    Args:
        chunk: vectors.
        rows: row numbers (p,); a row may occur under several keys.
        keys: the key of each row number (p,).

    Returns:
        The distinct keys (k,), ascending, and the columns of CHUNK_DDL with k rows each.
    """
    import numpy as np
    import pyarrow as pa

    order = np.argsort(keys, kind="stable")
    found, begins = np.unique(keys[order], return_index=True)
    selected = rows[order]
    video_ids = pa.ListArray.from_arrays(
        pa.array(np.append(begins, len(order)), pa.int32()), chunk.video_ids.take(selected)
    )
    vectors = np.ascontiguousarray(chunk.vectors[selected])
    offsets = np.append(begins, len(order)) * (vectors.itemsize * vectors.shape[1])
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(vectors)]
    return found, video_ids, pa.Array.from_buffers(pa.binary(), len(found), buffers)


def pack_blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pack vectors by block: (video_id, vector, block) -> (block INT, CHUNK_DDL), by `mapInArrow`.

    Runs on: executor; holds about 32 MiB of vectors at a time.
    """
    import numpy as np
    import pyarrow as pa

    for chunk, blocks in read_batches(batches, "block"):
        found, video_ids, vectors = split_chunk(chunk, np.arange(len(chunk)), blocks)
        yield pa.RecordBatch.from_arrays(
            [pa.array(found, pa.int32()), video_ids, vectors], ["block", "video_ids", "vectors"]
        )


def read_chunks(batch: pa.RecordBatch, *, is_coded: bool) -> Iterator[Chunk]:
    """Read rows of CHUNK_DDL without copying the vectors, or the codes if `is_coded`."""
    import numpy as np

    video_ids = batch.column("video_ids")
    for place, packed in enumerate(batch.column("vectors")):
        ids = video_ids[place].values
        vectors = np.frombuffer(packed.as_buffer(), dtype=np.int8 if is_coded else "<f4")
        yield Chunk(ids, vectors.reshape(len(ids), -1))
