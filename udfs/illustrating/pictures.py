"""Small pictures of the shared footage of two videos: strips of frames, and the matrix of their similarities."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.square import fit_inside
from udfs.verifying.frame_similarity import SAME_PICTURE_SIMILARITY, compare_frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from udfs.verifying.features import VideoFeatures
    from udfs.verifying.lines import AlignedSegment

MAX_STRIP_BYTES, MAX_MATRIX_BYTES = 22_000, 6_000
"""The size limits: 4,000 pairs, each with two strips and a similarity matrix, take 200 MB at most."""
_STRIP_QUALITIES = (60, 45, 35, 25, 15, 8, 1)
"""Of JPEG; the first that is small enough is used. Thumbnails are JPEG too: encoding them as WebP takes five times as
long, and pictures of the same size are no closer to the thumbnails."""
_MATRIX_QUALITIES = (60, 45, 30, 15, 0)  # of WebP, which is smaller for flat areas with lines
_GAP_PX = 4
_BACKGROUND_GREY = 24  # around frames: differs from the light and the dark page background
_MATRIX_PX = 180  # longer side
_MIN_ASPECT = 1 / 3  # a clip against a film would otherwise be a line
_MIN_GAP_SECONDS = 0.02  # moments closer than this show the same frame
_MAX_PART = 0.95  # of the picture: a larger region is the whole picture, within the accuracy of its corners
_OUTLINE = ("black", "yellow", "yellow", "yellow", "black")  # of 1 px each: it is seen on pictures of any brightness


class Moments(NamedTuple):
    """Matched seconds of two videos: as many on the left as on the right, at least one."""

    left_seconds: tuple[float, ...]
    right_seconds: tuple[float, ...]


def choose_moments(segments: Iterable[AlignedSegment], num_moments: int) -> Moments:
    """Choose moments spaced evenly along the aligned segments, in the order of the left video.

    Args:
        segments: at least one.
        num_moments: maximum number of moments; short segments have fewer.
    """
    ordered = sorted(segments)
    ends = np.cumsum([max(left.end_seconds - left.start_seconds, 0.0) for left, _ in ordered])
    moments: list[tuple[float, float]] = []
    for place in (np.arange(num_moments) + 0.5) / num_moments * ends[-1]:
        number = min(int(np.searchsorted(ends, place)), len(ordered) - 1)
        (left_start, left_end), (right_start, right_end) = ordered[number]
        length = left_end - left_start
        share = (place - ends[number] + length) / length if length > 0 else 0.0
        left, right = left_start + share * length, right_start + share * (right_end - right_start)
        if not moments or max(abs(left - moments[-1][0]), abs(right - moments[-1][1])) > _MIN_GAP_SECONDS:
            moments.append((round(left, 3), round(right, 3)))
    return Moments(tuple(left for left, _ in moments), tuple(right for _, right in moments))


def is_crop(region: Sequence[float] | None) -> bool:
    """Return whether a region is a part of its picture that a strip outlines.

    Args:
        region: left, top, right and bottom as fractions of the picture; None if it is unknown.
    """
    if region is None:
        return False
    left, top, right, bottom = region
    return (right - left) * (bottom - top) < _MAX_PART


def outline(frame: NDArray[np.uint8], region: Sequence[float]) -> NDArray[np.uint8]:
    """Return a frame, uint8 (h, w, 3), with a rectangle around a region given as fractions of its size."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(frame)
    left, top, right, bottom = (
        round(min(max(share, 0.0), 1.0) * (extent - 1)) for share, extent in zip(region, image.size * 2, strict=True)
    )
    pen = ImageDraw.Draw(image)
    for inset, colour in enumerate(_OUTLINE):
        box = (left + inset, top + inset, right - inset, bottom - inset)
        if box[0] <= box[2] and box[1] <= box[3]:
            pen.rectangle(box, outline=colour)
    return np.asarray(image)


def draw_strip(frames: Sequence[NDArray[np.uint8]], cell_px: int) -> bytes:
    """Draw frames of one size side by side, each centred in a cell: JPEG of at most MAX_STRIP_BYTES."""
    from PIL import Image

    height, width, _ = frames[0].shape
    strip = np.full((height, len(frames) * (cell_px + _GAP_PX) - _GAP_PX, 3), _BACKGROUND_GREY, dtype=np.uint8)
    for number, frame in enumerate(frames):
        left = number * (cell_px + _GAP_PX) + (cell_px - width) // 2
        strip[:, left : left + width] = frame
    return _encode(Image.fromarray(strip), "JPEG", _STRIP_QUALITIES, MAX_STRIP_BYTES, optimize=True)


def draw_similarity_matrix(left: VideoFeatures, right: VideoFeatures, segments: Iterable[AlignedSegment]) -> bytes:
    """Draw the similarity of each left frame (down) to each right frame (across), and aligned segments as lines.

    Similarities are normalised by the background (`compare_frames`). All matrices have one scale: frames that are
    similar enough to show one picture have full brightness, and unrelated frames are dark. Returns WebP of at most
    MAX_MATRIX_BYTES.
    """
    from matplotlib import colormaps
    from PIL import Image, ImageDraw

    left, right = left.thin(), right.thin()
    similarities = compare_frames(left, right)
    brightness = np.clip(similarities / SAME_PICTURE_SIMILARITY, 0, 1)
    colours = colormaps["viridis"](brightness, bytes=True)[..., :3]
    width, height = _fit_matrix(right.duration_seconds, left.duration_seconds)
    is_enlarged = width >= colours.shape[1]
    drawn = Image.fromarray(np.ascontiguousarray(colours)).resize(
        (width, height), Image.Resampling.NEAREST if is_enlarged else Image.Resampling.BOX
    )
    pen = ImageDraw.Draw(drawn)
    across, down = (extent / max(s.duration_seconds, 1e-9) for extent, s in ((width, right), (height, left)))
    lines = [(rs * across, ls * down, re * across, le * down) for (ls, le), (rs, re) in segments]
    for (fill, thickness), line in itertools.product((("black", 5), ("white", 2)), lines):
        pen.line(line, fill=fill, width=thickness)
    return _encode(drawn, "WEBP", _MATRIX_QUALITIES, MAX_MATRIX_BYTES, method=1)


def _fit_matrix(right_seconds: float, left_seconds: float) -> tuple[int, int]:
    """Return the width and height of a matrix in px, roughly in the proportion of both durations."""
    if right_seconds <= 0 or left_seconds <= 0:
        return _MATRIX_PX, _MATRIX_PX
    aspect = min(max(right_seconds / left_seconds, _MIN_ASPECT), 1 / _MIN_ASPECT)
    return fit_inside(aspect, 1.0, _MATRIX_PX)


def _encode(image: Image.Image, encoding: str, qualities: Iterable[int], max_bytes: int, **options: int) -> bytes:
    """Encode at the first quality that is small enough, or at the last."""
    encoded = b""
    for quality in qualities:
        buffer = io.BytesIO()
        image.save(buffer, encoding, quality=quality, **options)
        encoded = buffer.getvalue()
        if len(encoded) <= max_bytes:
            break
    return encoded
