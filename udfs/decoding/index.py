"""Reads when each frame of a video is displayed, by demuxing the file once. Only the first frame is decoded.

Runs in decoder children.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from udfs.decoding.chain import choose_chain
from udfs.decoding.container import check_logged_limits, find_video_stream, may_jump, open_container
from udfs.decoding.decord_problems import CONTAINERS_WITHOUT_INDEX, find_decord_problem
from udfs.decoding.orientation import UPRIGHT, Orientation, check_pixel_aspect, read_orientation
from udfs.decoding.packets import check_duration, read_packets
from udfs.decoding.placing import lacks_times, place_packets
from udfs.decoding.unread import check_all_read
from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    import numpy as np
    from av.container import InputContainer
    from numpy.typing import NDArray

    from udfs.decoding.ffmpeg_log import FfmpegLog
    from udfs.decoding.packets import StreamPackets
    from udfs.decoding.placing import IndexedStream, Timeline
    from udfs.video import DecodeLimits

_GENERATE_PTS = 1  # AVFMT_FLAG_GENPTS, libavformat/avformat.h; PyAV sets it, decord does not


@dataclass(frozen=True)
class VideoIndex:
    """The video streams that are decoded, and their frames in display order.

    Attributes:
        streams: the streams, in the order in which they are displayed; almost always one.
        codec: FFmpeg's name of the codec.
        width: width of the coded frames, in px.
        height: height of the coded frames, in px.
        pixel_aspect: displayed width of a coded pixel, divided by its height.
        orientation: how the coded frames are rotated for display.
        time_base: seconds per tick.
        pts: int64 (n,), n >= 1, strictly ascending, in ticks. Frames that an edit list hides are left out. Parts whose
            timestamps restart follow each other.
        duration_seconds: from the start of the first frame to the end of the last. Gaps between parts do not count.
        has_timestamps: whether the file has timestamps; if not, `pts` are the numbers of the frames.
        decord_problem: why decord would return wrong frames of this file; None if it would not.
    """

    streams: tuple[IndexedStream, ...]
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
        RowError: OPEN_FAILED, NO_VIDEO_STREAM, TOO_MANY_STREAMS, TOO_MANY_PIXELS, TOO_LONG, NO_FRAMES, CORRUPT or
            UNREAD_PARTS.
        MemoryError: out of memory.
    """
    import av

    reader = _Reader(path, container, limits, log, heartbeat)
    try:
        index = reader.read()
    except av.FFmpegError as error:
        check_logged_limits(log, limits)
        if isinstance(error, MemoryError):
            raise
        raise RowError(RowErrorCode.OPEN_FAILED, f"{error}; {log.first_line()}") from error
    check_duration(index.duration_seconds, limits)
    return index


@dataclass(frozen=True)
class _Reader:
    """The arguments of `index_video`."""

    path: str
    container: str
    limits: DecodeLimits
    log: FfmpegLog
    heartbeat: Callable[[], None]

    def read(self) -> VideoIndex:
        opened, problem = self._open_as_ffmpeg_would()
        with opened:
            check_logged_limits(self.log, self.limits)
            if self.container not in CONTAINERS_WITHOUT_INDEX:  # decord reads the others, without generated times
                opened.flags &= ~_GENERATE_PTS
            chain, is_best = self._read_chain(opened)
            if self.container in CONTAINERS_WITHOUT_INDEX or not lacks_times(chain, self.container):
                problem = problem or (None if is_best else "decord would read another stream")
                return self._make_index(chain, problem, can_jump=may_jump(opened))
        with open_container(self.path, self.container, self.limits, forced=True) as opened:
            chain, _ = self._read_chain(opened)
            return self._make_index(chain, "packets without timestamps", can_jump=may_jump(opened))

    def _open_as_ffmpeg_would(self) -> tuple[InputContainer, str | None]:
        """Open the file. Also return why decord, for which FFmpeg detects the container, would read it differently."""
        import av

        try:
            return open_container(self.path, self.container, self.limits, forced=False), None
        except av.FFmpegError:
            opened = open_container(self.path, self.container, self.limits, forced=True)
            return opened, "FFmpeg detects another container"

    def _read_chain(self, opened: InputContainer) -> tuple[list[StreamPackets], bool]:
        """Return the packets of the streams that follow each other, and whether decord would choose the best one."""
        best, is_best = find_video_stream(opened)
        can_jump = may_jump(opened)
        found = read_packets(opened, best, self.limits, self.heartbeat, can_jump=can_jump)
        check_logged_limits(self.log, self.limits)
        check_all_read(self.path, self.container, found.values(), self.log)
        others = [packets for index, packets in found.items() if index != best.index]
        return choose_chain(found[best.index], others, by_position=can_jump), is_best

    def _make_index(self, chain: Sequence[StreamPackets], problem: str | None, *, can_jump: bool) -> VideoIndex:
        timeline = place_packets(chain, self.container, can_jump=can_jump)
        shown_first = next((packets for packets in chain if packets.first_frame is not None), chain[0])
        stream, first = shown_first.stream, shown_first.first_frame
        if len(chain) > 1:
            problem = problem or "several streams that follow each other"
        return VideoIndex(
            streams=timeline.streams,
            codec=stream.codec.canonical_name,
            width=first.width if first else stream.width,
            height=first.height if first else stream.height,
            pixel_aspect=check_pixel_aspect(float(stream.sample_aspect_ratio or 1)),
            orientation=read_orientation(first) if first else UPRIGHT,
            time_base=timeline.time_base,
            pts=timeline.pts,
            duration_seconds=_measure_duration(timeline),
            has_timestamps=timeline.has_timestamps,
            decord_problem=problem or find_decord_problem(chain[0], len(timeline.pts), timeline.num_parts),
        )


def _measure_duration(timeline: Timeline) -> float:
    """Return the seconds from the start of the first frame to the end of the last.

    If the file declares no duration of the last frame, the interval before it is used.
    """
    pts = timeline.pts
    last = int(timeline.durations[-1])
    if last <= 0 and len(pts) > 1:
        last = int(pts[-1] - pts[-2])
    return float((int(pts[-1]) - int(pts[0]) + max(0, last)) * timeline.time_base)
