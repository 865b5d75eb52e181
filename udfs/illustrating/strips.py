"""Draws the frames of pairs of videos at matched seconds for review, from stored thumbnails or from the videos."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from udfs.illustrating.frames import NearestFrames, read_thumbnails
from udfs.illustrating.pictures import draw_strip, is_part, outline
from udfs.video import FrameChunk, VideoDone, VideoFailed, VideoRequest, VideoRestarted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from udfs.decoding.settings import DecoderSettings
    from udfs.illustrating.frames import Frames
    from udfs.opening.roots import Roots
    from udfs.video import DecodeEvent

STRIPS_DDL = (
    "left_id STRING NOT NULL, right_id STRING NOT NULL, "
    "left_seconds ARRAY<DOUBLE> NOT NULL COMMENT 'of the frames shown', right_seconds ARRAY<DOUBLE> NOT NULL, "
    "left_strip BINARY COMMENT 'WebP; null where the video could not be read', right_strip BINARY, "
    "left_error STRING COMMENT 'error_code, if the video could not be read', right_error STRING, "
    "match BINARY COMMENT 'WebP of the frame similarities, as it was passed in'"
)
_SIDES = ("left", "right")
_PAIRS_PER_GROUP = 16  # whose frames are in memory together: 12 of 77 kB per pair


@dataclass(frozen=True)
class StripSettings:
    """Settings of `make_strips`, sent to the executors.

    Attributes:
        decoder: how videos without thumbnails are decoded. Its `frame_px` is the longer side of the frames in a strip.
            A frame is at most half a sampling interval away from its moment.
        roots: the only locations from which videos may be read.
    """

    decoder: DecoderSettings
    roots: Roots


def make_strips(batches: Iterator[pd.DataFrame], settings: StripSettings) -> Iterator[pd.DataFrame]:
    """Illustrate pairs: one row per pair -> one row of STRIPS_DDL per pair, in no order.

    Each row has left_id, right_id, the picture `match` of `udfs.illustrating.matches` and, for each side, the columns
    seconds (the moments), thumbnails (JPEG of these seconds, or null), uri and region (the part of the picture that the
    other side shows, or null), prefixed by the side (`left_uri`). A video is decoded if a thumbnail is missing or
    damaged. One that cannot be read either gets an error_code and never fails the task.
    Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    for batch in batches:
        rows = cast("list[dict[str, Any]]", batch.to_dict("records"))
        for begin in range(0, len(rows), _PAIRS_PER_GROUP):
            yield pd.DataFrame(_illustrate_pairs(rows[begin : begin + _PAIRS_PER_GROUP], settings))


def _illustrate_pairs(rows: list[dict[str, Any]], settings: StripSettings) -> list[dict[str, Any]]:
    """Illustrate some pairs; a video in several of them is decoded once, or not at all if it has thumbnails."""
    frame_px = settings.decoder.frame_px
    stored = [
        [read_thumbnails(row[f"{side}_thumbnails"], row[f"{side}_seconds"], frame_px) for side in _SIDES]
        for row in rows
    ]
    seconds: dict[str, set[float]] = {}
    uris: dict[str, str | None] = {}
    for row, frames in zip(rows, stored, strict=True):
        for side, of_side in zip(_SIDES, frames, strict=True):
            if of_side is None:
                seconds.setdefault(row[f"{side}_id"], set()).update(row[f"{side}_seconds"])
                uris[row[f"{side}_id"]] = row[f"{side}_uri"]
    decoded = _decode(uris, {video_id: NearestFrames(wanted) for video_id, wanted in seconds.items()}, settings)
    return [_illustrate_pair(row, frames, decoded, frame_px) for row, frames in zip(rows, stored, strict=True)]


def _decode(
    uris: dict[str, str | None], videos: dict[str, NearestFrames], settings: StripSettings
) -> dict[str, NearestFrames]:
    """Decode videos, if any, and collect the frames nearest to their moments."""
    from udfs.describing.describe import get_worker_pool

    if not uris:
        return videos
    pool = get_worker_pool(settings.decoder, settings.roots, num_decoders=1)
    requests = [VideoRequest(video_id, uri) for video_id, uri in uris.items()]
    with closing(pool.decode(requests)) as events:
        for event in events:
            _handle_event(event, videos[event.video_id])
    return videos


def _handle_event(event: DecodeEvent, video: NearestFrames) -> None:
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
    row: dict[str, Any], stored: Sequence[Frames | None], decoded: dict[str, NearestFrames], frame_px: int
) -> dict[str, Any]:
    """Make the row of one pair."""
    illustrated = {"left_id": row["left_id"], "right_id": row["right_id"], "match": row["match"]}
    sides: dict[str, Frames | None] = {}
    for side, of_side in zip(_SIDES, stored, strict=True):
        video = None if of_side else decoded[row[f"{side}_id"]]
        sides[side] = video.at(row[f"{side}_seconds"], frame_px) if video else of_side
        illustrated[f"{side}_error"] = video.error if video else None
    # Both sides have cells of the same width, so that matched frames are one below the other.
    cell_px = max((frames.pictures[0].shape[1] for frames in sides.values() if frames), default=frame_px)
    for side, frames in sides.items():
        illustrated[f"{side}_seconds"] = list(frames.seconds if frames else row[f"{side}_seconds"])
        illustrated[f"{side}_strip"] = _draw(frames, row[f"{side}_region"], cell_px) if frames else None
    return illustrated


def _draw(frames: Frames, region: Sequence[float] | None, cell_px: int) -> bytes:
    """Draw the strip of one side, with an outline around the region that the other side shows, if it is a part."""
    if region is None or not is_part(region):
        return draw_strip(frames.pictures, cell_px)
    return draw_strip([outline(picture, region) for picture in frames.pictures], cell_px)
