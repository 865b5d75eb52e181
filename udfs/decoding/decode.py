"""Decodes the sampled frames of one video with decord, or with PyAV if decord fails or would return wrong frames.

Both scale with the same FFmpeg filters and return the same bytes. Runs in decoder children.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.square import fit_inside
from udfs.decoding.container import demux_streams, open_container
from udfs.decoding.placing import NOT_DECODED, UNKNOWN_TIME
from udfs.decoding.sampling import select_displayed
from udfs.decoding.scaler import Scaler
from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from udfs.decoding.ffmpeg_log import FfmpegLog
    from udfs.decoding.index import VideoIndex
    from udfs.decoding.placing import IndexedStream
    from udfs.video import DecodeLimits

# Undamaged files have 0 in both. Most bit-flipped files that decode to garbage exceed the first limit. Those of codecs
# that detect few errors (HEVC, VP9) exceed only the second, or neither.
MAX_DAMAGED_FRACTION = 0.25
MAX_FAULTY_PACKET_FRACTION = 0.03
_MAX_REFERENCES = 16  # H.264, A.3.1


class UnreliableDecoderError(Exception):
    """The frames that decord returns for this file are wrong, or may be."""


@dataclass(frozen=True)
class DecodeJob:
    """A file and the frames to decode from it.

    Attributes:
        path: `/proc/self/fd/N`.
        container: name of the demuxer.
        index: index of the file.
        chosen: int64 (m,), m >= 1, strictly ascending indices into `index.pts`.
        frame_px: side of the square that pictures must fit in.
        limits: the limit of pixels is used.
    """

    path: str
    container: str
    index: VideoIndex
    chosen: NDArray[np.int64]
    frame_px: int
    limits: DecodeLimits


@dataclass(frozen=True)
class Picture:
    """A sampled frame.

    Attributes:
        seconds: when it appears, relative to the first frame of the video.
        pixels: uint8 (h, w, 3), RGB, upright. The longer side is as long as the side of the square.
    """

    seconds: float
    pixels: NDArray[np.uint8]


def decode_with_decord(job: DecodeJob, log: FfmpegLog) -> Iterator[Picture]:
    """Decode the chosen frames with decord, in time order.

    decord replaces a frame that it cannot decode by the last good one, and does not report that FFmpeg concealed
    damage. So decoding stops with an error as soon as either happens.

    Raises:
        UnreliableDecoderError: the frames are wrong, or may be.
        decord.DECORDError, decord.DECORDLimitReachedError: decord cannot decode the file.
    """
    import decord

    width, height = fit_inside(*job.index.display_size, job.frame_px)
    log.has_grown()
    # fault_tol is so small that the first replaced frame is an error; 0 would disable the check.
    reader = decord.VideoReader(job.path, width=width, height=height, num_threads=1, fault_tol=1e-9)
    if len(reader) != len(job.index.pts):
        raise UnreliableDecoderError(f"decord counts {len(reader)} frames, the file has {len(job.index.pts)}")
    seconds = job.index.frame_seconds
    for number in job.chosen.tolist():
        pixels: NDArray[np.uint8] = reader[number].asnumpy()
        # decord misreads widths, such as 48 px, whose rows FFmpeg pads to another whole number of bytes per pixel.
        if pixels.shape != (height, width, 3):
            raise UnreliableDecoderError(f"decord returned an array {pixels.shape}, expected {(height, width, 3)}")
        yield Picture(float(seconds[number]), pixels)
    del reader  # joins the decoder's thread, which may run ahead and log errors of frames already yielded
    if log.has_grown():
        raise UnreliableDecoderError(f"FFmpeg logged an error: {log.first_line()}")


def decode_with_pyav(job: DecodeJob, log: FfmpegLog, heartbeat: Callable[[], None]) -> Iterator[Picture]:
    """Decode the stream from its start to the last chosen frame with PyAV, and yield the chosen frames in time order.

    A missing frame is replaced by its predecessor, which is still displayed at that time.

    Args:
        job: the file and the frames to decode.
        log: log of this video; FFmpeg must write to it.
        heartbeat: called for every packet, to report that decoding makes progress.

    Raises:
        RowError: CORRUPT, at the end: more than `MAX_DAMAGED_FRACTION` of the chosen frames were damaged or missing,
            or FFmpeg reported errors for more than `MAX_FAULTY_PACKET_FRACTION` of the packets.
        av.FFmpegError: the file or its decoder cannot be opened.
        MemoryError: out of memory.
    """
    index = job.index
    targets = index.pts[job.chosen].tolist()
    scaler = Scaler(index.pixel_aspect, job.frame_px)
    damage = _Damage()
    num_undamaged = 0
    decoded = _decode_streams(job, log, heartbeat, damage)
    for pts, (frame, is_damaged) in select_displayed(decoded, targets):
        num_undamaged += not is_damaged
        yield Picture(float((pts - int(index.pts[0])) * index.time_base), scaler.scale(frame))
    num_bad = len(targets) - num_undamaged
    if num_bad > MAX_DAMAGED_FRACTION * len(targets) or damage.faulty_packet_fraction > MAX_FAULTY_PACKET_FRACTION:
        if _is_out_of_memory(log):
            raise MemoryError(log.first_line())
        detail = (
            f"{num_bad} of {len(targets)} chosen frames are damaged or missing, FFmpeg reported errors for "
            f"{damage.faulty_packet_fraction:.1%} of the packets: {log.first_line()}"
        )
        raise RowError(RowErrorCode.CORRUPT, detail)


def _is_out_of_memory(log: FfmpegLog) -> bool:
    # From libavcodec/decode.c; the H.264 decoder continues without the frame. An implausible picture size logs the
    # same line, but also a line with the size.
    logged = log.read()
    return "get_buffer() failed" in logged and "Picture size" not in logged


class _Damage:
    """The errors that FFmpeg reported so far.

    A frame counts as damaged if an error was reported since the last key frame, because all frames up to the next key
    frame are predicted from earlier ones.
    """

    def __init__(self) -> None:
        self._num_packets = 0
        self._num_faulty = 0
        self._is_spreading = False
        self._is_damaged_at: dict[int | None, bool] = {}  # the frame of a packet may follow several packets later

    @property
    def faulty_packet_fraction(self) -> float:
        return self._num_faulty / max(1, self._num_packets)

    def add_packet(self, pts: int | None, *, is_key: bool, is_faulty: bool) -> None:
        """Count a packet. `is_faulty`: FFmpeg reported an error for it."""
        self._num_packets += 1
        self._num_faulty += is_faulty
        self._is_spreading = is_faulty or (self._is_spreading and not is_key)
        self._is_damaged_at[pts] = self._is_spreading

    def affects(self, pts: int | None) -> bool:
        """Return whether the frame with this timestamp is damaged."""
        return self._is_damaged_at.pop(pts, self._is_spreading)


def _decode_streams(
    job: DecodeJob, log: FfmpegLog, heartbeat: Callable[[], None], damage: _Damage
) -> Iterator[tuple[int, tuple[VideoFrame, bool]]]:
    """Decode all frames that can be decoded: yields (pts, (frame, whether it is damaged)), ascending in pts.

    If several streams follow each other, the file is read once for each. FFmpeg may return the last packets of a stream
    only at the end of the file.
    """
    next_pts = 0
    for indexed in job.index.streams:
        for frame, is_damaged in _decode_stream(job, indexed, log, heartbeat, damage):
            has_time = frame.pts is not None and job.index.has_timestamps
            pts = frame.pts if has_time and frame.pts is not None else next_pts
            next_pts = pts + 1
            yield pts, (frame, is_damaged)


def _decode_stream(
    job: DecodeJob, indexed: IndexedStream, log: FfmpegLog, heartbeat: Callable[[], None], damage: _Damage
) -> Iterator[tuple[VideoFrame, bool]]:
    """Decode one stream: yields its frames with the times of the index, and whether each is damaged."""
    with open_container(job.path, job.container, job.limits, forced=True) as opened:
        stream = next(s for s in opened.streams.video if s.index == indexed.stream_index)
        stream.codec_context.options = {"max_pixels": str(job.limits.max_frame_pixels)}
        stream.codec_context.thread_count = 1
        log.has_grown()
        # Behind packets that are not decoded, decoders report missing references, but return complete frames.
        num_forgiven = 0
        placed = zip(demux_streams(opened, [stream]), indexed.pts.tolist(), strict=False)
        for packet, pts in itertools.chain(placed, [(None, NOT_DECODED)]):
            heartbeat()
            if packet is not None:
                if pts == NOT_DECODED:
                    log.has_grown()  # the demuxer's parser reports what is missing in them
                    num_forgiven = _MAX_REFERENCES
                    continue
                packet.pts = None if pts == UNKNOWN_TIME else pts
                packet.dts = None
            frames, is_refused = _decode_packet(stream, packet)
            if packet is not None:
                is_faulty = (log.has_grown() and num_forgiven <= 0) or is_refused
                num_forgiven -= 1
                damage.add_packet(packet.pts, is_key=packet.is_keyframe, is_faulty=is_faulty)
            for frame in frames:
                yield frame, damage.affects(frame.pts) or frame.is_corrupt


def _decode_packet(stream: VideoStream, packet: Packet[VideoStream] | None) -> tuple[list[VideoFrame], bool]:
    """Decode one packet; None flushes the decoder. Returns the frames, and whether the decoder refused the packet."""
    import av

    try:
        return list(stream.codec_context.decode(packet)), False
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        return [], True
