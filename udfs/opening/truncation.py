"""Detects truncated files from the structure of their container. Runs on executors.

The check of each container makes a bounded number of reads on any input. A file that it cannot decide passes.
"""

# ruff: noqa: PLR2004 -- the literal numbers are defined by the formats that the comments cite
from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from udfs.errors import RowError, RowErrorCode
from udfs.opening.content import read_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_READS = 400
_MAX_GIF_STEPS = 1_000_000  # takes 0.3 s; with sub-blocks of 255 bytes this is a GIF of 240 MiB
_GIF_READ_BYTES = 1024 * 1024
_OGG_MAX_PAGE_BYTES = 27 + 255 + 255 * 255


class _UndecidedError(Exception):
    """The structure is damaged or too long to follow. The file passes, and the decoder decides."""


class _Bytes:
    """The bytes of a file. The number of reads is limited."""

    def __init__(self, fd: int, size_bytes: int) -> None:
        self._fd = fd
        self._num_reads = 0
        self.size = size_bytes

    def read(self, offset: int, num_bytes: int) -> bytes:
        """Read exactly `num_bytes`. Raises _UndecidedError outside of the file, and at the limit of reads."""
        self._num_reads += 1
        if self._num_reads > _MAX_READS or not 0 <= offset <= self.size - num_bytes:
            raise _UndecidedError
        data = read_at(self._fd, offset, num_bytes)
        if len(data) < num_bytes:
            raise _make_error(f"the file had {self.size} bytes when it was opened and has fewer now")
        return data

    def unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        """Read numbers. `layout` is a format of `struct`."""
        values: tuple[int, ...] = struct.unpack(layout, self.read(offset, struct.calcsize(layout)))
        return values


def check_complete(fd: int, size_bytes: int, container: str) -> None:
    """Refuse a file if the structure of its container shows that bytes are missing.

    ISO media, Matroska, AVI, GIF, FLV, ASF, Ogg and APNG show this. Files of other containers pass. Files with other
    structural damage also pass, and so do unfinished recordings, which decoders read up to their end.

    Args:
        fd: a regular file, open for reading. Its position does not change.
        size_bytes: its size.
        container: what `probe.recognise_container` returned.

    Raises:
        RowError: TRUNCATED or READ_FAILED.
    """
    check = _CHECKS.get(container)
    if check is None:
        return
    try:
        check(_Bytes(fd, size_bytes))
    except _UndecidedError:
        return


def _make_error(detail: str) -> RowError:
    return RowError(RowErrorCode.TRUNCATED, detail)


def _require_end(data: _Bytes, end: int, what: str) -> None:
    if end > data.size:
        raise _make_error(f"{what} ends at byte {end}, the file has {data.size} bytes: {end - data.size} are missing")


def _iterate_boxes(data: _Bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start of the content, end) of each ISO/IEC 14496-12 box. The last may end beyond `end`.

    A box begins with its size in 32 bits, and its type. Size 1: the size follows the type, in 64 bits. Size 0: the box
    ends at `end`.
    """
    while start + 8 <= end:
        header = data.read(start, 8)
        size, kind = int.from_bytes(header[:4], "big"), header[4:]
        content = start + 8
        if size == 1:
            (size,) = data.unpack(">Q", content)
            content += 8
        stop = end if size == 0 else start + size
        if stop < content:
            raise _UndecidedError
        yield kind, content, stop
        start = stop


def _check_mov(data: _Bytes) -> None:
    moov = None
    for kind, start, stop in _iterate_boxes(data, 0, data.size):
        # Trailing bytes that are not a box would declare a random size. So only boxes that playback needs are checked.
        if kind in {b"ftyp", b"moov", b"mdat", b"moof"}:
            _require_end(data, stop, f"the {kind.decode()} box")
        if kind == b"moov":
            moov = (start, stop)
    if moov is None:
        raise _make_error("there is no moov box: an interrupted recording, or a segment without its initialisation")
    for track in _find_boxes(data, *moov, b"trak"):
        for table in _find_boxes(data, *track, b"mdia", b"minf", b"stbl"):
            _check_chunk_offsets(data, *table)


def _find_boxes(data: _Bytes, start: int, stop: int, *path: bytes) -> Iterator[tuple[int, int]]:
    for kind, inner_start, inner_stop in _iterate_boxes(data, start, stop):
        if kind == path[0] and inner_stop <= stop:
            if len(path) == 1:
                yield inner_start, inner_stop
            else:
                yield from _find_boxes(data, inner_start, inner_stop, *path[1:])


def _check_chunk_offsets(data: _Bytes, start: int, stop: int) -> None:
    """Check that the last chunk of a track's samples begins within the file (`stco`, or `co64` with 64 bits)."""
    for kind, content, _ in _iterate_boxes(data, start, stop):
        width = {b"stco": 4, b"co64": 8}.get(kind)
        if width is None:
            continue
        (num_chunks,) = data.unpack(">I", content + 4)
        if num_chunks:
            last = content + 8 + (num_chunks - 1) * width
            (offset,) = data.unpack(">I" if width == 4 else ">Q", last)
            _require_end(data, offset + 1, "the first byte of the last chunk")


def _read_vint(data: _Bytes, offset: int) -> tuple[int, int]:
    """Return a variable-length integer of RFC 8794 with its marker bit, and its length in bytes."""
    (first,) = data.read(offset, 1)
    length = 9 - first.bit_length()
    if length > 8:
        raise _UndecidedError
    return int.from_bytes(data.read(offset, length), "big"), length


