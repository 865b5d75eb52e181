"""Places the packets of the chosen streams of a file on one timeline. Runs in decoder children."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from udfs.decoding.timeline import PacketTimes, find_parts, find_undecodable, keep_starts, lay_out
from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from udfs.decoding.packets import StreamPackets

# Values of `IndexedStream.pts` that are no times.
NOT_DECODED = np.iinfo(np.int64).min
UNKNOWN_TIME = NOT_DECODED + 1
# Streams that may be cut anywhere. FFmpeg reads in their pictures, not in an index, which frames are key frames.
_STARTS_ANYWHERE = frozenset({"mpegts", "mpeg", "mpegvideo", "h264", "hevc"})
# Beyond this share, the timestamps of a file are not used.
_MAX_UNKNOWN_FRACTION = 0.25
# Beyond this share, a file of several parts is damaged: most parts begin between key frames.
_MAX_UNDECODABLE_FRACTION = 0.25
_FALLBACK_FPS = Fraction(25)


@dataclass(frozen=True)
class IndexedStream:
    """A stream that is decoded.

    Attributes:
        stream_index: index of the stream in the container.
        pts: int64 (m,), when each packet of the stream is displayed, in file order, in ticks of the timeline.
            `NOT_DECODED` for packets before the first key frame of a part, `UNKNOWN_TIME` for others without a time.
    """

    stream_index: int
    pts: NDArray[np.int64]


@dataclass(frozen=True)
class Timeline:
    """The displayed frames of the chosen streams.

    Attributes:
        streams: in the order in which they are displayed.
        time_base: seconds per tick.
        pts: int64 (n,), strictly ascending, in ticks. Frames that an edit list hides are left out.
        durations: int64 (n,), in ticks; 0 if unknown.
        num_parts: number of parts with timestamps of their own.
        has_timestamps: whether the file has timestamps; if not, `pts` are the numbers of the frames.
    """

    streams: tuple[IndexedStream, ...]
    time_base: Fraction
    pts: NDArray[np.int64]
    durations: NDArray[np.int64]
    num_parts: int
    has_timestamps: bool


@dataclass(frozen=True)
class _Packets:
    """The packets of all streams of a chain, one stream after the other. Times are in ticks of one time base."""

    pts: NDArray[np.int64]
    has_pts: NDArray[np.bool_]
    dts: NDArray[np.int64]
    durations: NDArray[np.int64]
    keys: NDArray[np.bool_]
    is_shown: NDArray[np.bool_]


def lacks_times(chain: Sequence[StreamPackets], container: str) -> bool:
    """Return whether a packet that can be decoded has no timestamp."""
    for packets in chain:
        is_leading = _find_leading(np.array(packets.keys, dtype=bool), container)
        if any(pts is None and not leads for pts, leads in zip(packets.pts, is_leading.tolist(), strict=True)):
            return True
    return False


def place_packets(chain: Sequence[StreamPackets], container: str, *, can_jump: bool) -> Timeline:
    """Place the packets of the streams on one timeline.

    Args:
        chain: the streams in their order, not empty.
        container: name of the demuxer.
        can_jump: as in `PacketTimes`.

    Raises:
        RowError: NO_FRAMES: no packet is displayed. CORRUPT: too many packets precede the key frame of their part.
    """
    time_base = chain[0].stream.time_base or 1 / _FALLBACK_FPS
    packets = _join(chain, time_base)
    is_leading = _find_leading(packets.keys, container)
    is_used = packets.is_shown & ~is_leading
    if not is_used.any():
        raise RowError(RowErrorCode.NO_FRAMES, f"video stream {chain[0].stream.index} has no packet to display")
    has_timestamps = bool(np.mean(~packets.has_pts[is_used]) <= _MAX_UNKNOWN_FRACTION)
    if not has_timestamps:
        return _number_frames(chain, int(is_used.sum()), np.where(is_leading, NOT_DECODED, UNKNOWN_TIME))
    used = np.flatnonzero(is_used & (packets.pts != UNKNOWN_TIME))
    ticks_per_second = float(1 / time_base)
    times = PacketTimes(packets.pts[used], packets.dts[used], packets.keys[used], ticks_per_second, can_jump)
    starts = find_parts(times)
    is_decoded = np.ones(len(used), dtype=bool)
    if container in _STARTS_ANYWHERE:
        is_decoded = ~find_undecodable(times.keys, times.pts, starts)
        _require_decodable(is_decoded, len(starts))
    placed = np.where(packets.is_shown, NOT_DECODED, packets.pts)
    placed[is_used] = UNKNOWN_TIME
    placed[used] = NOT_DECODED
    decoded = used[is_decoded]
    placed[decoded] = lay_out(times.select(is_decoded), keep_starts(starts, is_decoded))
    shown, order = np.unique(placed[decoded], return_index=True)
    durations = packets.durations[decoded][order]
    return Timeline(_split(chain, placed), time_base, shown, durations, len(starts), has_timestamps=True)


def _number_frames(chain: Sequence[StreamPackets], num_frames: int, placed: NDArray[np.int64]) -> Timeline:
    time_base = 1 / Fraction(chain[0].stream.guessed_rate or _FALLBACK_FPS)
    numbers, durations = np.arange(num_frames), np.ones(num_frames, dtype=np.int64)
    return Timeline(_split(chain, placed), time_base, numbers, durations, 1, has_timestamps=False)


def _require_decodable(is_decoded: NDArray[np.bool_], num_parts: int) -> None:
    undecodable_fraction = float(np.mean(~is_decoded))
    if undecodable_fraction > _MAX_UNDECODABLE_FRACTION:
        detail = (
            f"{undecodable_fraction:.1%} of the packets precede the first key frame of their part, the limit is "
            f"{_MAX_UNDECODABLE_FRACTION:.0%}; the timestamps form {num_parts} parts"
        )
        raise RowError(RowErrorCode.CORRUPT, detail)


def _find_leading(keys: NDArray[np.bool_], container: str) -> NDArray[np.bool_]:
    """Return the packets before the first key frame of a stream that starts anywhere."""
    is_leading = np.zeros(len(keys), dtype=bool)
    if container in _STARTS_ANYWHERE and keys.any():
        is_leading[: int(np.argmax(keys))] = True
    return is_leading


def _join(chain: Sequence[StreamPackets], time_base: Fraction) -> _Packets:
    pts, dts, durations = [], [], []
    for packets in chain:
        scale = Fraction(packets.stream.time_base or time_base) / time_base
        own_dts = _to_ticks(packets.dts, scale)
        own_pts = _to_ticks(packets.pts, scale)
        own_pts = _complete(own_pts, own_dts)
        pts.append(own_pts)
        dts.append(np.where(own_dts == UNKNOWN_TIME, own_pts, own_dts))
        durations.append(_to_ticks(packets.durations, scale))
    return _Packets(
        pts=np.concatenate(pts),
        has_pts=np.array([each is not None for packets in chain for each in packets.pts], dtype=bool),
        dts=np.concatenate(dts),
        durations=np.concatenate(durations),
        keys=np.array([key for packets in chain for key in packets.keys], dtype=bool),
        is_shown=np.array([not hidden for packets in chain for hidden in packets.hidden], dtype=bool),
    )


def _complete(pts: NDArray[np.int64], dts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Replace unknown display times, by the decoding time and the shortest delay between both in the stream.

    FFmpeg leaves the time of a frame unknown only if it is not reordered. Such frames have the shortest delay.
    """
    is_known = (pts != UNKNOWN_TIME) & (dts != UNKNOWN_TIME)
    delay = int(np.min(pts[is_known] - dts[is_known])) if is_known.any() else 0
    return np.where((pts == UNKNOWN_TIME) & (dts != UNKNOWN_TIME), dts + delay, pts)


def _to_ticks(values: Sequence[int | None], scale: Fraction) -> NDArray[np.int64]:
    if scale == 1:
        return np.array([UNKNOWN_TIME if value is None else value for value in values], dtype=np.int64)
    return np.array([UNKNOWN_TIME if value is None else round(value * scale) for value in values], dtype=np.int64)


def _split(chain: Sequence[StreamPackets], placed: NDArray[np.int64]) -> tuple[IndexedStream, ...]:
    ends = np.cumsum([len(packets.pts) for packets in chain])[:-1]
    parts = np.split(placed, ends)
    return tuple(IndexedStream(packets.stream.index, part) for packets, part in zip(chain, parts, strict=True))
