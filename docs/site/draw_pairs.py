"""Draws pairs that the demo finds, for the first page: frames of both videos at the same place of the shared footage.

    ndvr demo && python docs/site/draw_pairs.py demo-lake docs/pictures/found-pairs.jpg

Only clips whose licence allows it are shown (docs/licences.md).
"""
# ruff: noqa: INP001 -- a script

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from deltalake import DeltaTable
from PIL import Image, ImageDraw, ImageFont

from jobs.demo.clips import DEMO

if TYPE_CHECKING:
    from collections.abc import Sequence

PAIRS = (
    ("city", "city-crop-30"),
    ("city", "city-mirror"),
    ("bunny", "bunny-letterbox"),
    ("bunny", "bunny-rotate-5"),
)
"""Original and copy. The clip `city` is CC0, `bunny` is CC BY 3.0."""
_PLACES = (0.2, 0.5, 0.8)
"""Fractions of the shared footage."""
_FRAME_PX = (164, 92)
_GAP_PX = 4
_LABEL_PX = 24
_MARGIN_PX = 12
_FONT_PX = 15
_QUALITY = 76
_BACKGROUND, _TEXT = "white", "black"


def draw_pairs(demo: Path) -> Image.Image:
    """Draw all pairs, two in a row."""
    pairs = DeltaTable(demo / "lake" / "pairs").to_pyarrow_table().to_pylist()
    uris = {
        row["video_id"]: row["uri"] for row in DeltaTable(demo / "lake" / "manifest").to_pyarrow_table().to_pylist()
    }
    drawn = [_draw_pair(ids, _find_pair(ids, pairs), uris) for ids in PAIRS]
    width, height = drawn[0].size
    whole = Image.new("RGB", (2 * width + 3 * _MARGIN_PX, 2 * height + 3 * _MARGIN_PX), _BACKGROUND)
    for number, picture in enumerate(drawn):
        row, column = divmod(number, 2)
        whole.paste(picture, (_MARGIN_PX + column * (width + _MARGIN_PX), _MARGIN_PX + row * (height + _MARGIN_PX)))
    return whole


def _find_pair(ids: tuple[str, str], pairs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the row of `pairs` of two videos."""
    return next(row for row in pairs if {row["left_id"], row["right_id"]} == set(ids))


def _draw_pair(ids: tuple[str, str], pair: dict[str, Any], uris: dict[str, str]) -> Image.Image:
    """Draw a label, frames of the original, and below them frames of the copy."""
    width, height = _FRAME_PX
    size = (len(_PLACES) * (width + _GAP_PX) - _GAP_PX, _LABEL_PX + 2 * (height + _GAP_PX) - _GAP_PX)
    picture = Image.new("RGB", size, _BACKGROUND)
    edit = next(made.edit for made in DEMO.made if made.video_id == ids[1])
    label = f"{ids[0]}, and its copy: {edit}    probability {pair['match_probability']:.4f}"
    ImageDraw.Draw(picture).text((0, 2), label, _TEXT, ImageFont.load_default(_FONT_PX))
    for row, video_id in enumerate(ids):
        side = "left" if pair["left_id"] == video_id else "right"
        start, end = pair[f"{side}_start_seconds"], pair[f"{side}_end_seconds"]
        for column, place in enumerate(_PLACES):
            frame = _read_frame(uris[video_id], start + place * (end - start))
            frame.thumbnail(_FRAME_PX)
            left = column * (width + _GAP_PX) + (width - frame.width) // 2
            top = _LABEL_PX + row * (height + _GAP_PX) + (height - frame.height) // 2
            picture.paste(frame, (left, top))
    return picture


def _read_frame(uri: str, seconds: float) -> Image.Image:
    """Decode the first frame at or after a time from the start of the video."""
    with av.open(uri) as container:
        frames = container.decode(video=0)
        first = next(frames)
        begin = first.time or 0.0
        return next((frame for frame in frames if (frame.time or 0.0) - begin >= seconds), first).to_image()


if __name__ == "__main__":
    draw_pairs(Path(sys.argv[1])).save(sys.argv[2], quality=_QUALITY, optimize=True, progressive=True)
