"""A synthetic index: many videos whose segments are as similar as in real catalogues, some of them near one clip."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from jobs.config.settings import Config
from jobs.pairing.cells import choose_num_cells
from tests.support.indexes import publish_shards
from udfs.embedding.embed import FRAME_DIMS
from udfs.searching.cells import Cells, find_cells, train_centroids
from udfs.searching.chunks import Chunk
from udfs.searching.codes import measure_code_error
from udfs.searching.probes import MAX_PROBES, choose_probes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SEGMENTS_PER_VIDEO = 8
"""Segments of a clip of 15 seconds: the whole clip, and windows of 4 seconds every 2 seconds."""
_FRAMES_PER_VIDEO = 15
_SHARD_VIDEOS = (1 << 17) // SEGMENTS_PER_VIDEO
_BATCH_VIDEOS = 1024
_VIDEOS_PER_TOPIC = 25
_TOPIC_SHARE, _VIDEO_SHARE = 0.35, 0.75
"""Lengths of the parts of a unit vector that belong to the topic and to the video. They result in the cosines of the
shipped model: .12 between videos of a topic, .69 between segments of a video, 0 between unrelated videos."""
_NUM_NEAR = 50
"""Videos that are similar enough to the clip to be aligned with it."""
_NEAR_SHARE = 0.45


def publish_catalogue(
    lake: Path, num_segments: int, clip: Sequence[dict[str, Any]], seed: int = 0, *, with_cells: bool = False
) -> None:
    """Write an index with some videos that are similar to a clip.

    Args:
        lake: folder of the lake.
        num_segments: approximate number of segments.
        clip: rows of `embeddings` of the clip.
        seed: of the random numbers.
        with_cells: train cells on the first shard, and store codes in them.
    """
    num_videos, config = num_segments // SEGMENTS_PER_VIDEO, Config()
    shards = _draw_shards(num_videos, clip, seed)
    first = next(shards)
    cells = _train_cells(first, num_segments, config) if with_cells else None
    shards = chain([first], shards)
    publish_shards(lake, shards, {}, frozenset(), "20240501T120000Z-abcdef", config, cells=cells)


def _train_cells(batches: list[pa.RecordBatch], num_segments: int, config: Config) -> Cells:
    """Train cells as `ndvr nightly` does, on the segments of one shard."""
    ids = pa.concat_arrays([batch.column("video_id") for batch in batches])
    values = np.concatenate([batch.column("vector").flatten().to_numpy() for batch in batches])
    sample = Chunk(ids, values.reshape(len(ids), -1))
    pairs = config.pairs
    centroids = train_centroids(sample.vectors, choose_num_cells(num_segments, pairs), pairs.seed)
    nearest = find_cells(centroids, sample.vectors, min(MAX_PROBES, len(centroids)))
    threshold = pairs.min_candidate_similarity
    probes = choose_probes(sample, nearest, threshold, pairs.min_search_recall, pairs.seed)
    return Cells(centroids, probes.num_probes, measure_code_error(sample.vectors).margin, version=1)


def _draw_shards(num_videos: int, clip: Sequence[dict[str, Any]], seed: int) -> Iterator[list[pa.RecordBatch]]:
    """Draw the batches of one shard after another."""
    dim = len(clip[0]["vector"])
    rng = np.random.default_rng(seed)
    topics = _to_unit(rng.standard_normal((num_videos // _VIDEOS_PER_TOPIC + 1, dim), dtype=np.float32))
    near = set(rng.choice(num_videos, min(_NUM_NEAR, num_videos), replace=False).tolist())
    for begin in range(0, num_videos, _SHARD_VIDEOS):
        end = min(num_videos, begin + _SHARD_VIDEOS)
        steps = range(begin, end, _BATCH_VIDEOS)
        yield [_draw_batch(step, min(end, step + _BATCH_VIDEOS), topics, near, clip, rng) for step in steps]


def _draw_batch(
    begin: int,
    end: int,
    topics: NDArray[np.float32],
    near: set[int],
    clip: Sequence[dict[str, Any]],
    rng: np.random.Generator,
) -> pa.RecordBatch:
    """Draw all segments of the videos `begin` to `end`, exclusive."""
    count, dim = end - begin, topics.shape[1]
    own = _to_unit(rng.standard_normal((count, dim), dtype=np.float32))
    centre = _TOPIC_SHARE * topics[rng.integers(0, len(topics), count)] + _VIDEO_SHARE * own
    noise = _to_unit(rng.standard_normal((count, SEGMENTS_PER_VIDEO, dim), dtype=np.float32))
    rest = np.sqrt(1 - _TOPIC_SHARE**2 - _VIDEO_SHARE**2)
    vectors = centre[:, None, :] + rest * noise
    for place in [number - begin for number in near if begin <= number < end]:
        vectors[place] += _NEAR_SHARE * clip[0]["vector"]
    vectors = _to_unit(vectors).reshape(count * SEGMENTS_PER_VIDEO, dim)
    ids = np.repeat(np.arange(begin, end), SEGMENTS_PER_VIDEO)
    is_whole = np.arange(count * SEGMENTS_PER_VIDEO) % SEGMENTS_PER_VIDEO == 0
    frames = rng.integers(-127, 128, (count, _FRAMES_PER_VIDEO * FRAME_DIMS), dtype=np.int8)
    packed = [frames[row // SEGMENTS_PER_VIDEO].tobytes() if whole else None for row, whole in enumerate(is_whole)]
    seconds = np.arange(float(_FRAMES_PER_VIDEO))
    offsets = pa.array(np.arange(len(vectors) + 1, dtype=np.int32) * dim)
    columns = {
        "video_id": pa.array(np.char.mod("video-%08d", ids)),
        "segment_index": pa.array((np.arange(len(vectors)) % SEGMENTS_PER_VIDEO).astype(np.int32)),
        "content_sha256": pa.array(np.char.mod("%064d", ids)),
        "end_seconds": pa.array(np.full(len(vectors), float(_FRAMES_PER_VIDEO))),
        "vector": pa.ListArray.from_arrays(offsets, pa.array(vectors.ravel())),
        "frame_seconds": pa.array([seconds if whole else None for whole in is_whole], pa.list_(pa.float64())),
        "frame_vectors": pa.array(packed, pa.binary()),
        "frame_backgrounds": pa.array(
            [np.zeros(_FRAMES_PER_VIDEO, np.float32) if whole else None for whole in is_whole], pa.list_(pa.float32())
        ),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _to_unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to norm 1."""
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit
