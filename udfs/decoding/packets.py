"""Reads the packets of the video streams of a file, once, in file order. Runs in decoder children."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from udfs.decoding.container import check_frame_size, demux_streams, list_video_streams
from udfs.decoding.timeline import MAX_GAP_SECONDS, REORDERING_SECONDS
from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from udfs.video import DecodeLimits

# A decoder that reorders returns its first frame after at most 16 others (H.264, A.3.1), each in up to two fields.
_FIRST_FRAME_PACKETS = 64
_PACKETS_PER_HEARTBEAT = 256


@dataclass
class StreamPackets:
    """The packets of one stream in file order.

    Attributes:
        stream: the stream.
        pts: when each is displayed, in ticks; None if unknown.
        dts: when each is decoded, in ticks; None if unknown.
        durations: in ticks; 0 if unknown.
        keys: whether it is a key frame.
        hidden: whether an edit list hides it.
        positions: where it begins in the file, or a packet before it.
        num_bytes: size of all packets.
        first_frame: the first decoded frame; None if nothing was decoded.
    """

    stream: VideoStream
    pts: list[int | None] = field(default_factory=list)
    dts: list[int | None] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    hidden: list[bool] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    num_bytes: int = 0
    first_frame: VideoFrame | None = None

    def add(self, packet: Packet[VideoStream]) -> None:
        """Append a packet."""
        self.pts.append(packet.pts)
        self.dts.append(packet.dts)
        self.durations.append(packet.duration or 0)
        self.keys.append(packet.is_keyframe)
        self.hidden.append(packet.is_discard)
        last = self.positions[-1] if self.positions else 0
        self.positions.append(last if packet.pos is None or packet.pos < 0 else packet.pos)
        self.num_bytes += packet.size

    @property
    def ticks_per_second(self) -> float:
        """Above 0."""
        return 1.0 if self.stream.time_base is None else float(1 / self.stream.time_base)

    @property
    def frame_seconds(self) -> NDArray[np.float64]:
        """float64 (m,), ascending: when the packets with a known time are displayed."""
        known = [pts for pts in self.pts if pts is not None]
        return np.sort(np.array(known, dtype=np.float64)) / self.ticks_per_second


class _Span:
    """The seconds that a stream has lasted so far. Steps back and long gaps are not counted."""

    def __init__(self, time_base: Fraction | None, limits: DecodeLimits, *, can_jump: bool) -> None:
        self._tick_seconds = 0.0 if time_base is None else float(time_base)
        self._max_step_seconds = MAX_GAP_SECONDS if can_jump else float("inf")
        self._limits = limits
        self._last: int | None = None
        self._seconds = 0.0

    def add(self, pts: int | None) -> None:
        if pts is None:
            return
        if self._last is not None:
            step_seconds = (pts - self._last) * self._tick_seconds
            # A frame that is stored before earlier ones steps forward, and then back.
            if -REORDERING_SECONDS < step_seconds <= self._max_step_seconds:
                self._seconds += step_seconds
        self._last = pts

    def check(self) -> None:
        check_duration(self._seconds, self._limits)


def check_duration(seconds: float, limits: DecodeLimits) -> None:
    """Refuse a video that is too long.

    Raises:
        RowError: TOO_LONG.
    """
    if seconds > limits.max_duration_seconds:
        detail = f"the frames span at least {seconds:.0f} s, the limit is {limits.max_duration_seconds:.0f} s"
        raise RowError(RowErrorCode.TOO_LONG, detail)


def read_packets(
    opened: InputContainer,
    best: VideoStream,
    limits: DecodeLimits,
    heartbeat: Callable[[], None],
    *,
    can_jump: bool,
) -> dict[int, StreamPackets]:
    """Read a file from its first packet to its last, and decode only the first frame of one stream.

    Args:
        opened: the file.
        best: the stream whose first frame is decoded and whose duration is limited.
        limits: the limits of pixels and duration are used.
        heartbeat: called regularly, to report that reading makes progress.
        can_jump: as in `PacketTimes`.

    Returns:
        The packets of all streams of moving pictures, by the index of the stream.

    Raises:
        RowError: TOO_MANY_PIXELS, TOO_LONG or CORRUPT.
        MemoryError: out of memory.
    """
    import av

    check_frame_size(best.width, best.height, limits)
    best.codec_context.options = {"max_pixels": str(limits.max_frame_pixels)}
    best.codec_context.thread_count = 1
    streams = list_video_streams(opened)
    found = {stream.index: StreamPackets(stream) for stream in streams}
    span = _Span(best.time_base, limits, can_jump=can_jump)
    first_key: int | None = None
    try:
        for number, packet in enumerate(demux_streams(opened, streams)):
            if number % _PACKETS_PER_HEARTBEAT == 0:
                heartbeat()
                span.check()
            packets = found[packet.stream_index]
            packets.add(packet)
            if packets.stream.index != best.index:
                continue
            span.add(packet.dts if packet.dts is not None else packet.pts)
            count = len(packets.pts)
            if first_key is None and packet.is_keyframe:
                first_key = count
            num_tried = count if first_key is None else count - first_key
            if packets.first_frame is None and num_tried < _FIRST_FRAME_PACKETS:
                packets.first_frame = _decode_first(packet)
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        num_packets = sum(len(packets.pts) for packets in found.values())
        detail = f"the container ends early, after {num_packets} video packets: {error}"
        raise RowError(RowErrorCode.CORRUPT, detail) from error
    return found


def _decode_first(packet: Packet[VideoStream]) -> VideoFrame | None:
    import av

    try:
        return next((frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)), None)
    except av.FFmpegError:  # damage is measured when the video is decoded
        return None
