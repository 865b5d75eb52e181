"""Rotation, mirroring and pixel aspect that a container declares for display. Runs in decoder children."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_QUARTER_DEGREES = 90
_HALF_DEGREES = 180
# Anamorphic video stays within 1:2 and 2:1. A pixel aspect outside of these bounds is a damaged header.
MIN_PIXEL_ASPECT = 0.25
MAX_PIXEL_ASPECT = 4.0


@dataclass(frozen=True)
class Orientation:
    """A rotation by a multiple of 90 degrees, with or without mirroring.

    Attributes:
        rotation_degrees: 0, 90, 180 or 270, clockwise.
        is_mirrored: whether the picture is also mirrored.
    """

    rotation_degrees: int
    is_mirrored: bool

    @property
    def is_sideways(self) -> bool:
        """Whether width and height are swapped for display."""
        return self.rotation_degrees % _HALF_DEGREES == _QUARTER_DEGREES

    @property
    def filters(self) -> tuple[tuple[str, str], ...]:
        """FFmpeg filters, as (name, arguments), that turn a coded frame upright."""
        return _FILTERS[self.rotation_degrees, self.is_mirrored]


UPRIGHT = Orientation(0, is_mirrored=False)

# The filters of mirrored frames are those of FFmpeg's automatic rotation (fftools/ffmpeg_filter.c,
# configure_input_video_filter). The others are decord's, so that both decoders return the same bytes.
_FILTERS: dict[tuple[int, bool], tuple[tuple[str, str], ...]] = {
    (0, False): (),
    (90, False): (("transpose", "clock"),),
    (180, False): (("transpose", "clock"), ("transpose", "clock")),
    (270, False): (("transpose", "cclock"),),
    (0, True): (("vflip", ""),),
    (90, True): (("transpose", "cclock_flip"),),
    (180, True): (("hflip", ""),),
    (270, True): (("transpose", "clock_flip"),),
}


def read_orientation(frame: VideoFrame) -> Orientation:
    """Read the display matrix of a frame. An angle is rounded to the nearest multiple of 90 degrees, as in decord.

    The matrix is nine 32-bit integers. It mirrors if its determinant is negative (libavutil/display.h).
    """
    clockwise_degrees = -frame.rotation % 360
    quarters = round(clockwise_degrees / _QUARTER_DEGREES) % 4
    is_mirrored = False
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix))
        is_mirrored = a * d - b * c < 0
    return Orientation(quarters * _QUARTER_DEGREES, is_mirrored)


def check_pixel_aspect(pixel_aspect: float) -> float:
    """Return a sample aspect ratio (displayed width of a pixel over its height) if it is plausible, else 1.0."""
    return pixel_aspect if MIN_PIXEL_ASPECT <= pixel_aspect <= MAX_PIXEL_ASPECT else 1.0
