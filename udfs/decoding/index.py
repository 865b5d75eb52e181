"""When each frame of a video is shown, learnt by demuxing it once; only the first frame is decoded.

Runs in decoder children.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from udfs.decoding.container import demux_stream, find_video_stream, open_container, refuse_by_complaint, refuse_size
from udfs.decoding.orientation import UPRIGHT, Orientation, check_pixel_aspect, read_orientation
from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from udfs.decoding.complaints import Complaints
    from udfs.video import DecodeLimits

_GENERATE_PTS = 1  # AVFMT_FLAG_GENPTS, libavformat/avformat.h; PyAV sets it, decord does not
# Decoders that reorder give their first frame after at most 16 others (H.264, A.3.1), each maybe in two fields.
_FIRST_LOOK_PACKETS = 64
_PACKETS_PER_SIGN = 256
_FALLBACK_FPS = Fraction(25)
# VP8's alternate reference frames are packets that are never shown; decord counts them as frames.
_CODECS_WITH_HIDDEN_PACKETS = frozenset({"vp8"})
# FFmpeg seeks in these by guessing at bytes, and does not arrive at the frames that decord counts on.
_CONTAINERS_WITHOUT_INDEX = frozenset({"mpegts", "mpeg"})


# decord pushes packets to its decoder's thread without waiting for it, and stops skipping after 10,000 of them that
# brought no frame yet (MAX_POP_RETRIES_PER_FRAME); its frames are wrong from there on. At the file's end it waits.
_DECORD_MAX_PACKETS = 10_000
_DECORD_MAX_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class VideoIndex:
    """The video stream that is decoded, and its frames in the order they are shown.

    Attributes:
        stream_index: which of the container's streams.
        codec: FFmpeg's name of the codec.
        width: of the coded frames, in px.
        height: likewise.
        pixel_aspect: how wide a coded pixel is shown, by its height.
        orientation: how the coded frames are turned for display.
        time_base: seconds per tick.
        pts: int64 (n,), n >= 1, strictly ascending, in ticks. Frames that edit lists hide are not in it.
        duration_seconds: from the first frame's start to the last one's end.
        is_counted: the file has no timestamps, and `pts` counts frames.
        decord_flaw: why decord would take wrong frames of this file; None if it would not.
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
    is_counted: bool
    decord_flaw: str | None

    @property
    def frame_seconds(self) -> NDArray[np.float64]:
        """float64 (n,), when each frame appears, from the first one on."""
        return to_seconds(self.pts - self.pts[0], self.time_base)

    @property
    def display_size(self) -> tuple[float, float]:
        """(width, height) as a player shows it: in pixels made square, then turned."""
        width, height = self.width * self.pixel_aspect, float(self.height)
        return (height, width) if self.orientation.is_sideways else (width, height)


@dataclass
class _Packets:
    """Of the packets of one stream, in file order: when each is shown and for how long, and what else matters."""

    pts: list[int | None]
    durations: list[int]
    keys: list[bool]
    num_hidden: int = 0
    num_bytes: int = 0
    first_frame: VideoFrame | None = None


def to_seconds(ticks: NDArray[np.int64], time_base: Fraction) -> NDArray[np.float64]:
    """Convert, rounded once: 30 ticks of 1/30 s are 1.0 s and no less."""
    seconds: NDArray[np.float64] = ticks * time_base.numerator / time_base.denominator
    return seconds


def index_video(
    path: str, container: str, limits: DecodeLimits, complaints: Complaints, alive: Callable[[], None]
) -> VideoIndex:
    """Read a file from its first packet to its last, decoding no more than its first frame.

    Args:
        path: as `open_container` takes it.
        container: likewise.
        limits: of streams, pixels and duration.
        complaints: of this video, with libav's log going there.
        alive: called now and then, as a sign of life.

    Raises:
        RowError: OPEN_FAILED, NO_VIDEO_STREAM, TOO_MANY_STREAMS, TOO_MANY_PIXELS, TOO_LONG or NO_FRAMES.
        MemoryError: out of memory.
    """
    import av

    try:
        index = _index(path, container, limits, complaints, alive)
    except av.FFmpegError as error:
        refuse_by_complaint(complaints, limits)
        if isinstance(error, MemoryError):
            raise
        raise RowError(RowErrorCode.OPEN_FAILED, f"{error}; {complaints.first_line()}") from error
    _refuse_duration(index.duration_seconds, limits)
    return index


def _index(
    path: str, container: str, limits: DecodeLimits, complaints: Complaints, alive: Callable[[], None]
) -> VideoIndex:
    opened, flaw = _open_as_ffmpeg_would(path, container, limits)
    with opened:
        refuse_by_complaint(complaints, limits)
        opened.flags &= ~_GENERATE_PTS
        stream, is_best = find_video_stream(opened)
        packets = _read_packets(opened, stream, limits, alive)
        refuse_by_complaint(complaints, limits)
        if None not in packets.pts:
            return _make_index(stream, packets, flaw or (None if is_best else "it would take another stream"))
    with open_container(path, container, limits, forced=True) as opened:
        stream, _ = find_video_stream(opened)
        packets = _read_packets(opened, stream, limits, alive)
        return _make_index(stream, packets, "packets without timestamps")


