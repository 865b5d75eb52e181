"""Draws the frames of pairs of videos at matched seconds for review, from stored thumbnails or from the videos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from udfs.describing.describe import get_worker_pool
from udfs.describing.missing_thumbnails import ThumbnailRequest, make_thumbnails
from udfs.errors import RowError
from udfs.illustrating.frames import read_thumbnails
from udfs.illustrating.pictures import draw_strip, is_crop, outline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from udfs.describing.settings import DescribeSettings
    from udfs.illustrating.frames import Frames

STRIPS_DDL = (
    "left_id STRING NOT NULL, right_id STRING NOT NULL, "
    "left_seconds ARRAY<DOUBLE> NOT NULL COMMENT 'of the frames shown', right_seconds ARRAY<DOUBLE> NOT NULL, "
    "left_strip BINARY COMMENT 'JPEG; null where the video could not be read', right_strip BINARY, "
    "left_error STRING COMMENT 'error_code, if the video could not be read', right_error STRING, "
    "match BINARY COMMENT 'WebP of the frame similarities, as it was passed in', "
    "segments ARRAY<ARRAY<DOUBLE>> NOT NULL COMMENT 'aligned segments, as they were passed in'"
)
_SIDES = ("left", "right")
_PAIRS_PER_GROUP = 16  # whose frames are in memory together: 12 of 150 kB per pair


def make_strips(batches: Iterator[pd.DataFrame], settings: DescribeSettings, frame_px: int) -> Iterator[pd.DataFrame]:
    """Illustrate pairs: one row per pair -> one row of STRIPS_DDL per pair, in no order.

    Each row has left_id, right_id, `match` and `segments` of `udfs.illustrating.matches` and, for each side, seconds
    (the moments), thumbnails (JPEG of these seconds, or null), uri and region (the part of the picture that the other
    side shows, or null), prefixed by the side (`left_uri`). A video is decoded if a thumbnail is missing or
    damaged. One that cannot be read either gets an error_code and never fails the task.
    Runs on: executor, by `mapInPandas`.

    Args:
        batches: the rows of the partition.
        settings: how videos without thumbnails are opened and decoded.
        frame_px: longer side of the frames in a strip.
    """
    import pandas as pd

    for batch in batches:
        rows = cast("list[dict[str, Any]]", batch.to_dict("records"))
        for begin in range(0, len(rows), _PAIRS_PER_GROUP):
            yield pd.DataFrame(_illustrate_pairs(rows[begin : begin + _PAIRS_PER_GROUP], settings, frame_px))


def _illustrate_pairs(rows: list[dict[str, Any]], settings: DescribeSettings, frame_px: int) -> list[dict[str, Any]]:
    """Illustrate some pairs; a video in several of them is decoded once, or not at all if it has thumbnails."""
    stored = [
        {side: read_thumbnails(row[f"{side}_thumbnails"], row[f"{side}_seconds"], frame_px) for side in _SIDES}
        for row in rows
    ]
    seconds: dict[str, dict[float, None]] = {}
    uris: dict[str, str | None] = {}
    for row, frames in zip(rows, stored, strict=True):
        for side in _SIDES:
            if frames[side] is None:
                seconds.setdefault(row[f"{side}_id"], {}).update(dict.fromkeys(map(float, row[f"{side}_seconds"])))
                uris[row[f"{side}_id"]] = row[f"{side}_uri"]
    made = _make_missing({name: (uris[name], tuple(wanted)) for name, wanted in seconds.items()}, settings)
    return [_illustrate_pair(row, frames, made, frame_px) for row, frames in zip(rows, stored, strict=True)]


def _make_missing(
    wanted: dict[str, tuple[str | None, tuple[float, ...]]], settings: DescribeSettings
) -> dict[str, dict[float, tuple[float, bytes]] | RowError]:
    """Decode frames of videos, if any: each requested time -> the frame's own time and its thumbnail, or the fault.

    A file that was replaced since it was described is shown too: a reviewer sees what is there.
    """
    if not wanted:
        return {}
    pool = get_worker_pool(settings.decoder, settings.roots, settings.num_decoders)
    requests = (ThumbnailRequest(name, uri, seconds) for name, (uri, seconds) in wanted.items())
    made = dict(make_thumbnails(requests, pool))
    return {
        name: outcome
        if isinstance(outcome, RowError)
        else dict(zip(wanted[name][1], zip(outcome.seconds, outcome.pictures, strict=True), strict=True))
        for name, outcome in made.items()
    }


def _illustrate_pair(
    row: dict[str, Any],
    stored: dict[str, Frames | None],
    made: dict[str, dict[float, tuple[float, bytes]] | RowError],
    frame_px: int,
) -> dict[str, Any]:
    """Make the row of one pair."""
    illustrated = {
        "left_id": row["left_id"],
        "right_id": row["right_id"],
        "match": row["match"],
        "segments": row["segments"],
    }
    sides: dict[str, Frames | None] = {}
    for side in _SIDES:
        frames, error = stored[side], None
        if frames is None:
            outcome = made[row[f"{side}_id"]]
            if isinstance(outcome, RowError):
                error = outcome.code.value
            else:
                seconds, pictures = zip(*(outcome[float(second)] for second in row[f"{side}_seconds"]), strict=True)
                frames = read_thumbnails(pictures, seconds, frame_px)
        sides[side], illustrated[f"{side}_error"] = frames, error
    # Both sides have cells of the same width, so that matched frames are one below the other.
    cell_px = max((frames.pictures[0].shape[1] for frames in sides.values() if frames), default=frame_px)
    for side, frames in sides.items():
        illustrated[f"{side}_seconds"] = list(frames.seconds if frames else row[f"{side}_seconds"])
        illustrated[f"{side}_strip"] = _draw(frames, row[f"{side}_region"], cell_px) if frames else None
    return illustrated


def _draw(frames: Frames, region: Sequence[float] | None, cell_px: int) -> bytes:
    """Draw the strip of one side, with an outline around the region that the other side shows, if it is a part."""
    if region is None or not is_crop(region):
        return draw_strip(frames.pictures, cell_px)
    return draw_strip([outline(picture, region) for picture in frames.pictures], cell_px)
