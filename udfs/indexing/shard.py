"""A shard of the index: a FAISS file with the segments of some videos, and an Arrow file with the videos' frames.

A task of a nightly run writes it once. It never changes, and readers map both files into memory.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from udfs.indexing.shard_codes import ShardCodes, write_codes
from udfs.searching.pair_search import search_few_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from udfs.indexing.shard_codes import VideoVectors
    from udfs.indexing.store import Store
    from udfs.searching.cells import Cells

VECTORS_FILE = "vectors.faiss"
VIDEOS_FILE = "videos.arrow"
WRITTEN_DDL = "shard STRING, row INT, video_id STRING, content_sha256 STRING, num_segments INT"
SEGMENT_COLUMNS = (
    "video_id",
    "segment_index",
    "content_sha256",
    "end_seconds",
    "vector",
    "frame_seconds",
    "frame_vectors",
    "frame_backgrounds",
)
"""The columns of `embeddings` that a shard stores."""
FRAME_COLUMNS = ("end_seconds", "frame_seconds", "frame_vectors", "frame_backgrounds")
"""The columns of a video, besides its vector, that alignment needs."""
THUMBNAILS = "thumbnails"
"""A further column of whole videos, which the second look needs. Shards of earlier versions do not have it."""
FRAME_DETAILS = "frame_details"
"""A further column of whole videos, stored beside the thumbnails, which says what is content."""


def make_shard_writer(
    store: Store, run_id: str, cells: Cells | None = None
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the function that writes a partition as one shard: SEGMENT_COLUMNS -> WRITTEN_DDL, by `mapInArrow`.

    The columns THUMBNAILS and FRAME_DETAILS are stored too if the batches have them. A partition must hold all segments
    of its videos, sorted by video_id and segment_index. An empty partition writes no shard. The name of a shard has the
    task attempt, so that two attempts never write the same file.

    Args:
        store: the folder of shards.
        run_id: prefix of shard names.
        cells: the shard also stores codes, sorted by these; None stores vectors only.

    Runs on: executor; memory: the vectors of its partition.
    """
    return partial(_write_partition, store=store, run_id=run_id, cells=cells)


def _write_partition(
    batches: Iterator[pa.RecordBatch], store: Store, run_id: str, cells: Cells | None
) -> Iterator[pa.RecordBatch]:
    """Write a partition that has rows as one shard."""
    from pyspark import TaskContext

    task = TaskContext.get()
    number, attempt = (task.partitionId(), task.taskAttemptId()) if task is not None else (0, 0)
    non_empty = (batch for batch in batches if batch.num_rows)
    first = next(non_empty, None)
    if first is not None:
        yield write_shard(store, f"{run_id}-{number:05d}-{attempt}", first, non_empty, cells)


def write_shard(
    store: Store, name: str, first: pa.RecordBatch, others: Iterator[pa.RecordBatch], cells: Cells | None = None
) -> pa.RecordBatch:
    """Write batches of SEGMENT_COLUMNS as a shard. Return one row of WRITTEN_DDL per video."""
    import faiss
    import numpy as np
    import pyarrow as pa
    from pyarrow import ipc

    index = faiss.IndexFlatIP(len(first.column("vector")[0]))
    videos: list[pa.RecordBatch] = []
    with store.write_folder(name) as folder:
        with ipc.new_file(str(folder / VIDEOS_FILE), _select_videos(first, 0).schema) as file:
            for batch in chain([first], others):
                wholes = _select_videos(batch, index.ntotal)
                index.add(batch.column("vector").flatten().to_numpy().reshape(batch.num_rows, -1))
                if wholes.num_rows:
                    file.write_batch(wholes)
                    videos.append(wholes.select(["video_id", "content_sha256", "first_segment"]))
        faiss.write_index(index, str(folder / VECTORS_FILE))
        if cells is not None:
            vectors = faiss.rev_swig_ptr(index.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)
            write_codes(folder, vectors, cells)
    written = pa.Table.from_batches(videos).combine_chunks()
    begins = written.column("first_segment").to_numpy()
    counts = np.diff(np.append(begins, index.ntotal)).astype(np.int32)
    columns = [pa.array([name] * len(begins)), pa.array(np.arange(len(begins), dtype=np.int32))]
    columns += [written.column(column).combine_chunks() for column in ("video_id", "content_sha256")]
    return pa.RecordBatch.from_arrays(
        [*columns, pa.array(counts)], ["shard", "row", "video_id", "content_sha256", "num_segments"]
    )