def _open_as_ffmpeg_would(path: str, container: str, limits: DecodeLimits) -> tuple[InputContainer, str | None]:
    """Open a file, and say whether decord, which has FFmpeg guess the container, would read it otherwise."""
    import av

    try:
        return open_container(path, container, limits, forced=False), None
    except av.FFmpegError:
        opened = open_container(path, container, limits, forced=True)
        return opened, "FFmpeg would take it for another container"


def _read_packets(
    opened: InputContainer, stream: VideoStream, limits: DecodeLimits, alive: Callable[[], None]
) -> _Packets:
    import av

    refuse_size(stream.width, stream.height, limits)
    stream.codec_context.options = {"max_pixels": str(limits.max_frame_pixels)}
    stream.codec_context.thread_count = 1
    packets = _Packets([], [], [])
    try:
        for number, packet in enumerate(demux_stream(opened, stream)):
            if number % _PACKETS_PER_SIGN == 0:
                alive()
                _refuse_duration(_span_seconds(packets, stream), limits)
            if packets.first_frame is None and number < _FIRST_LOOK_PACKETS:
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
        detail = f"the container breaks off after {len(packets.pts)} video packets: {error}"
        raise RowError(RowErrorCode.CORRUPT, detail) from error
    return packets


def _span_seconds(packets: _Packets, stream: VideoStream) -> float:
    """Measure from the first packet to the last one read so far, 0 where that is not to be told."""
    if not packets.pts or packets.pts[0] is None or packets.pts[-1] is None or stream.time_base is None:
        return 0.0
    return float((packets.pts[-1] - packets.pts[0]) * stream.time_base)


def _refuse_duration(seconds: float, limits: DecodeLimits) -> None:
    if seconds > limits.max_duration_seconds:
        detail = f"{seconds:.0f} s or more by its frames, the limit is {limits.max_duration_seconds:.0f}"
        raise RowError(RowErrorCode.TOO_LONG, detail)


def _decode_first(packet: Packet[VideoStream]) -> VideoFrame | None:
    import av

    try:
        return next((frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)), None)
    except av.FFmpegError:  # damage is for the decoder to judge
        return None


def _make_index(stream: VideoStream, packets: _Packets, flaw: str | None) -> VideoIndex:
    if not packets.pts:
        raise RowError(RowErrorCode.NO_FRAMES, f"video stream {stream.index} holds no packet to show")
    is_counted = None in packets.pts
    time_base = stream.time_base or 1 / _FALLBACK_FPS
    if is_counted:
        time_base = 1 / Fraction(stream.guessed_rate or _FALLBACK_FPS)
        shown = np.arange(len(packets.pts))
        durations = np.ones(len(shown), dtype=np.int64)
    else:
        shown, order = np.unique(np.array(packets.pts, dtype=np.int64), return_index=True)
        durations = np.array(packets.durations, dtype=np.int64)[order]
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
        is_counted=is_counted,
        decord_flaw=flaw or _find_decord_flaw(stream, packets, len(shown)),
    )


def _measure_duration(pts: NDArray[np.int64], durations: NDArray[np.int64], time_base: Fraction) -> float:
    """Measure from the first frame's start to the last one's end.

    Where the file gives the last frame no length, it gets its predecessor's.
    """
    last = int(durations[-1])
    if last <= 0 and len(pts) > 1:
        last = int(pts[-1] - pts[-2])
    return float((int(pts[-1]) - int(pts[0]) + max(0, last)) * time_base)


def _find_decord_flaw(stream: VideoStream, packets: _Packets, num_shown: int) -> str | None:
    """Say why decord, which numbers packets and takes each for one frame, would take wrong ones."""
    first = packets.first_frame
    pts = np.array([0 if pts is None else pts for pts in packets.pts], dtype=np.int64)
    flaws = {
        "a container without an index to seek by": stream.container.format.name in _CONTAINERS_WITHOUT_INDEX,
        "more packets than it can hold": len(packets.pts) > _DECORD_MAX_PACKETS
        or packets.num_bytes > _DECORD_MAX_BYTES,
        "an edit list hides frames": packets.num_hidden > 0,
        "packets that share a timestamp": num_shown < len(packets.pts),
        "a codec with packets that are never shown": stream.codec.canonical_name in _CODECS_WITH_HIDDEN_PACKETS,
        "no frame among the first packets": first is None,
        "a mirroring display matrix": first is not None and read_orientation(first).is_mirrored,
        "frames that are stored after a key frame and shown before it": _has_open_gop(pts, np.array(packets.keys)),
    }
    return next((flaw for flaw, is_there in flaws.items() if is_there), None)


def _has_open_gop(pts: NDArray[np.int64], keys: NDArray[np.bool_]) -> bool:
    """Say whether a packet behind a key frame is shown before it.

    decord numbers key frames in file order and frames in the order they are shown; it also loses such leading
    frames when it seeks. x265 makes them by default.
    """
    earliest_behind = np.minimum.accumulate(pts[::-1])[::-1]
    return bool(np.any(earliest_behind[keys] < pts[keys]))
