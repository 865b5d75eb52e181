"""A shard returns what was written to it, and its search agrees with a matrix product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from tests.support.indexes import SEGMENT_SCHEMA
from udfs.embedding.embed import pack_vectors
from udfs.indexing.shard import SEGMENT_COLUMNS, IndexShard, make_shard_writer, write_shard
from udfs.indexing.shard_codes import VideoVectors
from udfs.indexing.store import Store
from udfs.searching.cells import Cells

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DIM = 32
SEGMENTS = (3, 1, 4, 2)


def draw(count: int, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((count, DIM), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_rows() -> list[dict[str, Any]]:
    vectors = iter(draw(sum(SEGMENTS)))
    rows: list[dict[str, Any]] = []
    for number, count in enumerate(SEGMENTS):
        frames = {
            "frame_seconds": np.arange(number + 2.0),
            "frame_vectors": pack_vectors(draw(number + 2, number)),
            "frame_backgrounds": np.linspace(0, 1, number + 2, dtype=np.float32),
            "thumbnails": [b"%d.%d" % (number, frame) for frame in range(number + 2)] if number else None,
            "frame_details": np.linspace(0.25, 0.5, number + 2, dtype=np.float32) if number else None,
        }
        for index in range(count):
            row = {"video_id": f"v{number}", "segment_index": index, "content_sha256": f"sha{number}"}
            rows.append(row | {"end_seconds": 9.0 + number, "vector": next(vectors)} | (frames if not index else {}))
    return rows


@pytest.fixture
def batches() -> list[pa.RecordBatch]:
    """Three batches. The first two share the segments of one video, and the second contains no whole video."""
    rows = make_rows()
    return [pa.RecordBatch.from_pylist(part, schema=SEGMENT_SCHEMA) for part in (rows[:2], rows[2:3], rows[3:])]


@pytest.fixture
def shard(batches: list[pa.RecordBatch], tmp_path: Path) -> IndexShard:
    store = Store.of(str(tmp_path))
    write_shard(store, "one", batches[0], iter(batches[1:]))
    return IndexShard.open(store.fetch("one"))


def test_write_shard_returns_the_position_of_every_video(batches: list[pa.RecordBatch], tmp_path: Path) -> None:
    written = write_shard(Store.of(str(tmp_path)), "one", batches[0], iter(batches[1:])).to_pylist()
    assert [(row["shard"], row["row"], row["video_id"], row["num_segments"]) for row in written] == [
        ("one", number, f"v{number}", count) for number, count in enumerate(SEGMENTS)
    ]


def test_vectors_and_frames_are_read_back_unchanged(shard: IndexShard) -> None:
    rows = make_rows()
    assert np.array_equal(shard.vectors, np.stack([row["vector"] for row in rows]))
    for number, row in enumerate(row for row in rows if row["segment_index"] == 0):
        video = shard.read_video(number)
        assert np.array_equal(video["vector"], row["vector"])
        assert video["end_seconds"] == row["end_seconds"]
        assert np.array_equal(video["frame_seconds"], row["frame_seconds"])
        assert bytes(video["frame_vectors"]) == row["frame_vectors"]
        assert np.array_equal(video["frame_backgrounds"], row["frame_backgrounds"])
        if number:
            assert video["frame_details"].dtype == np.float32
            assert np.array_equal(video["frame_details"], row["frame_details"])


def test_thumbnails_of_some_frames_are_read_back(shard: IndexShard) -> None:
    assert shard.read_thumbnails(2, [3, 0]) == [b"2.3", b"2.0"]
    assert shard.read_thumbnails(1, []) == []


def test_a_video_without_thumbnails_has_none(shard: IndexShard) -> None:
    assert shard.read_thumbnails(0, [0]) is None
    assert shard.read_video(0)["frame_details"] is None


def test_a_shard_of_an_earlier_version_has_no_thumbnails(batches: list[pa.RecordBatch], tmp_path: Path) -> None:
    old = [batch.select(SEGMENT_COLUMNS) for batch in batches]
    store = Store.of(str(tmp_path))
    write_shard(store, "old", old[0], iter(old[1:]))
    shard = IndexShard.open(store.fetch("old"))
    assert shard.read_thumbnails(2, [3, 0]) is None
    assert shard.read_video(2)["end_seconds"] == 11.0
    assert shard.read_video(2)["frame_details"] is None


def test_each_segment_belongs_to_its_video(shard: IndexShard) -> None:
    expected = np.repeat(np.arange(len(SEGMENTS)), SEGMENTS)
    assert np.array_equal(shard.find_videos(np.arange(sum(SEGMENTS))), expected)


def test_search_agrees_with_a_matrix_product(shard: IndexShard) -> None:
    queries = draw(5, seed=3)
    found = shard.search(VideoVectors(queries), 0.1)
    expected = (np.round(shard.vectors.astype(float) @ queries.T.astype(float), 6) >= 0.1).any(axis=1)
    assert found.tolist() == np.flatnonzero(expected).tolist()
    assert 0 < len(found) < sum(SEGMENTS)


def test_a_shard_with_codes_finds_the_same_in_all_its_cells_and_less_in_some(
    batches: list[pa.RecordBatch], shard: IndexShard, tmp_path: Path
) -> None:
    store, queries = Store.of(str(tmp_path)), draw(2, seed=3)
    found = []
    for num_probes in (4, 1):
        cells = Cells(draw(4, seed=5), num_probes, margin=0.05, version=1)
        write_shard(store, f"coded-{num_probes}", batches[0], iter(batches[1:]), cells)
        coded = IndexShard.open(store.fetch(f"coded-{num_probes}"))
        assert np.array_equal(coded.vectors, shard.vectors)
        found.append(coded.search(VideoVectors(queries), 0.0).tolist())
    assert found[0] == shard.search(VideoVectors(queries), 0.0).tolist()
    assert set(found[1]) < set(found[0])


def test_vectors_are_memory_mapped_and_read_only(shard: IndexShard) -> None:
    assert pa.total_allocated_bytes() < 1 << 20
    assert shard.vectors.flags.c_contiguous
    assert shard.videos.column("frame_vectors").chunk(0).buffers()[2].is_mutable is False


def test_a_partition_without_rows_writes_nothing(tmp_path: Path) -> None:
    empty = pa.RecordBatch.from_pylist([], schema=SEGMENT_SCHEMA)
    store = Store.of(str(tmp_path / "index"))
    assert list(make_shard_writer(store, "run")(iter([empty]))) == []
    assert store.list_folders() == []


def test_a_partition_is_one_shard_named_after_the_run(batches: list[pa.RecordBatch], tmp_path: Path) -> None:
    store = Store.of(str(tmp_path / "index"))
    (written,) = make_shard_writer(store, "run")(iter(batches))
    assert store.list_folders() == [written.column("shard")[0].as_py()] == ["run-00000-0"]