def _select_videos(batch: pa.RecordBatch, num_before: int) -> pa.RecordBatch:
    """Select the rows of whole videos, and add the number of each video's first segment in the shard."""
    import numpy as np
    import pyarrow as pa

    positions = np.flatnonzero(batch.column("segment_index").to_numpy() == 0)
    names = ["video_id", "content_sha256", *FRAME_COLUMNS]
    names += [name for name in (THUMBNAILS, FRAME_DETAILS) if name in batch.schema.names]
    kept = batch.select(names).take(pa.array(positions))
    return kept.append_column("first_segment", pa.array(positions.astype(np.int64) + num_before))


@dataclass(frozen=True)
class IndexShard:
    """A memory-mapped shard: the system loads pages on first access and may evict them.

    Attributes:
        name: name of its folder.
        vectors: float32 (num_segments, dim), unit norm, read only.
        videos: Arrow table: video_id, content_sha256, FRAME_COLUMNS, first_segment; THUMBNAILS and FRAME_DETAILS if
            stored.
        first_segments: int64 (num_videos,), ascending.
        owner: the FAISS index that owns the memory of `vectors`.
        codes: the codes of the segments; None if the lake had no cells when the shard was written.
    """

    name: str
    vectors: NDArray[np.float32]
    videos: pa.Table
    first_segments: NDArray[np.int64]
    owner: Any
    codes: ShardCodes | None = None

    @classmethod
    def open(cls, folder: Path) -> IndexShard:
        """Open a shard.

        Raises:
            FileNotFoundError: a file is missing.
        """
        import faiss
        import pyarrow as pa
        from pyarrow import ipc

        videos = ipc.open_file(pa.memory_map(str(folder / VIDEOS_FILE))).read_all()
        vectors, codes = folder / VECTORS_FILE, ShardCodes.open(folder)
        if codes is None:
            _read_ahead(vectors)
        index = faiss.read_index(str(vectors), faiss.IO_FLAG_MMAP_IFC)
        begin = index.get_xb()  # type: ignore[attr-defined]  # FAISS declares only the base class
        values = faiss.rev_swig_ptr(begin, index.ntotal * index.d).reshape(index.ntotal, index.d)
        return cls(folder.name, values, videos, videos.column("first_segment").to_numpy(), index, codes)

    def search(self, queries: VideoVectors, min_cosine_similarity: float) -> NDArray[np.int64]:
        """Find the segments that reach a similarity to a query: int64 (k,), ascending.

        A shard with codes compares those near the queries, and then the vectors of similar ones. Others compare all
        vectors.

        Args:
            queries: the vectors of a video.
            min_cosine_similarity: in [-1, 1].
        """
        import numpy as np

        if self.codes is None:
            return np.unique(search_few_queries(self.vectors, queries.vectors, min_cosine_similarity).left)
        near = self.codes.search(queries, min_cosine_similarity)
        return near[np.unique(search_few_queries(self.vectors[near], queries.vectors, min_cosine_similarity).left)]

    def find_videos(self, segments: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the video of each segment: row numbers of `videos`."""
        import numpy as np

        return np.searchsorted(self.first_segments, segments, side="right") - 1

    def read_video(self, row: int) -> dict[str, Any]:
        """Read the columns of a video that alignment needs: `vector` and FRAME_COLUMNS, as in `embeddings`.

        `frame_details` is None if the details of the frames are not stored.
        """
        columns = {name: self.videos.column(name)[row] for name in FRAME_COLUMNS}
        return {
            "vector": self.vectors[self.first_segments[row]],
            "end_seconds": columns["end_seconds"].as_py(),
            "frame_seconds": columns["frame_seconds"].values.to_numpy(),
            "frame_vectors": columns["frame_vectors"].as_buffer(),
            "frame_backgrounds": columns["frame_backgrounds"].values.to_numpy(),
            FRAME_DETAILS: self._read_details(row),
        }

    def _read_details(self, row: int) -> NDArray[np.float32] | None:
        """Return the details of the frames of a video; None if they are not stored."""
        if FRAME_DETAILS not in self.videos.schema.names:
            return None
        stored = self.videos.column(FRAME_DETAILS)[row]
        return stored.values.to_numpy() if stored.is_valid else None

    def read_thumbnails(self, row: int, numbers: Sequence[int]) -> list[bytes] | None:
        """Return the thumbnails of some frames of a video; None if they are not stored."""
        if THUMBNAILS not in self.videos.schema.names:
            return None
        stored = self.videos.column(THUMBNAILS)[row]
        return [stored[number].as_py() for number in numbers] if stored.is_valid else None


def _read_ahead(file: Path) -> None:
    """Let the system read a file that is searched as a whole: FAISS advises it of random access, page by page."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
    finally:
        os.close(descriptor)
