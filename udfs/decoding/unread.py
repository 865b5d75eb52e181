"""Refuses files with parts that FFmpeg does not read, such as a second file behind the first.

Runs in decoder children.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from udfs.errors import RowError, RowErrorCode
from udfs.opening.content import read_at
from udfs.opening.resync import find_program_elements, find_transport_packets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from udfs.decoding.ffmpeg_log import FfmpegLog
    from udfs.decoding.packets import StreamPackets

_SECOND_HEADER = "Found duplicated MOOV Atom"  # libavformat/mov.c
# Where a second file would begin: soon after the last packet of the first.
_TAIL_BYTES = 1024 * 1024
_HEADERS = re.compile(
    rb"\x00\x00\x00[\x10-\xff]ftyp|\x1aE\xdf\xa3.{1,60}(?:matroska|webm)|RIFF.{4}AVI |"
    rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09|GIF8[79]a|DKIF\x00\x00\x20\x00|YUV4MPEG2 |\.RMF\x00\x00|OggS\x00\x02|"
    rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c|"  # ASF
    rb"\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07\xe9\x5e\xad\x8d",  # WTV
    re.DOTALL,
)
_ANIMATION = re.compile(rb"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")
# The first packet of a picture in the packets of a stream: (mpegts) a packet that begins a unit, with or without an
# adaptation field, or (mpeg) the header itself. The group is the identifier of the stream.
_PICTURES = {
    "mpegts": re.compile(
        rb"\x47([\x40-\x5f].)(?:[\x10-\x1f]|[\x30-\x3f].{1,170}?)\x00\x00\x01[\xe0-\xef]..[\x80-\xbf][\x80-\xff]",
        re.DOTALL,
    ),
    "mpeg": re.compile(rb"\x00\x00(\x01[\xe0-\xef])..[\x80-\xbf][\x80-\xff]", re.DOTALL),
}
# Each demuxer skips the packets of the other one.
_FIND_OTHER_STREAM = {"mpegts": find_program_elements, "mpeg": find_transport_packets}
_PID_MASK = {"mpegts": 0x1FFF, "mpeg": 0x1FF}
# A gap this many times longer than the usual distance of two packets is searched, up to a number of bytes.
_GAP_FACTOR = 16
_MAX_GAPS = 16
_GAP_BYTES = 4 * 1024 * 1024
_MIN_PICTURES = 5
# A few packets may overlap where a fragment begins.
_MAX_DROPPED_FRACTION = 0.1


def check_all_read(path: str, container: str, found: Iterable[StreamPackets], log: FfmpegLog) -> None:
    """Refuse a file of which FFmpeg read only a part.

    A second MP4, FLV, ASF or other file behind the first one is not read by FFmpeg, nor by players. In transport and
    program streams it does not read video streams that begin after it has detected the streams.

    Args:
        path: as in `open_container`.
        container: name of the demuxer.
        found: the packets of all streams of moving pictures.
        log: the log of this video. Warnings of opening an MP4 must be in it.

    Raises:
        RowError: UNREAD_PARTS or READ_FAILED.
    """
    if _SECOND_HEADER in log.read():
        _refuse("it has a second moov box: several MP4 files are joined, and only the first is read")
    streams = list(found)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size_bytes = os.fstat(fd).st_size
        positions = np.sort(np.concatenate([np.array(each.positions, dtype=np.int64) for each in streams]))
        _check_tail(fd, int(positions[-1]) if len(positions) else 0, container)
        if container.startswith("mov,"):
            _check_fragments(fd, streams)
        if container in _PICTURES:
            known = {each.stream.id for each in streams}
            for start, end in _find_gaps(positions, size_bytes):
                _check_gap(read_at(fd, start, min(end - start, _GAP_BYTES)), start, container, known)
    finally:
        os.close(fd)


def _refuse(detail: str) -> NoReturn:
    raise RowError(RowErrorCode.UNREAD_PARTS, f"{detail}. Split the file into its parts, or join them with ffmpeg")


def _check_fragments(fd: int, streams: Sequence[StreamPackets]) -> None:
    """Refuse fragments whose timestamps restart: FFmpeg marks their packets as hidden (mov.c, mov_read_trun)."""
    if not any(True in each.hidden for each in streams) or b"mvex" not in read_at(fd, 0, _TAIL_BYTES):
        return
    for each in streams:
        latest, num_dropped = None, 0
        for dts, is_hidden in zip(each.dts, each.hidden, strict=True):
            num_dropped += is_hidden and dts is not None and latest is not None and dts <= latest
            latest = latest if is_hidden or dts is None else dts
        if num_dropped > _MAX_DROPPED_FRACTION * len(each.hidden):
            _refuse(
                f"{num_dropped} of {len(each.hidden)} packets of video stream {each.stream.index} are not read: the "
                "timestamps of fragments restart"
            )


def _check_tail(fd: int, last: int, container: str) -> None:
    tail = read_at(fd, last, _TAIL_BYTES)
    headers = (_ANIMATION if container == "apng" else _HEADERS).finditer(tail, 1)
    for header in headers:
        # FFmpeg reads all boxes of a file. A cover picture in one of them may begin with this box too.
        if container.startswith("mov,") and b"ftyp" in header[0]:
            continue
        _refuse(f"another file begins at byte {last + header.start()}, behind the last packet that is read")


def _find_gaps(positions: NDArray[np.int64], size_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last byte of the longest places without packets of the known streams."""
    if len(positions) == 0:
        return
    places = np.concatenate(([0], positions, [size_bytes]))
    gaps = np.diff(places)
    usual = max(1.0, float(gaps.mean()))
    for at in np.argsort(gaps)[::-1][:_MAX_GAPS].tolist():
        if gaps[at] > _GAP_FACTOR * usual:
            yield int(places[at]), int(places[at + 1])


def _check_gap(content: bytes, start: int, container: str, known: set[int]) -> None:
    if _FIND_OTHER_STREAM[container](content) is not None:
        _refuse(f"a stream of another container begins after byte {start}")
    pictures: dict[int, int] = {}
    for match in _PICTURES[container].finditer(content):
        stream = int.from_bytes(match[1], "big") & _PID_MASK[container]
        if stream not in known:
            pictures[stream] = pictures.get(stream, 0) + 1
            if pictures[stream] == _MIN_PICTURES:
                _refuse(f"the video stream {stream:#x} begins after byte {start}, and FFmpeg does not read it")
