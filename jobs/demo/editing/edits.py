"""Named edits that re-uploaders make, and which stretches of their inputs the result shows.

`jobs.demo.editing.transcode.apply_edit` applies them. The kinds follow CC_WEB_VIDEO, SVD, VCDB and the MPEG-7 set.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from jobs.demo.editing.overlays import draw_caption, draw_logo, show_inset

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.demo.editing.overlays import Pixels

    Drawing = Callable[[Pixels], Pixels]
    Arrangement = Callable[[Pixels, Pixels], Pixels]
    Cut = Callable[[float, float], tuple["Piece", ...]]


@dataclass(frozen=True)
class Piece:
    """A stretch of one input, in seconds from that input's first frame; backwards if `is_reversed`."""

    start_seconds: float
    end_seconds: float
    from_companion: bool = False
    is_reversed: bool = False


@dataclass(frozen=True)
class Footage:
    """A stretch of an input and where the result shows it. Each time starts at the first frame of its own video.

    Attributes:
        source_start_seconds: start of the stretch in the input.
        source_end_seconds: end of the stretch in the input.
        target_start_seconds: start of the stretch in the result.
        target_end_seconds: end of the stretch in the result.
        from_companion: True if the input is the companion, False if it is the source.
        visibility: 1 if it fills the picture; else its share of the picture's width, or its opacity.
        is_reversed: True if it plays backwards.
    """

    source_start_seconds: float
    source_end_seconds: float
    target_start_seconds: float
    target_end_seconds: float
    from_companion: bool = False
    visibility: float = 1.0
    is_reversed: bool = False


@dataclass(frozen=True)
class Layout:
    """How source and companion are shown at the same time, from the first frame on.

    Attributes:
        arrange: combines a frame of the source and one of the companion, uint8 (height, width, 3) RGB each, of any
            sizes. The result has the size of the source, or another even size.
        source_visibility: visibility of the source, as in `Footage`.
        companion_visibility: visibility of the companion, as in `Footage`.
        holds_last_frame: True if the last frame of an ended companion stays; False if the source is then alone.
    """

    arrange: Arrangement
    source_visibility: float
    companion_visibility: float
    holds_last_frame: bool = True


@dataclass(frozen=True)
class Encoding:
    """A container and a codec by FFmpeg's names, with encoder options as (name, value)."""

    extension: str
    container: str
    codec: str
    options: tuple[tuple[str, str], ...]


# Fast presets: the demo encodes about forty clips. `crf` is the quality scale of the codec; lower is better.
# Without mbtree=0, x264 reads uninitialised memory if a size is not a multiple of 16, and its output varies:
# run it twice with different values of MALLOC_PERTURB_ to reproduce this.
_X264 = (("preset", "veryfast"), ("mbtree", "0"))
H264_MP4 = Encoding("mp4", "mp4", "libx264", (*_X264, ("crf", "23")))
H264_MP4_LOW = Encoding("mp4", "mp4", "libx264", (*_X264, ("crf", "38")))
VP9_WEBM = Encoding("webm", "webm", "libvpx-vp9", (("deadline", "realtime"), ("cpu-used", "8"), ("crf", "34")))
MPEG4_AVI = Encoding("avi", "avi", "mpeg4", (("b", "900000"),))
HEVC_MKV = Encoding(
    "mkv",
    "matroska",
    "libx265",
    (
        ("preset", "ultrafast"),
        ("crf", "28"),
        ("x265-params", "pools=none:frame-threads=1:log-level=error"),  # one thread, for reproducible output; no log
    ),
)


def take_whole(source_seconds: float, _companion_seconds: float) -> tuple[Piece, ...]:
    """Return the whole source as one piece."""
    return (Piece(0.0, source_seconds),)


@dataclass(frozen=True)
class Edit:
    """One edit. Pieces are cut first, then filtered, then drawn on, then laid out, then encoded.

    Attributes:
        name: name in the registry and in the truth.
        filters: (FFmpeg filter, arguments), applied in order to each frame; `{seed}` is replaced by the seed.
        draw: changes the pixels of a frame, uint8 (height, width, 3) RGB, after the filters.
        cut: maps the durations of source and companion, in seconds, to the pieces of the result in order.
        speed: seconds of input per second of the result.
        fps: frames per second of the result; None keeps the source's.
        layout: how a companion is shown at the same time; None for no companion.
        needs_companion: True if the edit uses a second clip.
        encoding: container and codec of the result.
    """

    name: str
    filters: tuple[tuple[str, str], ...] = ()
    draw: Drawing | None = None
    cut: Cut = take_whole
    speed: float = 1.0
    fps: Fraction | None = None
    layout: Layout | None = None
    needs_companion: bool = False
    encoding: Encoding = H264_MP4


