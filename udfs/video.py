"""The nouns that pass between opening, decoding and describing a video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from udfs.errors import RowError


@dataclass(frozen=True)
class DecodeLimits:
    """The most that one video may cost before it is quarantined. The config section `describe` has a key for each."""

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
    """Which frames are taken: one each `1 / sample_fps` seconds, denser where a clip would give too few.

    A clip shorter than `min_frames / sample_fps` seconds is sampled at `min_frames` even steps, so that every
    video yields at least `min_frames` frames where it has them.
    """

    sample_fps: float = 1.0
    min_frames: int = 8


@dataclass(frozen=True)
class VideoRequest:
    """One video to be decoded. `uri` is absolute, as the manifest table holds it."""

    video_id: str
    uri: str | None


@dataclass(frozen=True)
class VideoFacts:
    """What the container and its decoder say of a video, after rotation metadata has been obeyed.

    `duration_seconds` comes from the frames' own timestamps, never from the container's header.
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
        video_id: which video.
        frame_seconds: float64 (n,), presentation times from the video's first frame on.
        frames: uint8 (n, frame_px, frame_px, 3), RGB, letter-padded with zeros to a square.
    """

    video_id: str
    frame_seconds: NDArray[np.float64]
    frames: NDArray[np.uint8]


@dataclass(frozen=True)
class VideoRestarted:
    """The chunks sent so far for this video are void: the second decoder begins anew."""

    video_id: str


@dataclass(frozen=True)
class VideoDone:
    """All chunks of this video have been sent."""

    video_id: str
    facts: VideoFacts


@dataclass(frozen=True)
class VideoFailed:
    """This video is to be quarantined; chunks sent for it are void."""

    video_id: str
    error: RowError


DecodeEvent = FrameChunk | VideoRestarted | VideoDone | VideoFailed
