"""The segments of a shard as codes, sorted by cell, so that a check of one video reads only the cells near it.

A search of all vectors reads 2 KB per segment. Codes have a quarter of that, and only those of a few cells are read.
"""

from __future__ import annotations

import hashlib
import json
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from udfs.embedding.embed import encode_vectors
from udfs.searching.cells import Cells, assign_cells

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_CARD = "cells.json"
_ARRAYS = ("codes", "norms", "segments", "own_begins", "probing", "probing_begins")
"""Files of `ShardCodes`, with the names of its attributes."""
_ROWS_PER_BATCH = 4096
"""8 MB of decoded codes at 512 dims, which the caches of a processor hold."""


def write_codes(folder: Path, vectors: NDArray[np.float32], cells: Cells) -> None:
    """Write the codes of a shard's segments beside its other files.

    Args:
        folder: of the shard.
        vectors: float32 (n, dim), unit norm, n at least 1.
        cells: those of the lake. The shard stores their centroids, so that it is complete without the lake.

    Runs on: executor; memory: the codes, and the cells of each segment.
    """
    import numpy as np

    count = len(vectors)
    probes = np.empty((count, cells.num_probes), np.int32)
    codes = np.empty(vectors.shape, np.int8)
    for begin in range(0, count, _ROWS_PER_BATCH):
        part = slice(begin, begin + _ROWS_PER_BATCH)
        rows = np.ascontiguousarray(vectors[part])
        probes[part] = assign_cells(cells.centroids, rows, cells.num_probes)
        codes[part] = encode_vectors(rows)
    order = np.argsort(probes[:, 0], kind="stable")
    codes, probes = codes[order], probes[order]
    numbers = np.arange(len(cells.centroids) + 1)
    probed = probes[:, 1:].ravel()
    by_probe = np.argsort(probed, kind="stable")
    arrays = {
        "centroids": cells.centroids,
        "codes": codes,
        "norms": np.linalg.norm(codes.astype(np.float32), axis=1),
        "segments": order.astype(np.int32),
        "own_begins": np.searchsorted(probes[:, 0], numbers),
        "probing": (by_probe // max(1, cells.num_probes - 1)).astype(np.int32),
        "probing_begins": np.searchsorted(probed[by_probe], numbers),
    }
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values, allow_pickle=False)
    digest = hashlib.sha256(cells.centroids.tobytes()).hexdigest()
    card = {"version": cells.version, "num_probes": cells.num_probes, "margin": cells.margin, "sha256": digest}
    (folder / _CARD).write_text(json.dumps(card) + "\n", encoding="utf-8")


class VideoVectors:
    """The vectors of one video, which is compared with the segments of shards.

    Args:
        vectors: float32 (q, dim), unit norm.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self.vectors = vectors
        self._probes: dict[str, NDArray[np.int64]] = {}

    def find_probes(self, codes: ShardCodes) -> NDArray[np.int64]:
        """Return the nearest cells of each vector, int64 (q, p), which shards with the same cells share."""
        cells, name = codes.cells, codes.cells_sha256
        if name not in self._probes:
            self._probes[name] = assign_cells(cells.centroids, self.vectors, cells.num_probes)
        return self._probes[name]


@dataclass(frozen=True)
class ShardCodes:
    """The codes of a shard, mapped into memory. Several threads may use them at once.

    Attributes:
        cells: those of the lake when the shard was written.
        cells_sha256: of their centroids. Shards with the same value have the same cells.
        codes: int8 (n, dim), sorted by own cell.
        norms: float32 (n,), the norm of each code.
        segments: int32 (n,), the number of each code's segment in the shard.
        own_begins: int64 (c + 1,), the first code of each cell.
        probing: int32 (m,), codes of other cells that probe each cell.
        probing_begins: int64 (c + 1,), where those of each cell begin in `probing`.
        mapped: memory of `codes`.
    """

    cells: Cells
    cells_sha256: str
    codes: NDArray[np.int8]
    norms: NDArray[np.float32]
    segments: NDArray[np.int32]
    own_begins: NDArray[np.int64]
    probing: NDArray[np.int32]
    probing_begins: NDArray[np.int64]
    mapped: mmap.mmap

    @classmethod
    def open(cls, folder: Path) -> ShardCodes | None:
        """Open the codes of a shard; None if it was written without cells."""
        card = folder / _CARD
        if not card.exists():
            return None
        known = json.loads(card.read_text(encoding="utf-8"))
        arrays = {name: _map_array(folder / f"{name}.npy") for name in ("centroids", *_ARRAYS)}
        centroids, mapped = arrays.pop("centroids")[0], arrays["codes"][1]
        cells = Cells(centroids, known["num_probes"], known["margin"], known["version"])
        values = {name: array for name, (array, _) in arrays.items()}
        return cls(cells, known["sha256"], **values, mapped=mapped)

    def search(self, queries: VideoVectors, min_cosine_similarity: float) -> NDArray[np.int64]:
        """Return the segments that may reach a similarity to a query: int64 (k,), ascending.

        These are at least the segments that a nightly run compares with the queries and whose similarity suffices: in
        the probed cells of a query, or in a cell that is near and whose member probes the own cell of a query.

        Args:
            queries: the vectors of a video.
            min_cosine_similarity: in [-1, 1]; the margin of the codes is subtracted.
        """
        import numpy as np

        probes = queries.find_probes(self)
        own = _list_ranges(self.own_begins, np.unique(probes))
        probing = self.probing[_list_ranges(self.probing_begins, np.unique(probes[:, 0]))]
        positions = np.union1d(own, probing)
        least = min_cosine_similarity - self.cells.margin
        found = [np.empty(0, np.int64)]
        for begin in range(0, len(positions), _ROWS_PER_BATCH):
            part = positions[begin : begin + _ROWS_PER_BATCH]
            highest = (self.codes[part].astype(np.float32) @ queries.vectors.T).max(axis=1)
            found.append(self.segments[part[highest >= least * self.norms[part]]].astype(np.int64))
        # Pages that were read count as memory of this process until they are released. The system still caches them.
        self.mapped.madvise(mmap.MADV_DONTNEED)
        return np.sort(np.concatenate(found))


def _map_array(file: Path) -> tuple[Any, mmap.mmap]:
    """Map an array that `numpy.save` wrote; also return the mapping."""
    import numpy as np
    from numpy.lib import format as npy

    with file.open("rb") as stream:
        npy.read_magic(stream)
        shape, _, dtype = npy.read_array_header_1_0(stream)
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return np.ndarray(shape, dtype, mapped, stream.tell()), mapped


def _list_ranges(begins: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers from `begins[cell]` to before `begins[cell + 1]` for each cell, in order."""
    import numpy as np

    lengths = begins[cells + 1] - begins[cells]
    starts = np.repeat(begins[cells] - np.cumsum(lengths) + lengths, lengths)
    return starts + np.arange(len(starts))
