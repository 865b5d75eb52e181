"""Finds where a transport or program stream begins in a file that was cut, or that begins with other bytes.

Runs on executors and in decoder children.
"""

# ruff: noqa: PLR2004 -- the literal numbers are defined by the formats that the comments cite
from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from udfs.opening.content import read_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A stream that begins later in the file is not found. libavformat/format.c probes as many bytes (PROBE_BUF_MAX).
MAX_START_BYTES = 1024 * 1024
_SYNC_BYTE = 0x47
# Sizes of a packet: plain, after a time code (M2TS), and before a checksum (ISO/IEC 13818-1, 2.4.3.2).
_PACKET_BYTES = (188, 192, 204)
_NUM_PACKETS = 20
_MIN_PACKETS = 8
_MIN_LEGAL_FRACTION = 0.8
_HEAD_BYTES = 64 * 1024
_NUM_ELEMENTS = 6
# Pack header, system header, private streams, padding, sound and pictures (ISO/IEC 13818-1, table 2-22).
_ELEMENT = re.compile(rb"\x00\x00\x01[\xba-\xef]")
_MAX_CANDIDATES = 20_000


def find_start(fd: int, container: str) -> int:
    """Return the first byte of the stream in a transport stream (`mpegts`) or program stream (`mpeg`).

    Args:
        fd: a regular file, open for reading. Its position does not change.
        container: name of the demuxer. All other containers begin at byte 0.

    Returns:
        At most `MAX_START_BYTES`; 0 if no stream is found, or if it begins within the first packet.

    Raises:
        RowError: READ_FAILED.
    """
    find = {"mpegts": find_transport_packets, "mpeg": find_program_elements}.get(container)
    if find is None:
        return 0
    for num_bytes in (_HEAD_BYTES, MAX_START_BYTES + _HEAD_BYTES):  # almost every stream begins at byte 0
        start = find(read_at(fd, 0, num_bytes))
        if start is not None:
            return start if start > max(_PACKET_BYTES) else 0
    return 0


def find_stream(fd: int) -> str | None:
    """Return the demuxer of a transport or program stream that begins within `MAX_START_BYTES`; None if there is none.

    Raises:
        RowError: READ_FAILED.
    """
    head = read_at(fd, 0, MAX_START_BYTES + _HEAD_BYTES)
    if find_transport_packets(head) is not None:
        return "mpegts"
    return "mpeg" if find_program_elements(head) is not None else None


def find_transport_packets(head: bytes) -> int | None:
    """Return where a sequence of transport packets begins; None if there is none.

    At least `_MIN_PACKETS` packets must follow each other, of which one in five may be damaged. The first two must not
    be. A legal packet has the sync byte, no error flag, and a payload or an adaptation field. The second condition
    refuses files in which the sync byte is frequent, such as flat grey pictures.
    """
    content = np.frombuffer(head, dtype=np.uint8)
    if len(content) < _MIN_PACKETS * min(_PACKET_BYTES):
        return None
    is_legal = np.zeros(len(content), dtype=bool)
    is_legal[:-3] = (content[:-3] == _SYNC_BYTE) & (content[1:-2] < 0x80) & (content[3:] & 0x30 != 0)
    starts = [start for step in _PACKET_BYTES if (start := _find_stride(is_legal, step)) is not None]
    return min(starts, default=None)


def _find_stride(is_legal: NDArray[np.bool_], step: int) -> int | None:
    num_packets = min(_NUM_PACKETS, (len(is_legal) - 4) // step)
    if num_packets < _MIN_PACKETS:
        return None
    num_starts = len(is_legal) - (num_packets - 1) * step
    num_legal = np.zeros(num_starts, dtype=np.uint8)
    for packet in range(num_packets):
        num_legal += is_legal[packet * step : packet * step + num_starts]
    first, second = is_legal[:num_starts], is_legal[step : step + num_starts]
    found = np.flatnonzero(first & second & (num_legal >= _MIN_LEGAL_FRACTION * num_packets))
    return int(found[0]) if len(found) else None


def find_program_elements(head: bytes) -> int | None:
    """Return where a chain of elements of a program stream begins; None if there is none.

    Each element declares its length, so the next one must begin where it ends. The chain must have pictures or sound.
    """
    for number, match in enumerate(_ELEMENT.finditer(head)):
        if number == _MAX_CANDIDATES:
            return None
        if _is_chain(head, match.start()):
            return match.start()
    return None


def _is_chain(head: bytes, at: int) -> bool:
    has_media = False
    for _ in range(_NUM_ELEMENTS):
        if _ELEMENT.match(head, at) is None or at + 14 > len(head):
            return False
        kind = head[at + 3]
        has_media |= kind >= 0xC0
        if kind != 0xBA:
            at += 6 + int.from_bytes(head[at + 4 : at + 6], "big")
        elif head[at + 4] >> 6 == 1:  # MPEG-2: 14 bytes, then stuffing
            at += 14 + (head[at + 13] & 7)
        elif head[at + 4] >> 4 == 2:  # MPEG-1
            at += 12
        else:
            return False
    return has_media
