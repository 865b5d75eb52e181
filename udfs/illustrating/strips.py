"""Illustrates pairs of videos for review: frames of both at matched seconds, and a picture of their similarities."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from udfs.illustrating.pictures import Moments, choose_moments, cut_padding, draw_similarity_matrix, draw_strip
from udfs.verifying.align import align
from udfs.verifying.features import Segment
from udfs.verifying.lines import AlignedSegment
from udfs.verifying.verify_batches import unpack_features
from udfs.video import FrameChunk, VideoDone, VideoFailed, VideoRequest, VideoRestarted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from udfs.decoding.settings import DecoderSettings
    from udfs.opening.roots import Roots
    from udfs.verifying.features import VideoFeatures
    from udfs.video import DecodeEvent

STRIPS_DDL = (
    "left_id STRING NOT NULL, right_id STRING NOT NULL, "
    "left_seconds ARRAY<DOUBLE> NOT NULL COMMENT 'of the frames shown', right_seconds ARRAY<DOUBLE> NOT NULL, "
    "left_strip BINARY COMMENT 'WebP; null where the video could not be read', right_strip BINARY, "
    "left_error STRING COMMENT 'error_code, if the video could not be read', right_error STRING, "
    "match BINARY COMMENT 'WebP of the frame similarities; null where the model keeps no frames'"
)
_SIDES = ("left", "right")
_PAIRS_PER_GROUP = 16  # whose frames are in memory together: 12 of 77 kB per pair


@dataclass(frozen=True)
class StripSettings:
    """Settings of `make_strips`, sent to the executors.

    Attributes:
        decoder: how videos are decoded. Its `frame_px` is the longer side of the frames in a strip. A frame is at most
            half a sampling interval away from its moment.
        roots: the only locations from which videos may be read.
        num_moments: frames per strip, at most.
    """

    decoder: DecoderSettings
    roots: Roots
    num_moments: int


class _NearestFrames:
    """The frames of one video nearest to some moments, collected while it is decoded."""

    def __init__(self, seconds: Iterable[float]) -> None:
        import numpy as np

        self.seconds = np.unique(np.array(list(seconds), dtype=np.float64))
        self.frames: list[NDArray[np.uint8] | None] = []
        self.size_px = (0, 0)
        self.error: str | None = None
        self.clear()

    def clear(self) -> None:
        """Drop all frames: another decoder starts from the beginning."""
        import numpy as np

        self._distances = np.full(len(self.seconds), np.inf)
        self.frames = [None] * len(self.seconds)

    def add(self, chunk: FrameChunk) -> None:
        """Keep the frames that are nearer to a moment than the frames so far."""
        import numpy as np

        distances = np.abs(self.seconds[:, None] - chunk.frame_seconds[None, :])
        nearest = distances.argmin(axis=1)
        for place in np.flatnonzero(distances.min(axis=1) < self._distances):
            self._distances[place] = distances[place, nearest[place]]
            self.frames[place] = chunk.frames[nearest[place]].copy()  # a view would keep the chunk in memory

    def at(self, seconds: Iterable[float]) -> list[NDArray[np.uint8]] | None:
        """Return the frames nearest to some of the moments; None if the video could not be read."""
        import numpy as np

        places = np.searchsorted(self.seconds, np.array(list(seconds)))
        found = [self.frames[place] for place in places]
        return None if self.error or any(frame is None for frame in found) else cast("list[NDArray[np.uint8]]", found)


def make_strips(batches: Iterator[pd.DataFrame], settings: StripSettings) -> Iterator[pd.DataFrame]:
    """Illustrate pairs: one row per pair -> one row of STRIPS_DDL per pair, in no order.

    Each row has left_id, right_id, the bounds of the shared footage and, for each side, the columns uri,
    duration_seconds, and frame_seconds, frame_vectors and frame_backgrounds of `embeddings` (null if the model keeps no
    frames), prefixed by the side (`left_uri`). A video that cannot be read gets an error_code and never fails the task.
    Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    for batch in batches:
        rows = cast("list[dict[str, Any]]", batch.to_dict("records"))
        for begin in range(0, len(rows), _PAIRS_PER_GROUP):
            yield pd.DataFrame(_illustrate_pairs(rows[begin : begin + _PAIRS_PER_GROUP], settings))


