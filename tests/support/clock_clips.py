"""Makes small clips whose pixels show the time: the grey level of the left half rises with each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

FPS = 10
WIDTH_PX, HEIGHT_PX = 100, 60  # deliberately no multiples of 16
FIRST_GREY, GREY_STEP = 30, 4
GREEN = (0, 160, 0)


def clock_frame(number: int, right: tuple[int, int, int] = GREEN) -> NDArray[np.uint8]:
    """Return an RGB frame, grey on the left and `right` on the right."""
    frame = np.full((HEIGHT_PX, WIDTH_PX, 3), FIRST_GREY + GREY_STEP * number, np.uint8)
    frame[:, WIDTH_PX // 2 :] = right
    return frame


def write_clock_clip(path: Path, num_frames: int = 40, right: tuple[int, int, int] = GREEN) -> Path:
    """Write a clip of `num_frames` clock frames, and return the path."""
    return write_frames(path, (clock_frame(number, right) for number in range(num_frames)))


def write_frames(
    path: Path, frames: Iterable[NDArray[np.uint8]], size: tuple[int, int] = (WIDTH_PX, HEIGHT_PX)
) -> Path:
    """Write RGB frames of a width and height in px at 10 frames per second, and return the path."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS, options={"b": "2000000"})
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    return path


def frame_at(path: Path, seconds: float) -> NDArray[np.uint8]:
    """Return the RGB frame that a player shows at this time after the first frame."""
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    # 2 ms: some containers round times to milliseconds.
    shown = [frame for frame in decoded if frame.time - decoded[0].time <= seconds + 0.002]
    return shown[-1].to_ndarray(format="rgb24")


def seconds_shown(frame: NDArray[np.uint8]) -> float:
    """Return the time that the left half of a frame shows, in seconds of the original clip."""
    height, width, _ = frame.shape
    grey = frame[height // 3 : height // 2, width // 5 : width * 2 // 5].mean()
    return round((grey - FIRST_GREY) / GREY_STEP) / FPS
