"""Thumbnails: the sampled frames of a video as small JPEG pictures, which pairs are verified on and people look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from udfs.describing.local_statistics import measure_locally, window_px

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from udfs.video import FrameChunk

QUALITY = 50
"""Of JPEG, in [0, 100]. A thumbnail of 224 px then takes about 4 KB. docs/decisions/0013 has the measurements.

Grey WebP needs half of that, but encoding takes fifteen times as long, 3 ms, which slows describing by 5 %.
"""

_MIN_VARIANCE = 25.0  # grey levels squared: above the noise that encoders leave in a flat picture


def crop_padding(chunk: FrameChunk) -> NDArray[np.uint8]:
    """Return the pictures of a chunk without the padding that makes them square: uint8 (n, height, width, 3)."""
    side = chunk.frames.shape[1]
    width, height = chunk.picture_px or (side, side)
    top, left = (side - height) // 2, (side - width) // 2
    return chunk.frames[:, top : top + height, left : left + width]


def encode_thumbnails(frames: NDArray[np.uint8]) -> list[bytes]:
    """Encode pictures, uint8 (n, height, width, 3) RGB, as JPEG.

    Runs on: executor, and the machine that checks one video.
    """
    import cv2

    flags = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    return [cv2.imencode(".jpg", np.ascontiguousarray(frame[:, :, ::-1]), flags)[1].tobytes() for frame in frames]


def measure_details(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure the detail of pictures, uint8 (n, height, width, 3) RGB: float32 (n,), in [0, 1].

    It is the share of the grey picture's local windows, an eleventh of the longer side each, whose variance exceeds 25
    grey levels squared. Black and flat frames have at most .02, title cards .05 to .2, and nearly all frames of natural
    footage more than .25. It costs .16 ms per frame of 224 px. Runs on: executor, and the machine that checks one
    video.
    """
    import cv2

    side = window_px(frames.shape[1:3])
    grey = (cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in frames)
    variances = (measure_locally(picture, side).variance for picture in grey)
    return np.array([(variance > _MIN_VARIANCE).mean() for variance in variances], dtype=np.float32)


def decode_thumbnails(thumbnails: Iterable[bytes]) -> list[NDArray[np.uint8]]:
    """Decode thumbnails to grey pictures, uint8 (height, width).

    Raises:
        ValueError: a thumbnail is not a picture.
    """
    import cv2

    return [_decode(thumbnail, cv2.IMREAD_GRAYSCALE) for thumbnail in thumbnails]


def decode_in_colour(thumbnails: Iterable[bytes]) -> list[NDArray[np.uint8]]:
    """Decode thumbnails to pictures in colour, uint8 (height, width, 3) RGB. Runs on: executor.

    Raises:
        ValueError: a thumbnail is not a picture.
    """
    import cv2

    pictures = (cv2.cvtColor(_decode(thumbnail, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB) for thumbnail in thumbnails)
    return [picture.astype(np.uint8, copy=False) for picture in pictures]


def _decode(thumbnail: bytes, flags: int) -> NDArray[np.uint8]:
    import cv2

    picture = cv2.imdecode(np.frombuffer(thumbnail, np.uint8), flags) if thumbnail else None
    if picture is None:
        raise ValueError(f"a thumbnail must be a JPEG picture, got {len(thumbnail)} bytes: describe the video again")
    return picture.astype(np.uint8, copy=False)
