"""Makes small real videos with PyAV. Each frame is a moving scene that contains its frame number."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

NUM_BITS = 10
_STRIP = 0.25  # share of the height, at the bottom, for the blocks of the number


@dataclass(frozen=True)
class Recipe:
    """A codec in a container.

    Attributes:
        codec: name of the encoder in PyAV.
        suffix: suffix of the file, which determines the container.
        pixel_format: pixel format of the encoded frames.
        options: options of the encoder.
    """

    codec: str
    suffix: str
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.codec}{self.suffix}"


_X264 = {"preset": "veryfast", "crf": "18"}
_X265 = {"preset": "ultrafast", "crf": "18", "x265-params": "log-level=none:pools=1"}
_VPX = {"deadline": "realtime", "cpu-used": "8", "b": "900k"}
_AV1 = {"preset": "8", "crf": "20", "svtav1-params": "lp=1"}
os.environ.setdefault("SVT_LOG", "1")  # otherwise the AV1 encoder prints its settings to stderr
CATALOGUE = (
    Recipe("libx264", ".mp4", options=_X264),
    Recipe("libx264", ".mkv", options=_X264),
    Recipe("libx264", ".mov", options=_X264),
    Recipe("libx264", ".flv", options=_X264 | {"bf": "0"}),
    Recipe("libx264", ".ts", options=_X264),
    Recipe("libx265", ".mp4", options=_X265),
    Recipe("libx265", ".mkv", options=_X265),
    Recipe("libvpx-vp9", ".webm", options=_VPX),
    Recipe("libvpx-vp9", ".mp4", options=_VPX),
    Recipe("libvpx", ".webm", options=_VPX),
    Recipe("libsvtav1", ".mp4", options=_AV1),
    Recipe("libsvtav1", ".webm", options=_AV1),
    Recipe("mpeg4", ".avi", options={"b": "2M"}),
    Recipe("mpeg4", ".mp4", options={"b": "2M", "bf": "2"}),
    Recipe("mpeg2video", ".mpg", options={"b": "4M"}),
    Recipe("mjpeg", ".mov", "yuvj420p", {"q": "2"}),
    Recipe("libtheora", ".ogv"),
    Recipe("gif", ".gif", "rgb8"),
)


def skip_without_encoder(codec: str) -> None:
    """Skip the current test if PyAV was built without an encoder."""
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this build of PyAV has no encoder {codec}")


def draw_picture(number: int, size: tuple[int, int] = (96, 64), seed: int = 0, speed: float = 1.0) -> NDArray[np.uint8]:
    """Draw frame `number`: moving coloured waves and a disc, above a strip of blocks that encode the number.

    Args:
        number: in [0, 1024).
        size: (width, height) in px.
        seed: seed of the scene.
        speed: speed of the movement.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    width, height = size
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    picture = np.zeros((height, width, 3))
    for channel in range(3):
        for _ in range(3):
            fx, fy, phase, drift = rng.uniform([1, 1, 0, -0.3], [6, 6, 6.3, 0.3])
            picture[..., channel] += np.sin(6.3 * (fx * x + fy * y) + phase + drift * speed * number)
    picture = 128 + 35 * picture
    centre = rng.uniform(0.2, 0.6, 2) + 0.1 * np.sin(speed * number / 7 + np.array([0, 1.6]))
    picture[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < 0.01] = rng.uniform(0, 255, 3)
    strip = height - int(height * _STRIP)
    for bit in range(NUM_BITS):
        left, right = width * bit // NUM_BITS, width * (bit + 1) // NUM_BITS
        picture[strip:, left:right] = 235 if number >> bit & 1 else 20
    return picture.clip(0, 255).astype(np.uint8)


def read_number(picture: NDArray[np.uint8]) -> int:
    """Read the frame number from an upright picture of any size, without padding."""
    height, width, _ = picture.shape
    row = picture[int(height * (1 - _STRIP / 2))].mean(axis=-1)
    return sum(int(row[int(width * (bit + 0.5) / NUM_BITS)] > 127) << bit for bit in range(NUM_BITS))


def cut_padding(square: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut the zero padding off a square. `size` is the (width, height) of the picture, in any unit."""
    box = len(square)
    width, height = (max(1, round(side * box / max(size))) for side in size)
    top, left = (box - height) // 2, (box - width) // 2
    return square[top : top + height, left : left + width]


def make_video(  # noqa: PLR0913 -- all tests use it; each passes only a few arguments
    path: Path,
    *,
    seconds: float = 2.0,
    fps: int = 10,
    size: tuple[int, int] = (96, 64),
    recipe: Recipe = CATALOGUE[0],
    seed: int = 0,
    frame_seconds: Sequence[float] | None = None,
    clockwise_degrees: float = 0.0,
    is_mirrored: bool = False,
    pixel_aspect: Fraction | None = None,
    keyframe_every: int = 12,
) -> Path:
    """Write a video and return its path.

    Args:
        path: path with the suffix of the recipe.
        seconds: duration; without effect if `frame_seconds` is given.
        fps: frames per second; without effect if `frame_seconds` is given.
        size: coded (width, height), even.
        recipe: codec and container.
        seed: seed of the scene.
        frame_seconds: time of each frame, rounded to milliseconds, for a variable frame rate. It may start at any time.
        clockwise_degrees: rotation in the metadata.
        is_mirrored: whether the metadata mirrors it left to right after the rotation.
        pixel_aspect: ratio of width to height of a pixel in the metadata.
        keyframe_every: frames between key frames.
    """
    skip_without_encoder(recipe.codec)
    if frame_seconds is None:
        time_base, times = Fraction(1, fps), range(round(seconds * fps))
    else:
        time_base, times = Fraction(1, 1000), [round(second * 1000) for second in frame_seconds]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(recipe.codec, rate=fps, options=dict(recipe.options))
        stream.width, stream.height, stream.pix_fmt = *size, recipe.pixel_format
        stream.codec_context.time_base = time_base
        stream.codec_context.gop_size = keyframe_every
        stream.codec_context.thread_count = 1
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if clockwise_degrees or is_mirrored:
            stream.set_display_rotation(-clockwise_degrees, hflip=is_mirrored)
        for number, time in enumerate(times):
            picture = av.VideoFrame.from_ndarray(draw_picture(number, size, seed), format="rgb24")
            frame = picture.reformat(format=recipe.pixel_format)
            frame.pts, frame.time_base = time, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def flip_bits(source: Path, target: Path, fraction: float, seed: int = 0) -> Path:
    """Copy a file with one bit flipped in a random share of its bytes, at least one byte."""
    content = np.frombuffer(source.read_bytes(), dtype=np.uint8).copy()
    rng = np.random.default_rng(seed)
    at = rng.choice(len(content), max(1, round(len(content) * fraction)), replace=False)
    content[at] ^= np.left_shift(1, rng.integers(0, 8, len(at))).astype(np.uint8)
    target.write_bytes(content.tobytes())
    return target
