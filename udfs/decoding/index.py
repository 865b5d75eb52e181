"""Reads when each frame of a video is displayed, by demuxing the file once. Only the first frame is decoded.

Runs in decoder children.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from udfs.decoding.container import (
    check_frame_size,
    check_logged_limits,
    demux_stream,
    find_video_stream,
    open_container,
)
from udfs.decoding.orientation import UPRIGHT, Orientation, check_pixel_aspect, read_orientation
from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from udfs.decoding.ffmpeg_log import FfmpegLog
    from udfs.video import DecodeLimits

_GENERATE_PTS = 1  # AVFMT_FLAG_GENPTS, libavformat/avformat.h; PyAV sets it, decord does not
# A decoder that reorders returns its first frame after at most 16 others (H.264, A.3.1), each in up to two fields.
_FIRST_FRAME_PACKETS = 64
_PACKETS_PER_HEARTBEAT = 256
_FALLBACK_FPS = Fraction(25)
# VP8's alternate reference frames are packets that are never displayed. decord counts them as frames.
_CODECS_WITH_HIDDEN_PACKETS = frozenset({"vp8"})
# FFmpeg seeks in these by guessing a byte position, and does not reach the frames that decord expects.
_CONTAINERS_WITHOUT_INDEX = frozenset({"mpegts", "mpeg"})


# decord queues packets for the thread of its decoder without waiting. After 10,000 packets without a frame
# (MAX_POP_RETRIES_PER_FRAME) it stops skipping, and its frames are wrong from there on. It waits only at the end of
# the file.
_DECORD_MAX_PACKETS = 10_000
_DECORD_MAX_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class VideoIndex:
    """The video stream that is decoded, and its frames in display order.

    Attributes:
        stream_index: index of the stream in the container.
        codec: FFmpeg's name of the codec.
        width: width of the coded frames, in px.
        height: height of the coded frames, in px.
        pixel_aspect: displayed width of a coded pixel, divided by its height.
        orientation: how the coded frames are rotated for display.
        time_base: seconds per tick.
        pts: int64 (n,), n >= 1, strictly ascending, in ticks. Frames that an edit list hides are left out.
        duration_seconds: from the start of the first frame to the end of the last.
        has_timestamps: whether the file has timestamps; if not, `pts` are the numbers of the frames.
        decord_problem: why decord would return wrong frames of this file; None if it would not.
    """

    stream_index: int
    codec: str
    width: int
    height: int
    pixel_aspect: float
    orientation: Orientation
    time_base: Fraction
    pts: NDArray[np.int64]
    duration_seconds: float
    has_timestamps: bool
    decord_problem: str | None

    @property
    def frame_seconds(self) -> NDArray[np.float64]:
        """float64 (n,), when each frame appears, relative to the first."""
        return to_seconds(self.pts - self.pts[0], self.time_base)

    @property
    def display_size(self) -> tuple[float, float]:
        """(width, height) as displayed: with square pixels, and rotated."""
        width, height = self.width * self.pixel_aspect, float(self.height)
        return (height, width) if self.orientation.is_sideways else (width, height)


@dataclass
class _Packets:
    """The packets of one stream in file order: timestamps, durations, and the facts that decord depends on."""

    pts: list[int | None]
    durations: list[int]
    keys: list[bool]
    num_hidden: int = 0
    num_bytes: int = 0
    first_frame: VideoFrame | None = None


def to_seconds(ticks: NDArray[np.int64], time_base: Fraction) -> NDArray[np.float64]:
    """Convert ticks to seconds, rounding once: 30 ticks of 1/30 s are exactly 1.0 s."""
    seconds: NDArray[np.float64] = ticks * time_base.numerator / time_base.denominator
    return seconds


def index_video(
    path: str, container: str, limits: DecodeLimits, log: FfmpegLog, heartbeat: Callable[[], None]
) -> VideoIndex:
    """Read a file from its first packet to its last, and decode only its first frame.

    Args:
        path: as in `open_container`.
        container: as in `open_container`.
        limits: the limits of streams, pixels and duration are used.
        log: log of this video; FFmpeg must write to it.
        heartbeat: called regularly, to report that reading makes progress.

    Raises:
        RowError: OPEN_FAILED, NO_VIDEO_STREAM, TOO_MANY_STREAMS, TOO_MANY_PIXELS, TOO_LONG, NO_FRAMES or CORRUPT.
        MemoryError: out of memory.
    """
    import av

    try:
        index = _build_index(path, container, limits, log, heartbeat)
    except av.FFmpegError as error:
        check_logged_limits(log, limits)
        if isinstance(error, MemoryError):
            raise
        raise RowError(RowErrorCode.OPEN_FAILED, f"{error}; {log.first_line()}") from error
    _check_duration(index.duration_seconds, limits)
    return index


def _build_index(
    path: str, container: str, limits: DecodeLimits, log: FfmpegLog, heartbeat: Callable[[], None]
) -> VideoIndex:
    opened, problem = _open_as_ffmpeg_would(path, container, limits)
    with opened:
        check_logged_limits(log, limits)
        opened.flags &= ~_GENERATE_PTS
        stream, is_best = find_video_stream(opened)
        packets = _read_packets(opened, stream, limits, heartbeat)
        check_logged_limits(log, limits)
        if None not in packets.pts:
            return _make_index(stream, packets, problem or (None if is_best else "decord would read another stream"))
    with open_container(path, container, limits, forced=True) as opened:
        stream, _ = find_video_stream(opened)
        packets = _read_packets(opened, stream, limits, heartbeat)
        return _make_index(stream, packets, "packets without timestamps")


def _open_as_ffmpeg_would(path: str, container: str, limits: DecodeLimits) -> tuple[InputContainer, str | None]:
    """Open a file. Also return why decord, for which FFmpeg detects the container, would read it differently."""
    import av

    try:
        return open_container(path, container, limits, forced=False), None
    except av.FFmpegError:
        opened = open_container(path, container, limits, forced=True)
        return opened, "FFmpeg detects another container"


def _read_packets(
    opened: InputContainer, stream: VideoStream, limits: DecodeLimits, heartbeat: Callable[[], None]
) -> _Packets:
    import av

    check_frame_size(stream.width, stream.height, limits)
    stream.codec_context.options = {"max_pixels": str(limits.max_frame_pixels)}
    stream.codec_context.thread_count = 1
    packets = _Packets([], [], [])
    try:
        for number, packet in enumerate(demux_stream(opened, stream)):
            if number % _PACKETS_PER_HEARTBEAT == 0:
                heartbeat()
                _check_duration(_measure_span_seconds(packets, stream), limits)
            if packets.first_frame is None and number < _FIRST_FRAME_PACKETS:
                packets.first_frame = _decode_first(packet)
            if packet.is_discard:
                packets.num_hidden += 1
                continue
            packets.num_bytes += packet.size
            packets.pts.append(packet.pts)
            packets.durations.append(packet.duration or 0)
            packets.keys.append(packet.is_keyframe)
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        detail = f"the container ends early, after {len(packets.pts)} video packets: {error}"
        raise RowError(RowErrorCode.CORRUPT, detail) from error
    return packets


def _measure_span_seconds(packets: _Packets, stream: VideoStream) -> float:
    """Return the seconds from the first packet to the last one read so far; 0 if they have no timestamps."""
    if not packets.pts or packets.pts[0] is None or packets.pts[-1] is None or stream.time_base is None:
        return 0.0
    return float((packets.pts[-1] - packets.pts[0]) * stream.time_base)


def _check_duration(seconds: float, limits: DecodeLimits) -> None:
    if seconds > limits.max_duration_seconds:
        detail = f"the frames span at least {seconds:.0f} s, the limit is {limits.max_duration_seconds:.0f} s"
        raise RowError(RowErrorCode.TOO_LONG, detail)


def _decode_first(packet: Packet[VideoStream]) -> VideoFrame | None:
    import av

    try:
        return next((frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)), None)
    except av.FFmpegError:  # damage is measured when the video is decoded
        return None


def _make_index(stream: VideoStream, packets: _Packets, problem: str | None) -> VideoIndex:
    if not packets.pts:
        raise RowError(RowErrorCode.NO_FRAMES, f"video stream {stream.index} has no packet to display")
    has_timestamps = None not in packets.pts
    time_base = stream.time_base or 1 / _FALLBACK_FPS
    if has_timestamps:
        shown, order = np.unique(np.array(packets.pts, dtype=np.int64), return_index=True)
        durations = np.array(packets.durations, dtype=np.int64)[order]
    else:
        time_base = 1 / Fraction(stream.guessed_rate or _FALLBACK_FPS)
        shown = np.arange(len(packets.pts))
        durations = np.ones(len(shown), dtype=np.int64)
    first = packets.first_frame
    return VideoIndex(
        stream_index=stream.index,
        codec=stream.codec.canonical_name,
        width=first.width if first else stream.width,
        height=first.height if first else stream.height,
        pixel_aspect=check_pixel_aspect(float(stream.sample_aspect_ratio or 1)),
        orientation=read_orientation(first) if first else UPRIGHT,
        time_base=time_base,
        pts=shown,
        duration_seconds=_measure_duration(shown, durations, time_base),
        has_timestamps=has_timestamps,
        decord_problem=problem or _find_decord_problem(stream, packets, len(shown)),
    )


def _measure_duration(pts: NDArray[np.int64], durations: NDArray[np.int64], time_base: Fraction) -> float:
    """Return the seconds from the start of the first frame to the end of the last.

    If the file declares no duration of the last frame, the interval before it is used.
    """
    last = int(durations[-1])
    if last <= 0 and len(pts) > 1:
        last = int(pts[-1] - pts[-2])
    return float((int(pts[-1]) - int(pts[0]) + max(0, last)) * time_base)


def _find_decord_problem(stream: VideoStream, packets: _Packets, num_shown: int) -> str | None:
    """Return why decord would return wrong frames; None if it would not. decord takes each packet for one frame."""
    first = packets.first_frame
    pts = np.array([0 if pts is None else pts for pts in packets.pts], dtype=np.int64)
    problems = {
        "a container without an index to seek by": stream.container.format.name in _CONTAINERS_WITHOUT_INDEX,
        "more packets than decord can queue": len(packets.pts) > _DECORD_MAX_PACKETS
        or packets.num_bytes > _DECORD_MAX_BYTES,
        "an edit list hides frames": packets.num_hidden > 0,
        "packets that share a timestamp": num_shown < len(packets.pts),
        "a codec with packets that are never displayed": stream.codec.canonical_name in _CODECS_WITH_HIDDEN_PACKETS,
        "no frame among the first packets": first is None,
        "a mirroring display matrix": first is not None and read_orientation(first).is_mirrored,
        "an open group of pictures": _has_open_gop(pts, np.array(packets.keys)),
    }
    return next((problem for problem, is_present in problems.items() if is_present), None)


def _has_open_gop(pts: NDArray[np.int64], keys: NDArray[np.bool_]) -> bool:
    """Return whether a packet is stored after a key frame and displayed before it (an open group of pictures).

    decord numbers key frames in file order and frames in display order; it also loses such leading frames when it
    seeks. x265 makes open groups by default.
    """
    earliest_after = np.minimum.accumulate(pts[::-1])[::-1]
    return bool(np.any(earliest_after[keys] < pts[keys]))
