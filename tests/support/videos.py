"""Small real videos, made by PyAV: moving, rich pictures that carry their own frame number."""

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
_STRIP = 0.25  # the number's blocks take this part of the picture's height, at the bottom


@dataclass(frozen=True)
class Recipe:
    """A codec in a container.

    Attributes:
        codec: PyAV's name of the encoder.
        suffix: of the file; the container follows from it.
        pixel_format: what is encoded.
        options: of the encoder.
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
os.environ.setdefault("SVT_LOG", "1")  # else the AV1 encoder tells stderr of its settings
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
    """Skip the running test where PyAV has been built without an encoder."""
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this build of PyAV has no encoder {codec}")


def draw_picture(number: int, size: tuple[int, int] = (96, 64), seed: int = 0, speed: float = 1.0) -> NDArray[np.uint8]:
    """Draw frame `number`: coloured waves and a disc that drift, over a strip of blocks that spell the number.

    Args:
        number: in [0, 1024).
        size: (width, height) in px.
        seed: another one gives another scene.
        speed: how fast things move.

    Returns:
        uint8 (height, width, 3), RGB.
    """
    width, height = size
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    picture = np.zeros((height, width, 3))
    for channel in range(3):
        for _ in range(3):
            fx, fy, phase, drift = chance.uniform([1, 1, 0, -0.3], [6, 6, 6.3, 0.3])
            picture[..., channel] += np.sin(6.3 * (fx * x + fy * y) + phase + drift * speed * number)
    picture = 128 + 35 * picture
    centre = chance.uniform(0.2, 0.6, 2) + 0.1 * np.sin(speed * number / 7 + np.array([0, 1.6]))
    picture[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < 0.01] = chance.uniform(0, 255, 3)
    strip = height - int(height * _STRIP)
    for bit in range(NUM_BITS):
        left, right = width * bit // NUM_BITS, width * (bit + 1) // NUM_BITS
        picture[strip:, left:right] = 235 if number >> bit & 1 else 20
    return picture.clip(0, 255).astype(np.uint8)


def read_number(picture: NDArray[np.uint8]) -> int:
    """Read the frame number back from an upright picture of any size, its padding cut off."""
    height, width, _ = picture.shape
    row = picture[int(height * (1 - _STRIP / 2))].mean(axis=-1)
    return sum(int(row[int(width * (bit + 0.5) / NUM_BITS)] > 127) << bit for bit in range(NUM_BITS))


def cut_padding(square: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut the zeros off a letter-padded square: `size` is the (width, height) that was fitted, in any unit."""
    box = len(square)
    width, height = (max(1, round(side * box / max(size))) for side in size)
    top, left = (box - height) // 2, (box - width) // 2
    return square[top : top + height, left : left + width]


def make_video(  # noqa: PLR0913 -- one maker for all of the tests; each names the few things it is about
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
    """Write a video and give its path.

    Args:
        path: its suffix is the recipe's.
        seconds: how long it is shown; of no effect where `frame_seconds` is given.
        fps: frames a second, likewise.
        size: (width, height) as coded, even.
        recipe: codec and container.
        seed: of the scene.
        frame_seconds: when each frame appears, to the millisecond, for a variable frame rate. May start anywhere.
        clockwise_degrees: how players are told to turn it.
        is_mirrored: whether they are told to mirror it left to right after that.
        pixel_aspect: how wide players are told to show a pixel, by its height.
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
    """Copy a file with one bit flipped in some of its bytes, at least one, chosen by the seed."""
    content = np.frombuffer(source.read_bytes(), dtype=np.uint8).copy()
    chance = np.random.default_rng(seed)
    at = chance.choice(len(content), max(1, round(len(content) * fraction)), replace=False)
    content[at] ^= np.left_shift(1, chance.integers(0, 8, len(at))).astype(np.uint8)
    target.write_bytes(content.tobytes())
    return target
