"""The types that opening, decoding and describing share: limits, requests and events of a video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from udfs.errors import RowError


@dataclass(frozen=True)
class DecodeLimits:
    """Resource limits per video; a video that exceeds one is quarantined.

    The config section `describe` has a key for each of them, with a description.
    """

    max_file_bytes: int = 64 * 1024**3
    max_frame_pixels: int = 8192 * 4320
    max_duration_seconds: float = 6 * 3600.0
    max_streams: int = 64
    stall_timeout_seconds: float = 60.0
    total_timeout_seconds: float = 3600.0
    decoder_memory_bytes: int = 3 * 1024**3

    def shorten_timeouts(self, max_seconds: float) -> DecodeLimits:
        """Return the same limits with both timeouts at most `max_seconds`."""
        return replace(
            self,
            stall_timeout_seconds=min(self.stall_timeout_seconds, max_seconds),
            total_timeout_seconds=min(self.total_timeout_seconds, max_seconds),
        )


@dataclass(frozen=True)
class SamplingRule:
    """Which frames are sampled: one every `1 / sample_fps` seconds, more densely in short clips.

    A clip shorter than `min_frames / sample_fps` seconds is sampled in `min_frames` equal steps. So every video with
    at least `min_frames` frames yields at least that number.
    """

    sample_fps: float = 1.0
    min_frames: int = 8


@dataclass(frozen=True)
class VideoRequest:
    """A video to decode.

    Attributes:
        video_id: id of the video.
        uri: absolute, as in the manifest table; None if the manifest has none.
        seconds: times of the frames to decode, at least 0, relative to the first frame; the nearest frames are decoded.
            Empty for the sampled frames.
        was_described: whether an earlier run read the video from this uri, within its roots. Then the folder of the
            video may be read, besides the roots of the pool.
        described: the content that is already described. A file with this content is not decoded again.
    """

    video_id: str
    uri: str | None
    seconds: tuple[float, ...] = ()
    was_described: bool = False
    described: FileContent | None = None


@dataclass(frozen=True)
class FileContent:
    """The content of a file, without its name: its size and the SHA-256 as 64 hexadecimal digits."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class VideoFacts:
    """Facts of a video from its file, container and decoder.

    Width and height are as displayed, after rotation. `duration_seconds` is computed from the timestamps of the frames;
    the header of the container is not used.
    """

    size_bytes: int
    content_sha256: str
    container_format: str
    video_codec: str
    width_px: int
    height_px: int
    rotation_degrees: int
    duration_seconds: float
    average_fps: float
    num_frames: int
    decoder: str


@dataclass(frozen=True)
class FrameChunk:
    """Some sampled frames of one video, in time order.

    Attributes:
        video_id: id of the video.
        frame_seconds: float64 (n,), presentation times, relative to the first frame of the video.
        frames: uint8 (n, frame_px, frame_px, 3), RGB, letterboxed: padded with zeros to a square.
        picture_px: width and height of the pictures inside their squares, in px; None if they fill them.
    """

    video_id: str
    frame_seconds: NDArray[np.float64]
    frames: NDArray[np.uint8]
    picture_px: tuple[int, int] | None = None


@dataclass(frozen=True)
class VideoRestarted:
    """Discard the chunks of this video that were sent so far: decoding starts again from the first frame."""

    video_id: str


@dataclass(frozen=True)
class VideoDone:
    """All chunks of this video have been sent."""

    video_id: str
    facts: VideoFacts


@dataclass(frozen=True)
class VideoUnchanged:
    """The file has the content that is already described: `VideoRequest.described`. No chunks are sent."""

    video_id: str


@dataclass(frozen=True)
class VideoFailed:
    """This video cannot be decoded and will be quarantined. Discard the chunks that were sent for it."""

    video_id: str
    error: RowError


DecodeEvent = FrameChunk | VideoRestarted | VideoDone | VideoUnchanged | VideoFailed