def _check_matroska(data: _Bytes) -> None:
    """Walk to the Segment. Live streams have an unknown size: all bits are 1."""
    offset = 0
    while offset < data.size:
        element, id_length = _read_vint(data, offset)
        size, size_length = _read_vint(data, offset + id_length)
        largest = (1 << 7 * size_length) - 1
        if size & largest == largest:
            return
        offset += id_length + size_length + (size & largest)
        if element == 0x18538067:
            _require_end(data, offset, "the Segment")
            return
    raise _make_error("the file ends before its Segment")


def _check_avi(data: _Bytes) -> None:
    """Walk the RIFF chunks. OpenDML files have several; all after the first are of type AVIX."""
    start = 0
    while start + 12 <= data.size:
        magic, size, _ = struct.unpack("<4sI4s", data.read(start, 12))
        # A recorder that crashed leaves a size of 0 or near the maximum. Decoders read such a file up to its end.
        if magic != b"RIFF" or size < 4 or size >= 0xFFFF0000:
            return
        stop = start + 8 + size
        _require_end(data, stop - size % 2, "the RIFF chunk")  # the padding byte is often missing
        start = stop + size % 2


class _ByteReader:
    """Reads a file byte by byte from its start, in large blocks."""

    def __init__(self, data: _Bytes) -> None:
        self._data = data
        self._block = b""
        self._block_start = 0
        self._offset = 0
        self._num_steps = 0

    def skip(self, num_bytes: int) -> None:
        """Skip bytes. Only the next read checks for the end of the file."""
        self._offset += num_bytes

    def read_byte(self) -> int:
        """Read the next byte."""
        self._num_steps += 1
        if self._num_steps > _MAX_GIF_STEPS:
            raise _UndecidedError
        at = self._offset - self._block_start
        if at >= len(self._block):
            if self._offset >= self._data.size:
                raise _make_error(f"there is no trailer before the end of the file at byte {self._data.size}")
            self._block_start, at = self._offset, 0
            self._block = self._data.read(self._offset, min(_GIF_READ_BYTES, self._data.size - self._offset))
        self._offset += 1
        return self._block[at]


def _measure_colour_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _check_gif(data: _Bytes) -> None:
    """Walk the blocks (GIF89a, appendix A). Each ends with an empty sub-block; the trailer 0x3B ends the file."""
    stream = _ByteReader(data)
    stream.skip(10)
    flags = stream.read_byte()
    stream.skip(2 + _measure_colour_table(flags))
    while True:
        introducer = stream.read_byte()
        if introducer == 0x21:  # extension: skip its label
            stream.skip(1)
        elif introducer == 0x2C:  # image: position and size, flags, colour table, code size
            stream.skip(8)
            flags = stream.read_byte()
            stream.skip(_measure_colour_table(flags) + 1)
        else:  # the trailer, or damage
            return
        while num_bytes := stream.read_byte():
            stream.skip(num_bytes)


def _check_flv(data: _Bytes) -> None:
    """Check `filesize` of the metadata; without it the last tag: type, size in 24 bits, content, then total size."""
    head = data.read(0, min(data.size, 16 * 1024))
    key = head.find(b"\0\x08filesize\0")  # a number in the onMetaData object
    if key >= 0 and key + 19 <= len(head):
        (declared,) = struct.unpack_from(">d", head, key + 11)
        if math.isfinite(declared) and declared > 0:
            _require_end(data, int(declared), "the file, according to its metadata,")
            return
    (tag_size,) = data.unpack(">I", data.size - 4)
    start = data.size - 4 - tag_size
    (type_and_size,) = data.unpack(">I", start) if start >= 9 else (0,)
    if type_and_size >> 24 & 0x1F not in {8, 9, 18} or (type_and_size & 0xFFFFFF) + 11 != tag_size:
        raise _make_error("the last tag is incomplete")


def _check_asf(data: _Bytes) -> None:
    """Check the size in the file properties object (ASF specification, 3.2). It is not valid in broadcasts."""
    header_size, num_objects = data.unpack("<QI", 16)
    _require_end(data, header_size, "the header object")
    offset = 30
    for _ in range(min(num_objects, _MAX_READS)):
        kind, size = struct.unpack("<16sQ", data.read(offset, 24))
        if kind == bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"):
            (declared,) = data.unpack("<Q", offset + 40)
            (flags,) = data.unpack("<I", offset + 88)
            if not flags & 1:
                _require_end(data, declared, "the file, according to its header,")
            return
        offset += max(size, 24)


def _check_ogg(data: _Bytes) -> None:
    """Check the last page (RFC 3533): its header, its table of segment sizes, and its segments."""
    tail_start = max(0, data.size - _OGG_MAX_PAGE_BYTES)
    tail = data.read(tail_start, data.size - tail_start)
    page = tail.rfind(b"OggS\0")
    if page < 0:
        return
    header_end = page + 27
    _require_end(data, tail_start + header_end, "the header of the last page")
    table_end = header_end + tail[header_end - 1]
    _require_end(data, tail_start + table_end + sum(tail[header_end:table_end]), "the last page")


def _check_apng(data: _Bytes) -> None:
    """Walk the PNG chunks (size, type, content, checksum) up to IEND."""
    offset = 8
    while True:
        _require_end(data, offset + 12, "the header and checksum of a chunk")
        size, kind = struct.unpack(">I4s", data.read(offset, 8))
        if kind == b"IEND":
            return
        offset += 12 + size


_CHECKS: dict[str, Callable[[_Bytes], None]] = {
    "mov,mp4,m4a,3gp,3g2,mj2": _check_mov,
    "matroska,webm": _check_matroska,
    "avi": _check_avi,
    "gif": _check_gif,
    "flv": _check_flv,
    "asf": _check_asf,
    "ogg": _check_ogg,
    "apng": _check_apng,
}
