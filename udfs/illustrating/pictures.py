"""Small pictures of what two videos share: strips of frames, and the matrix of their similarities. Pure kernels."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from udfs.decoding.letterbox import fit_inside
from udfs.verifying.align import BACKGROUND_SHARE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from udfs.verifying import align

    Stretch = tuple[float, ...]

MAX_STRIP_BYTES = 18_000
"""What a strip may take: 4,000 pairs of two strips and a picture of their match stay below 200 MB."""
_QUALITIES = (60, 45, 30, 15, 0)  # of WebP; the first that is small enough
_GAP_PX = 4
_GROUND = 24  # grey around frames: neither page ground has it
_MATCH_PX = 180  # longer side
_MIN_ASPECT = 1 / 3  # a clip held against a film would be a line
_LEAST_BRIGHTEST = 0.3  # normalised similarity: where nothing is more similar, nothing is as bright as it gets
_SECONDS_APART = 0.02  # moments nearer than this show one frame


class Moments(NamedTuple):
    """Matched seconds of two videos, of equal number, at least one."""

    left_seconds: tuple[float, ...]
    right_seconds: tuple[float, ...]


def match_moments(stretches: Iterable[Stretch], num_moments: int) -> Moments:
    """Choose moments evenly along the aligned stretches, in the order of the left video.

    Args:
        stretches: (left start, left end, right start, right end) in seconds, at least one.
        num_moments: how many, where the stretches are long enough.
    """
    ordered = sorted(stretches)
    ends = np.cumsum([max(stretch[1] - stretch[0], 0.0) for stretch in ordered])
    found: list[tuple[float, float]] = []
    for place in (np.arange(num_moments) + 0.5) / num_moments * ends[-1]:
        number = min(int(np.searchsorted(ends, place)), len(ordered) - 1)
        left_start, left_end, right_start, right_end = ordered[number]
        length = left_end - left_start
        share = (place - ends[number] + length) / length if length > 0 else 0.0
        left, right = left_start + share * length, right_start + share * (right_end - right_start)
        if not found or max(abs(left - found[-1][0]), abs(right - found[-1][1])) > _SECONDS_APART:
            found.append((round(left, 3), round(right, 3)))
    return Moments(tuple(left for left, _ in found), tuple(right for _, right in found))


def cut_padding(
    frames: Sequence[NDArray[np.uint8]], size_px: tuple[int, int], frame_px: int
) -> list[NDArray[np.uint8]]:
    """Cut off what pads pictures to squares: uint8 (px, px, 3) each -> uint8 (h, w, 3) each.

    Args:
        frames: of one video, at least one.
        size_px: width and height of the video; its pixels may not be square, so what is not black counts too.
        frame_px: side of the squares.
    """
    width, height = fit_inside(*size_px, frame_px)
    is_drawn = np.any([frame.any(axis=-1) for frame in frames], axis=0)
    width = max(width, _measure_centred(is_drawn.any(axis=0)))
    height = max(height, _measure_centred(is_drawn.any(axis=1)))
    top, left = (frame_px - height) // 2, (frame_px - width) // 2
    return [frame[top : top + height, left : left + width] for frame in frames]


def _measure_centred(is_drawn: NDArray[np.bool_]) -> int:
    """Return the length of the smallest span around the middle that holds all that is drawn."""
    drawn = np.flatnonzero(is_drawn)
    if not len(drawn):
        return 0
    margin = min(int(drawn[0]), len(is_drawn) - 1 - int(drawn[-1]))
    return len(is_drawn) - 2 * margin


def draw_strip(frames: Sequence[NDArray[np.uint8]], cell_px: int) -> bytes:
    """Put frames of one size beside each other, each in the middle of a cell: WebP, below MAX_STRIP_BYTES."""
    height, width, _ = frames[0].shape
    strip = np.full((height, len(frames) * (cell_px + _GAP_PX) - _GAP_PX, 3), _GROUND, dtype=np.uint8)
    for number, frame in enumerate(frames):
        left = number * (cell_px + _GAP_PX) + (cell_px - width) // 2
        strip[:, left : left + width] = frame
    return _encode(strip)


def draw_match(left: align.VideoFeatures, right: align.VideoFeatures, stretches: Iterable[Stretch]) -> bytes:
    """Draw the similarity of each left frame (down) to each right one (across), and the aligned stretches as lines.

    The brighter the more similar, less what the background explains (`align.BACKGROUND_SHARE`); the most similar of
    the two videos are the brightest. Returns WebP.
    """
    from matplotlib import colormaps
    from PIL import Image, ImageDraw

    left, right = left.thin(), right.thin()
    similar = left.vectors @ right.vectors.T
    similar -= BACKGROUND_SHARE * (left.backgrounds[:, None] + right.backgrounds[None, :])
    brightness = np.clip(similar / max(float(similar.max()), _LEAST_BRIGHTEST), 0, 1)
    colours = colormaps["viridis"](brightness, bytes=True)[..., :3]
    width, height = _fit_match(right.duration_seconds, left.duration_seconds)
    grows = width >= colours.shape[1]
    drawn = Image.fromarray(np.ascontiguousarray(colours)).resize(
        (width, height), Image.Resampling.NEAREST if grows else Image.Resampling.BOX
    )
    pen = ImageDraw.Draw(drawn)
    across, down = (extent / max(s.duration_seconds, 1e-9) for extent, s in ((width, right), (height, left)))
    lines = [(rs * across, ls * down, re * across, le * down) for ls, le, rs, re in stretches]
    for (fill, thickness), line in itertools.product((("black", 5), ("white", 2)), lines):
        pen.line(line, fill=fill, width=thickness)
    return _encode(drawn)


def _fit_match(across: float, down: float) -> tuple[int, int]:
    """Return width and height in px of a match, roughly in the proportion of both durations."""
    if across <= 0 or down <= 0:
        return _MATCH_PX, _MATCH_PX
    aspect = min(max(across / down, _MIN_ASPECT), 1 / _MIN_ASPECT)
    return fit_inside(aspect, 1.0, _MATCH_PX)


def _encode(picture: NDArray[np.uint8] | Image.Image) -> bytes:
    """Encode as WebP at the best quality that is small enough."""
    from PIL import Image

    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    encoded = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, method=4)
        encoded = buffer.getvalue()
        if len(encoded) <= MAX_STRIP_BYTES:
            break
    return encoded
