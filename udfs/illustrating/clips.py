"""Cuts short clips of the shared footage of two videos for review, as WebM that a browser plays from disk."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from models.square import fit_inside
from udfs.describing.describe import get_worker_pool
from udfs.describing.thumbnails import crop_padding
from udfs.errors import RowError, RowErrorCode
from udfs.video import FrameChunk, VideoDone, VideoFailed, VideoRequest, VideoRestarted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from av.container import OutputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from udfs.describing.settings import DescribeSettings
    from udfs.video import DecodeEvent

CLIPS_DDL = (
    "clip_id STRING NOT NULL, clip BINARY COMMENT 'WebM; null where the video could not be read', "
    "width_px INT COMMENT 'null without a clip', height_px INT, error_code STRING"
)
CLIP_FPS = 12
MAX_CLIP_SECONDS = 6.0
_FRAME_PX = 854  # longer side of 480p at 16:9
_SHORTER_PX = 480
_BITS_PER_PIXEL = 0.12  # 590 kbit/s at 480p
_MIN_BITS_PER_SECOND = 150_000
_FRAMES_PER_KEYFRAME = 6  # so that a browser finds any frame quickly when the reviewer scrubs


class ClipTimes(NamedTuple):
    """The frames of both clips of a pair: the same number on both sides, at matched seconds.

    Clips are made of these frames at `CLIP_FPS`. So both show matched footage at the same time of the clip, whatever
    the speed at which the two videos show it.
    """

    left_seconds: list[float]
    right_seconds: list[float]


def choose_clip_times(segment: Sequence[float]) -> ClipTimes | None:
    """Choose the middle of a segment, at most MAX_CLIP_SECONDS of the left video; None if it has no two frames.

    Args:
        segment: start and end in the left video, start and end in the right video.
    """
    left_start, left_end, right_start, right_end = segment
    length = left_end - left_start
    seconds = min(length, MAX_CLIP_SECONDS)
    count = int(seconds * CLIP_FPS)
    if count < 2:  # noqa: PLR2004 - one frame does not move
        return None
    left = left_start + (length - seconds) / 2 + np.arange(count) / CLIP_FPS
    right = right_start + (left - left_start) * (right_end - right_start) / length
    return ClipTimes(np.round(left, 3).tolist(), np.round(right, 3).tolist())


class ClipEncoder:
    """Encodes frames as VP8 in WebM, which all browsers play. Each is repeated at the requested times nearest to it.

    Args:
        seconds: requested times, ascending; at least one. The clip has a frame for each of them.
        longer_px: longer side of the video; its clip is not larger.
    """

    def __init__(self, seconds: Sequence[float], longer_px: int = _FRAME_PX) -> None:
        self._seconds = seconds
        self._longer_px = longer_px
        self._next = 0  # number of the first requested time without a frame
        self._held: tuple[float, NDArray[np.uint8]] | None = None
        self._file = io.BytesIO()
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self.size_px = (0, 0)

    def add(self, seconds: float, picture: NDArray[np.uint8]) -> None:
        """Add the frame that is nearest to some requested times, in ascending order: uint8 (h, w, 3), RGB."""
        if self._held is not None:
            middle = (self._held[0] + seconds) / 2
            while self._next < len(self._seconds) - 1 and self._seconds[self._next] <= middle:
                self._write(self._held[1])
        self._held = (seconds, picture)

    def finish(self) -> bytes | None:
        """Return the clip; None if there were no frames."""
        if self._held is None:
            return None
        while self._next < len(self._seconds):
            self._write(self._held[1])
        container, stream = self._open(self._held[1])
        container.mux(stream.encode(None))
        container.close()
        return self._file.getvalue()

    def _open(self, picture: NDArray[np.uint8]) -> tuple[OutputContainer, VideoStream]:
        """Return the container and its stream, made for the size of the first picture."""
        import av

        if self._container is None or self._stream is None:
            self.size_px = _fit_clip(picture.shape[1], picture.shape[0], self._longer_px)
            self._container = av.open(self._file, "w", format="webm")
            stream = self._container.add_stream("libvpx", rate=CLIP_FPS)
            stream.width, stream.height = self.size_px
            stream.pix_fmt = "yuv420p"
            num_pixels = self.size_px[0] * self.size_px[1]
            stream.bit_rate = max(_MIN_BITS_PER_SECOND, round(_BITS_PER_PIXEL * num_pixels * CLIP_FPS))
            stream.gop_size = _FRAMES_PER_KEYFRAME
            stream.codec_context.thread_count = (
                1  # a task has one core, and threads of libvpx wait for each other busily
            )
            stream.options = {"deadline": "realtime", "cpu-used": "8"}
            self._stream = stream
        return self._container, self._stream

    def _write(self, picture: NDArray[np.uint8]) -> None:
        """Encode a picture at the next requested time."""
        import av
        import cv2

        container, stream = self._open(picture)
        resized = cv2.resize(picture, self.size_px, interpolation=cv2.INTER_AREA)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(resized, dtype=np.uint8), format="rgb24")
        frame.pts = self._next
        container.mux(stream.encode(frame))
        self._next += 1


def cut_clips(batches: Iterator[pd.DataFrame], settings: DescribeSettings) -> Iterator[pd.DataFrame]:
    """Cut clips: rows clip_id, uri, seconds, longer_px -> one row of CLIPS_DDL each, in no order.

    `seconds` are the times of the frames, ascending; `longer_px` is the longer side of the video. Videos are decoded in
    child processes under the limits of describing. One that cannot be read gets an error_code and never fails the task.
    Runs on: executor, by `mapInPandas`.

    Args:
        batches: the rows of the partition.
        settings: how videos are opened and decoded.
    """
    import pandas as pd

    decoder = replace(settings.decoder, frame_px=_FRAME_PX)
    for batch in batches:
        rows = {row["clip_id"]: row for row in cast("list[dict[str, Any]]", batch.to_dict("records"))}
        seconds = {name: tuple(map(float, row["seconds"])) for name, row in rows.items()}
        encoders = {name: ClipEncoder(seconds[name], row["longer_px"]) for name, row in rows.items()}
        requests = (VideoRequest(name, rows[name]["uri"], seconds[name], was_described=True) for name in rows)
        with closing(get_worker_pool(decoder, settings.roots, settings.num_decoders).decode(requests)) as events:
            for event in events:
                if isinstance(event, VideoRestarted):
                    name = event.video_id
                    encoders[name] = ClipEncoder(seconds[name], rows[name]["longer_px"])
                elif isinstance(event, FrameChunk):
                    _encode(event, encoders[event.video_id])
                else:
                    yield pd.DataFrame([_finish(event, encoders.pop(event.video_id))])


def _encode(chunk: FrameChunk, encoder: ClipEncoder) -> None:
    for second, picture in zip(chunk.frame_seconds.tolist(), crop_padding(chunk), strict=True):
        encoder.add(second, picture)


def _finish(event: DecodeEvent, encoder: ClipEncoder) -> dict[str, Any]:
    """Return the row of a clip after its last event."""
    row: dict[str, Any] = {"clip_id": event.video_id, "clip": None, "width_px": None, "height_px": None}
    error = event.error if isinstance(event, VideoFailed) else None
    if isinstance(event, VideoDone):
        row["clip"] = encoder.finish()
        row["width_px"], row["height_px"] = encoder.size_px
        if row["clip"] is None:
            error = RowError(RowErrorCode.NO_FRAMES, "the decoder returned no frames")
    return row | {"error_code": error.code.value if error else None}


def _fit_clip(width: int, height: int, longer_px: int) -> tuple[int, int]:
    """Return the even width and height of a clip: the shorter side is at most 480 px, the longer one `longer_px`."""
    longer = min(max(width, height), longer_px, round(max(width, height) * _SHORTER_PX / min(width, height)))
    width, height = fit_inside(width, height, longer)
    return max(2, width - width % 2), max(2, height - height % 2)