def trace_footage(edit: Edit, source_seconds: float, companion_seconds: float = 0.0) -> tuple[Footage, ...]:
    """Return the stretches that the result shows, in order, the companion of a layout last."""
    footage = []
    clock = 0.0
    visibility = edit.layout.source_visibility if edit.layout else 1.0
    for piece in edit.cut(source_seconds, companion_seconds):
        start, clock = clock, clock + (piece.end_seconds - piece.start_seconds) / edit.speed
        bounds = (piece.start_seconds, piece.end_seconds, start, clock)
        footage.append(Footage(*bounds, piece.from_companion, visibility, piece.is_reversed))
    if edit.layout:
        shown = min(companion_seconds, clock)
        footage.append(Footage(0.0, shown, 0.0, shown, True, edit.layout.companion_visibility))
    return tuple(footage)


def crop(percent: int) -> Edit:
    """Crop a percentage of width and height, evenly on all sides, to an even size."""
    kept = 1 - percent / 100
    return Edit(f"crop-{percent}", (("crop", f"trunc(iw*{kept}/2)*2:trunc(ih*{kept}/2)*2"),))


def resize(percent: int) -> Edit:
    """Scale width and height to a percentage, to even sizes."""
    factor = percent / 100
    return Edit(f"resize-{percent}", (("scale", f"trunc(iw*{factor}/2)*2:trunc(ih*{factor}/2)*2"),))


def rotate(degrees: int) -> Edit:
    """Rotate the picture clockwise inside its frame; uncovered corners are black."""
    return Edit(f"rotate-{degrees}", (("rotate", f"{degrees}*PI/180"),))


def change_speed(percent: int) -> Edit:
    """Play at a percentage of the speed, at the same frame rate."""
    return Edit(f"speed-{percent}", speed=percent / 100)


def keep_stretch(name: str, start_fraction: float, end_fraction: float) -> Edit:
    """Keep one stretch of the source, given as fractions of its duration."""

    def cut(source_seconds: float, _companion_seconds: float) -> tuple[Piece, ...]:
        return (Piece(start_fraction * source_seconds, end_fraction * source_seconds),)

    return Edit(name, cut=cut)


def lay_out(name: str, layout: Layout) -> Edit:
    """Show a companion at the same time as the source."""
    return Edit(name, layout=layout, needs_companion=True)


def _splice(source_seconds: float, companion_seconds: float) -> tuple[Piece, ...]:
    """Insert the middle half of the companion into the middle of the source."""
    middle = source_seconds / 2
    inserted = Piece(companion_seconds / 4, companion_seconds * 3 / 4, from_companion=True)
    return Piece(0.0, middle), inserted, Piece(middle, source_seconds)


def _append(source_seconds: float, companion_seconds: float) -> tuple[Piece, ...]:
    return Piece(0.0, source_seconds), Piece(0.0, companion_seconds, from_companion=True)


_ALL = (
    Edit("reencode-low-bitrate", encoding=H264_MP4_LOW),
    Edit("reencode-webm", encoding=VP9_WEBM),
    Edit("reencode-avi", encoding=MPEG4_AVI),
    Edit("reencode-mkv", encoding=HEVC_MKV),
    Edit("fps-10", fps=Fraction(10)),
    resize(50),
    crop(5),
    crop(15),
    crop(30),
    Edit("mirror", (("hflip", ""),)),
    rotate(5),
    Edit("letterbox", (("pad", "iw:trunc(ih*1.3/2)*2:0:(oh-ih)/2"),)),
    Edit("pillarbox", (("pad", "trunc(iw*1.3/2)*2:ih:(ow-iw)/2:0"),)),
    Edit("caption", draw=draw_caption),
    Edit("logo", draw=draw_logo),
    Edit("brightness", (("lutyuv", "y=val+38"),)),
    Edit("contrast", (("lutyuv", "y=(val-128)*1.4+128"),)),
    Edit("grayscale", (("hue", "s=0"),)),
    Edit("blur", (("gblur", "sigma=2.5"),)),
    Edit("noise", (("noise", "alls=15:allf=t:all_seed={seed}"),)),
    change_speed(80),
    change_speed(125),
    keep_stretch("trim-head", 0.3, 1.0),
    keep_stretch("trim-tail", 0.0, 0.7),
    keep_stretch("middle-clip", 0.3, 0.7),
    Edit("splice", cut=_splice, needs_companion=True),
    Edit("concat", cut=_append, needs_companion=True),
    lay_out("picture-in-picture", Layout(partial(show_inset, width_fraction=0.3), 1.0, 0.3, holds_last_frame=False)),
)

EDITS: dict[str, Edit] = {edit.name: edit for edit in _ALL}
