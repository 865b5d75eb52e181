"""The sampled frames of one video: by decord, or by PyAV where decord fails or would take wrong ones.

Both scale by the same FFmpeg filters, to the same bytes. Runs in decoder children.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.square import fit_inside
from udfs.decoding.container import demux_stream, open_container
from udfs.decoding.sampling import pick_on_display
from udfs.decoding.scaler import Scaler
from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from udfs.decoding.complaints import Complaints
    from udfs.decoding.index import VideoIndex
    from udfs.video import DecodeLimits

# Sound files are at 0 on both scales. Most bit-flipped ones that decode to rubbish pass the first; those of codecs
# that notice little (HEVC, VP9) pass the second, if any.
MAX_DAMAGED_FRACTION = 0.25
MAX_COMPLAINED_FRACTION = 0.03


class UnreliableDecoderError(Exception):
    """decord's frames are not to be trusted for this file."""


@dataclass(frozen=True)
class DecodeJob:
    """What is to be decoded.

    Attributes:
        path: `/proc/self/fd/N`.
        container: the demuxer's name.
        index: of the file.
        chosen: int64 (m,), m >= 1, strictly ascending indices into `index.pts`.
        frame_px: the side of the square that pictures are to fit in.
        limits: of pixels.
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
        seconds: when it appears, from the video's first frame on.
        pixels: uint8 (h, w, 3), RGB, upright, its longer side as long as the square's.
    """

    seconds: float
    pixels: NDArray[np.uint8]


def decode_with_decord(job: DecodeJob, complaints: Complaints) -> Iterator[Picture]:
    """Decode the chosen frames by decord, in time order.

    decord replaces a frame that it cannot decode by the last good one, and hides that FFmpeg conceals damage.
    So its frames are given up at the first of either.

    Raises:
        UnreliableDecoderError: its frames are wrong, or may be.
        decord.DECORDError, decord.DECORDLimitReachedError: it cannot decode the file.
    """
    import decord

    width, height = fit_inside(*job.index.display_size, job.frame_px)
    complaints.heard_more()
    # fault_tol: a fraction so small that the first replaced frame is an error; 0 would switch it off.
    reader = decord.VideoReader(job.path, width=width, height=height, num_threads=1, fault_tol=1e-9)
    if len(reader) != len(job.index.pts):
        raise UnreliableDecoderError(f"decord counts {len(reader)} frames, the file has {len(job.index.pts)}")
    seconds = job.index.frame_seconds
    for number in job.chosen.tolist():
        pixels: NDArray[np.uint8] = reader[number].asnumpy()
        # A width whose rows FFmpeg pads to another whole number of bytes per pixel is misread: 48 px, say.
        if pixels.shape != (height, width, 3):
            raise UnreliableDecoderError(f"decord gave an array {pixels.shape}, not {(height, width, 3)}")
        yield Picture(float(seconds[number]), pixels)
    del reader  # joins the decoder's thread, which may run ahead and complain late of what has been given already
    if complaints.heard_more():
        raise UnreliableDecoderError(f"FFmpeg complained: {complaints.first_line()}")


def decode_with_pyav(job: DecodeJob, complaints: Complaints, alive: Callable[[], None]) -> Iterator[Picture]:
    """Decode the stream from its start by PyAV, and give the chosen frames, in time order.

    Where one does not come, that before it, which is then still on display, stands in for it.

    Args:
        job: what to decode.
        complaints: of this video, with libav's log going there.
        alive: called with every packet, as a sign of life.

    Raises:
        RowError: CORRUPT, at the end: more than `MAX_DAMAGED_FRACTION` of the chosen frames were damaged or missing,
            or libav complained of more than `MAX_COMPLAINED_FRACTION` of the packets.
        av.FFmpegError: the file or its decoder cannot be opened.
        MemoryError: out of memory.
    """
    index = job.index
    targets = index.pts[job.chosen].tolist()
    scaler = Scaler(index.pixel_aspect, job.frame_px)
    damage = _Damage()
    num_sound = 0
    decoded = _decode_stream(job, complaints, alive, damage)
    for pts, (frame, is_damaged) in pick_on_display(decoded, targets):
        num_sound += not is_damaged
        yield Picture(float((pts - targets[0]) * index.time_base), scaler.scale(frame))
    num_bad = len(targets) - num_sound
    if num_bad > MAX_DAMAGED_FRACTION * len(targets) or damage.complained_fraction > MAX_COMPLAINED_FRACTION:
        if _tells_of_lack_of_memory(complaints):
            raise MemoryError(complaints.first_line())
        detail = (
            f"{num_bad} of {len(targets)} chosen frames are damaged or missing, FFmpeg complained of "
            f"{damage.complained_fraction:.1%} of the packets: {complaints.first_line()}"
        )
        raise RowError(RowErrorCode.CORRUPT, detail)


def _tells_of_lack_of_memory(complaints: Complaints) -> bool:
    # libavcodec/decode.c; the H.264 decoder goes on without the frame. An absurd size fails alike, but is named.
    log = complaints.read()
    return "get_buffer() failed" in log and "Picture size" not in log


class _Damage:
    """What libav complained of so far.

    A frame counts as damaged if it did since the last key frame: until the next, each builds on the one before.
    """

    def __init__(self) -> None:
        self._num_packets = 0
        self._num_complained = 0
        self._is_spreading = False
        self._found_at: dict[int | None, bool] = {}  # a packet's frame may come out several packets later

    @property
    def complained_fraction(self) -> float:
        return self._num_complained / max(1, self._num_packets)

    def note(self, pts: int | None, *, is_key: bool, is_complained_of: bool) -> None:
        """Take note of a packet."""
        self._num_packets += 1
        self._num_complained += is_complained_of
        self._is_spreading = is_complained_of or (self._is_spreading and not is_key)
        self._found_at[pts] = self._is_spreading

    def reaches(self, pts: int | None) -> bool:
        """Whether it reaches the frame of this time."""
        return self._found_at.pop(pts, self._is_spreading)


def _decode_stream(
    job: DecodeJob, complaints: Complaints, alive: Callable[[], None], damage: _Damage
) -> Iterator[tuple[int, tuple[VideoFrame, bool]]]:
    """Decode what can be: (pts, (frame, whether it is damaged))."""
    with open_container(job.path, job.container, job.limits, forced=True) as opened:
        stream = next(s for s in opened.streams.video if s.index == job.index.stream_index)
        stream.codec_context.options = {"max_pixels": str(job.limits.max_frame_pixels)}
        stream.codec_context.thread_count = 1
        complaints.heard_more()
        next_pts = 0
        for packet in itertools.chain(demux_stream(opened, stream), [None]):
            alive()
            frames, is_refused = _decode_packet(stream, packet)
            if packet is not None:
                is_complained_of = complaints.heard_more() or is_refused
                damage.note(packet.pts, is_key=packet.is_keyframe, is_complained_of=is_complained_of)
            for frame in frames:
                pts = next_pts if frame.pts is None or job.index.is_counted else frame.pts
                next_pts = pts + 1
                yield pts, (frame, damage.reaches(frame.pts) or frame.is_corrupt)


def _decode_packet(stream: VideoStream, packet: Packet[VideoStream] | None) -> tuple[list[VideoFrame], bool]:
    """Decode one packet, or None for what the decoder still holds: the frames, and whether it refused."""
    import av

    try:
        return list(stream.codec_context.decode(packet)), False
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        return [], True