def _illustrate_pairs(rows: list[dict[str, Any]], settings: StripSettings) -> list[dict[str, Any]]:
    """Illustrate some pairs; a video in several of them is decoded once."""
    matches = [_align(row, settings.num_moments) for row in rows]
    seconds: dict[str, set[float]] = {}
    uris: dict[str, str | None] = {}
    for row, (moments, _) in zip(rows, matches, strict=True):
        for side, of_side in zip(_SIDES, (moments.left_seconds, moments.right_seconds), strict=True):
            seconds.setdefault(row[f"{side}_id"], set()).update(of_side)
            uris[row[f"{side}_id"]] = row[f"{side}_uri"]
    videos = _decode(uris, {video_id: _NearestFrames(wanted) for video_id, wanted in seconds.items()}, settings)
    return [
        _illustrate_pair(row, moments, picture, videos, settings.decoder.frame_px)
        for row, (moments, picture) in zip(rows, matches, strict=True)
    ]


def _align(row: dict[str, Any], num_moments: int) -> tuple[Moments, bytes | None]:
    """Choose the matched moments of a pair, and draw its similarity matrix if the model keeps frames."""
    bounds = (Segment(float(row[f"{side}_start_seconds"]), float(row[f"{side}_end_seconds"])) for side in _SIDES)
    segments: tuple[AlignedSegment, ...] = (AlignedSegment(*bounds),)
    left, right = (_read_features(row, side) for side in _SIDES)
    if left is None or right is None:
        return choose_moments(segments, num_moments), None
    alignment = align(left, right)
    if alignment is not None:
        segments = alignment.segments
    return choose_moments(segments, num_moments), draw_similarity_matrix(left, right, segments)


def _read_features(row: dict[str, Any], side: str) -> VideoFeatures | None:
    """Read the frames of one side; None if the model keeps no frames."""
    if row[f"{side}_frame_vectors"] is None:
        return None
    columns = ("frame_vectors", "frame_seconds", "frame_backgrounds", "duration_seconds")
    return unpack_features(*(row[f"{side}_{column}"] for column in columns))


def _decode(
    uris: dict[str, str | None], videos: dict[str, _NearestFrames], settings: StripSettings
) -> dict[str, _NearestFrames]:
    """Decode videos and collect the frames nearest to their moments."""
    from udfs.describing.describe import get_worker_pool

    pool = get_worker_pool(settings.decoder, settings.roots, num_decoders=1)
    requests = [VideoRequest(video_id, uri) for video_id, uri in uris.items()]
    with closing(pool.decode(requests)) as events:
        for event in events:
            _handle_event(event, videos[event.video_id])
    return videos


def _handle_event(event: DecodeEvent, video: _NearestFrames) -> None:
    """Update a video by an event of its decoder."""
    match event:
        case FrameChunk():
            video.add(event)
        case VideoRestarted():
            video.clear()
        case VideoDone():
            video.size_px = (event.facts.width_px, event.facts.height_px)
        case VideoFailed():
            video.error = event.error.code.value


def _illustrate_pair(
    row: dict[str, Any],
    moments: Moments,
    picture: bytes | None,
    decoded: dict[str, _NearestFrames],
    frame_px: int,
) -> dict[str, Any]:
    """Make the row of one pair."""
    videos = [decoded[row[f"{side}_id"]] for side in _SIDES]
    found = [video.at(seconds) for video, seconds in zip(videos, moments, strict=True)]
    frames = [
        None if of_side is None else cut_padding(of_side, video.size_px, frame_px)
        for video, of_side in zip(videos, found, strict=True)
    ]
    # Both sides have cells of the same width, so that matched frames are one below the other.
    cell_px = max((of_side[0].shape[1] for of_side in frames if of_side), default=frame_px)
    strips = [None if of_side is None else draw_strip(of_side, cell_px) for of_side in frames]
    return {
        "left_id": row["left_id"],
        "right_id": row["right_id"],
        "left_seconds": list(moments.left_seconds),
        "right_seconds": list(moments.right_seconds),
        "left_strip": strips[0],
        "right_strip": strips[1],
        "left_error": videos[0].error,
        "right_error": videos[1].error,
        "match": picture,
    }
