"""Codes: unit vectors as int8 with the numbers of their cells, which the search by cells reads instead of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from udfs.embedding.embed import encode_vectors
from udfs.searching.cells import assign_cells
from udfs.searching.range_search import configure_faiss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

CODE_DDL = "cell INT, probe_cells ARRAY<INT>, code BINARY"
"""The columns that the encoder adds: own cell, the probed cells (own first), and int8 (dim,) of the vector."""
_ROWS_PER_BATCH = 8192
_BYTES_PER_TABLE = 32 << 20
_MARGIN_DEVIATIONS = 6.0
_MARGIN_ROWS = 2048


@dataclass(frozen=True)
class CodedRows:
    """Codes of segments.

    Attributes:
        video_ids: Arrow array of strings (n,).
        codes: int8 (n, dim).
        probes: int64 (n, p), the nearest cells, the own cell first.
    """

    video_ids: pa.Array
    codes: NDArray[np.int8]
    probes: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    @staticmethod
    def read(rows: pa.Table) -> CodedRows:
        """Read the columns video_id, probe_cells and code of at least one row."""
        import numpy as np

        video_ids, probes, packed = (rows.column(n).combine_chunks() for n in ("video_id", "probe_cells", "code"))
        offsets = np.frombuffer(packed.buffers()[1], np.int32)[packed.offset : packed.offset + len(packed) + 1]
        codes = np.frombuffer(packed.buffers()[2], np.int8)[offsets[0] : offsets[-1]].reshape(len(packed), -1)
        numbers = probes.flatten().to_numpy(zero_copy_only=False).reshape(len(packed), -1)
        return CodedRows(video_ids, codes, numbers.astype(np.int64))

    def take(self, rows: NDArray[np.int64]) -> CodedRows:
        """Return some rows, copied."""
        return CodedRows(self.video_ids.take(rows), self.codes[rows], self.probes[rows])


def read_tables(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Combine batches of codes into tables of about 32 MiB. Runs on: executor."""
    import pyarrow as pa

    pending: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows:
            pending.append(batch)
        if sum(part.nbytes for part in pending) >= _BYTES_PER_TABLE:
            yield pa.Table.from_batches(pending)
            pending = []
    if pending:
        yield pa.Table.from_batches(pending)


def decode(codes: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the unit vectors of codes: int8 (n, dim) -> float32 (n, dim).

    The result of a row does not depend on the other rows, so neither do similarities of codes. `unpack_vectors` divides
    in float64, which takes five times as long; a search decodes every code that it reads.
    """
    import numpy as np

    vectors = codes.astype(np.float32)
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))  # integers below 2^24, so the sum is exact in any order
    vectors /= np.where(norms > 0, norms, 1.0)[:, None]
    return vectors


class CodeError(NamedTuple):
    """The error of the cosine similarity of two codes, against that of their vectors.

    Attributes:
        rms: root mean square.
        largest: the largest absolute error.
        num_pairs: number of compared pairs.
    """

    rms: float
    largest: float
    num_pairs: int

    @property
    def margin(self) -> float:
        """Six times the RMS error: a search by codes lowers its threshold by this margin, to miss no pair.

        Rounding errors of a few hundred dimensions are independent and bounded, so their weighted sum is nearly normal
        (Hoeffding, Probability inequalities for sums of bounded random variables, 1963): six deviations are exceeded by
        one pair in a billion.
        """
        return _MARGIN_DEVIATIONS * self.rms


def measure_code_error(sample: NDArray[np.float32]) -> CodeError:
    """Measure the error of codes on the pairs of the first 2048 rows of a sample: float32 (n, dim), unit norm.

    Runs on: driver.
    """
    import numpy as np

    rows = np.ascontiguousarray(sample[:_MARGIN_ROWS])
    decoded = decode(encode_vectors(rows))
    differ = ~np.eye(len(rows), dtype=bool)
    errors = (decoded @ decoded.T - rows @ rows.T)[differ]
    if not errors.size:
        return CodeError(0.0, 0.0, 0)
    return CodeError(float(np.sqrt(np.mean(errors**2))), float(np.abs(errors).max()), errors.size // 2)


def make_encoder(
    centroids: NDArray[np.float32], num_probes: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that replaces the column `vector`, the last one, by those of CODE_DDL, by `mapInArrow`.

    Args:
        centroids: float32 (c, dim), unit norm.
        num_probes: at most c.

    Runs on: executor.
    """
    return partial(_encode, centroids=centroids, num_probes=num_probes)


def _encode(
    batches: Iterator[pa.RecordBatch], centroids: NDArray[np.float32], num_probes: int
) -> Iterator[pa.RecordBatch]:
    """Encode a partition."""
    import numpy as np
    import pyarrow as pa

    configure_faiss()
    for whole in batches:
        for begin in range(0, whole.num_rows, _ROWS_PER_BATCH):
            batch = whole.slice(begin, _ROWS_PER_BATCH)
            count = batch.num_rows
            values = batch.column("vector").flatten().to_numpy(zero_copy_only=False)
            vectors = np.ascontiguousarray(values.reshape(count, -1), np.float32)
            probes = assign_cells(centroids, vectors, num_probes).astype(np.int32)
            offsets = np.arange(count + 1, dtype=np.int32)
            lists = pa.ListArray.from_arrays(pa.array(offsets * num_probes), pa.array(probes.ravel()))
            buffers = [None, pa.py_buffer(offsets * vectors.shape[1]), pa.py_buffer(encode_vectors(vectors))]
            codes = pa.Array.from_buffers(pa.binary(), count, buffers)
            kept = [name for name in batch.schema.names if name != "vector"]
            columns = [*(batch.column(name) for name in kept), pa.array(probes[:, 0]), lists, codes]
            yield pa.RecordBatch.from_arrays(columns, [*kept, "cell", "probe_cells", "code"])
