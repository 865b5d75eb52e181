"""Finds why decord would return wrong frames of a file. Runs in decoder children."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from udfs.decoding.orientation import read_orientation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from udfs.decoding.packets import StreamPackets

# VP8's alternate reference frames are packets that are never displayed. decord counts them as frames.
_CODECS_WITH_HIDDEN_PACKETS = frozenset({"vp8"})
# FFmpeg seeks in these by guessing a byte position, and does not reach the frames that decord expects.
CONTAINERS_WITHOUT_INDEX = frozenset({"mpegts", "mpeg"})
# In NUT, FFmpeg seeks to the synchronisation point before a frame, even if the frame is a key frame. decord expects the
# frame itself.
_CONTAINERS_SEEKING_TOO_EARLY = frozenset({"nut"})

# decord queues packets for the thread of its decoder without waiting. After 10,000 packets without a frame
# (MAX_POP_RETRIES_PER_FRAME) it stops skipping, and its frames are wrong from there on. It waits only at the end of
# the file.
_DECORD_MAX_PACKETS = 10_000
_DECORD_MAX_BYTES = 256 * 1024**2


def find_decord_problem(packets: StreamPackets, num_shown: int, num_parts: int) -> str | None:
    """Return why decord would return wrong frames; None if it would not. decord takes each packet for one frame.

    Args:
        packets: the packets of the stream.
        num_shown: number of displayed frames.
        num_parts: number of parts with timestamps of their own.
    """
    first = packets.first_frame
    container = packets.stream.container.format.name
    num_hidden = sum(packets.hidden)
    is_shown = ~np.array(packets.hidden, dtype=bool)
    pts = np.array([0 if pts is None else pts for pts in packets.pts], dtype=np.int64)[is_shown]
    problems = {
        "a container without an index to seek by": container in CONTAINERS_WITHOUT_INDEX,
        "a container in which a seek ends before the frame": container in _CONTAINERS_SEEKING_TOO_EARLY,
        "more packets than decord can queue": len(pts) > _DECORD_MAX_PACKETS or packets.num_bytes > _DECORD_MAX_BYTES,
        "an edit list hides frames": num_hidden > 0,
        "timestamps that restart": num_parts > 1,
        "packets that share a timestamp": num_shown < len(pts),
        "a codec with packets that are never displayed": packets.stream.codec.canonical_name
        in _CODECS_WITH_HIDDEN_PACKETS,
        "no frame among the first packets": first is None,
        "a mirroring display matrix": first is not None and read_orientation(first).is_mirrored,
        "an open group of pictures": _has_open_gop(pts, np.array(packets.keys, dtype=bool)[is_shown]),
    }
    return next((problem for problem, is_present in problems.items() if is_present), None)


def _has_open_gop(pts: NDArray[np.int64], keys: NDArray[np.bool_]) -> bool:
    """Return whether a packet is stored after a key frame and displayed before it (an open group of pictures).

    decord numbers key frames in file order and frames in display order; it also loses such leading frames when it
    seeks. x265 makes open groups by default.
    """
    earliest_after = np.minimum.accumulate(pts[::-1])[::-1]
    return bool(np.any(earliest_after[keys] < pts[keys]))
