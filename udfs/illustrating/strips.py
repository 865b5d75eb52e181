"""Pairs of videos to what people compare them by: frames of both at matched seconds, and the picture of their match."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from udfs.embedding.embed import unpack_vectors
from udfs.illustrating.pictures import Moments, draw_match, draw_strip, match_moments
from udfs.verifying.align import VideoFeatures, align
from udfs.video import FrameChunk, VideoDone, VideoFailed, VideoRequest, VideoRestarted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from udfs.illustrating.pictures import Stretch
    from udfs.opening.roots import Roots
    from udfs.video import DecodeEvent, DecodeLimits, SamplingRule

STRIPS_DDL = (
    "left_id STRING NOT NULL, right_id STRING NOT NULL, "
    "left_seconds ARRAY<DOUBLE> NOT NULL COMMENT 'of the frames shown', right_seconds ARRAY<DOUBLE> NOT NULL, "
    "left_strip BINARY COMMENT 'WebP; null where the video could not be read', right_strip BINARY, "
    "left_error STRING COMMENT 'error_code, where it could not', right_error STRING, "
    "match BINARY COMMENT 'WebP of the frames similarities; null where the model keeps no frames'"
)
_SIDES = ("left", "right")
_PAIRS_AT_ONCE = 16  # whose pictures are held: 12 of 77 kB each
_BOUNDS = ("left_start_seconds", "left_end_seconds", "right_start_seconds", "right_end_seconds")


@dataclass(frozen=True)
class StripSettings:
    """What the executors must know.

    Attributes:
        frame_px: longer side of the frames shown.
        num_moments: frames shown of each video, at most.
        sampling: how densely a video is looked at: what is shown is off by half a step at most.
        limits: what one video may cost.
        roots: the only places that videos may be opened in.
    """

    frame_px: int
    num_moments: int
    sampling: SamplingRule
    limits: DecodeLimits
    roots: Roots


class _Shown:
    """The frames of one video nearest to some moments, kept as they come."""

    def __init__(self, seconds: Iterable[float]) -> None:
        import numpy as np

        self.seconds = np.unique(np.array(list(seconds), dtype=np.float64))
        self.frames: list[NDArray[np.uint8] | None] = []
        self.size_px = (0, 0)
        self.error: str | None = None
        self.forget()

    def forget(self) -> None:
        """Drop what has come: another decoder begins anew."""
        import numpy as np

        self._distances = np.full(len(self.seconds), np.inf)
        self.frames = [None] * len(self.seconds)

    def add(self, chunk: FrameChunk) -> None:
        """Keep the frames that are nearer than those held."""
        import numpy as np

        apart = np.abs(self.seconds[:, None] - chunk.frame_seconds[None, :])
        nearest = apart.argmin(axis=1)
        for place in np.flatnonzero(apart.min(axis=1) < self._distances):
            self._distances[place] = apart[place, nearest[place]]
            self.frames[place] = chunk.frames[nearest[place]].copy()  # the chunk itself is let go

    def at(self, seconds: Iterable[float]) -> list[NDArray[np.uint8]] | None:
        """Return the frames nearest to some of the moments; None where the video could not be read."""
        import numpy as np

        places = np.searchsorted(self.seconds, np.array(list(seconds)))
        found = [self.frames[place] for place in places]
        return None if self.error or any(frame is None for frame in found) else cast("list[NDArray[np.uint8]]", found)


def make_strips(batches: Iterator[pd.DataFrame], settings: StripSettings) -> Iterator[pd.DataFrame]:
    """Show each pair: a row -> STRIPS_DDL, in no order.

    Takes left_id, right_id, the bounds of the shared footage, and of each side, as `left_uri` and so on, uri,
    duration_seconds, and frame_seconds, frame_vectors and frame_backgrounds of `embeddings` (null where the model
    keeps none). A video that cannot be read leaves an error_code; it never fails the task.
    Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    for batch in batches:
        rows = cast("list[dict[str, Any]]", batch.to_dict("records"))
        for begin in range(0, len(rows), _PAIRS_AT_ONCE):
            yield pd.DataFrame(_show_pairs(rows[begin : begin + _PAIRS_AT_ONCE], settings))


def _show_pairs(rows: list[dict[str, Any]], settings: StripSettings) -> list[dict[str, Any]]:
    """Show some pairs; a video in several of them is decoded once."""
    matches = [_match(row, settings.num_moments) for row in rows]
    seconds: dict[str, set[float]] = {}
    uris: dict[str, str | None] = {}
    for row, (moments, _) in zip(rows, matches, strict=True):
        for side, of_side in zip(_SIDES, (moments.left_seconds, moments.right_seconds), strict=True):
            seconds.setdefault(row[f"{side}_id"], set()).update(of_side)
            uris[row[f"{side}_id"]] = row[f"{side}_uri"]
    shown = _decode(uris, {video_id: _Shown(wanted) for video_id, wanted in seconds.items()}, settings)
    return [
        _show_pair(row, moments, picture, shown, settings.frame_px)
        for row, (moments, picture) in zip(rows, matches, strict=True)
    ]


def _match(row: dict[str, Any], num_moments: int) -> tuple[Moments, bytes | None]:
    """Find the matched moments of a pair, and draw how its frames match."""
    stretches: tuple[Stretch, ...] = (tuple(float(row[name]) for name in _BOUNDS),)
    left, right = (_read_sequence(row, side) for side in _SIDES)
    if left is None or right is None:
        return match_moments(stretches, num_moments), None
    alignment = align(left, right)
    if alignment is not None:
        stretches = alignment.stretches
    return match_moments(stretches, num_moments), draw_match(left, right, stretches)


def _read_sequence(row: dict[str, Any], side: str) -> VideoFeatures | None:
    """Read one side's frames; None where the model keeps none."""
    packed, seconds = row[f"{side}_frame_vectors"], row[f"{side}_frame_seconds"]
    if packed is None:
        return None
    vectors = unpack_vectors(packed, len(seconds))
    return VideoFeatures(vectors, seconds, row[f"{side}_frame_backgrounds"], row[f"{side}_duration_seconds"])


def _decode(uris: dict[str, str | None], shown: dict[str, _Shown], settings: StripSettings) -> dict[str, _Shown]:
    """Decode the videos and keep of each the frames that are shown."""
    from udfs.describing.describe import decoders_of_this_worker

    pool = decoders_of_this_worker(1, settings.frame_px, settings.sampling, settings.limits, settings.roots)
    requests = [VideoRequest(video_id, uri) for video_id, uri in uris.items()]
    with closing(pool.decode(requests)) as events:
        for event in events:
            _take(event, shown[event.video_id])
    return shown


def _take(event: DecodeEvent, video: _Shown) -> None:
    """Take what has come of a video."""
    match event:
        case FrameChunk():
            video.add(event)
        case VideoRestarted():
            video.forget()
        case VideoDone():
            video.size_px = (event.facts.width_px, event.facts.height_px)
        case VideoFailed():
            video.error = event.error.code.value


def _show_pair(
    row: dict[str, Any], moments: Moments, picture: bytes | None, shown: dict[str, _Shown], frame_px: int
) -> dict[str, Any]:
    """Make the row of one pair."""
    from udfs.illustrating.pictures import cut_padding

    videos = [shown[row[f"{side}_id"]] for side in _SIDES]
    found = [video.at(seconds) for video, seconds in zip(videos, moments, strict=True)]
    frames = [
        None if of_side is None else cut_padding(of_side, video.size_px, frame_px)
        for video, of_side in zip(videos, found, strict=True)
    ]
    # Both sides have cells of one width, so that matched frames are below each other.
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
