"""Recognises the container of a file by its first bytes, before any decoder reads it. Runs on executors.

Transport and program streams may be cut at any byte. They are also recognised behind other bytes (`resync`).

FFmpeg also detects the container by content, and some of its demuxers open other files or addresses that the content
names. So only known containers pass, and a file that such a demuxer would accept is refused even if it also looks like
a known container.
"""

# ruff: noqa: PLR2004 -- the literal numbers are defined by the formats that the comments cite
from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from udfs.errors import RowError, RowErrorCode
from udfs.opening.content import read_at
from udfs.opening.resync import find_stream
from udfs.opening.signatures import is_other_kind, name_other, name_playlist
from udfs.opening.truncation import check_complete

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_complete", "recognise_container"]

_HEAD_BYTES = 64 * 1024
# libavformat/format.c grows its probe buffer up to PROBE_BUF_MAX, 1 MiB.
_FFMPEG_PROBE_BYTES = 1024 * 1024
_SHOWN_BYTES = 16

# Boxes that a file may begin with, of ISO/IEC 14496-12 and QuickTime (mov.c, mov_probe).
_FIRST_BOXES = frozenset(
    (
        b"ftyp",
        b"styp",
        b"moov",
        b"moof",
        b"mdat",
        b"free",
        b"skip",
        b"wide",
        b"pnot",
        b"uuid",
        b"sidx",
        b"pdin",
    )
)
_STILL_BRANDS = frozenset((b"mif1", b"heic", b"heix", b"heim", b"heis", b"avif"))
_SEQUENCE_BRANDS = frozenset((b"msf1", b"hevc", b"hevx", b"avis", b"mjp2", b"isom"))


def recognise_container(fd: int, size_bytes: int) -> str:
    """Return the FFmpeg demuxer for a file, from its first bytes only. The file name is not used.

    At most 1.1 MiB are read. `resync.find_start` returns where a stream begins that does not begin at byte 0.

    Args:
        fd: a regular file, open for reading. Its position does not change.
        size_bytes: its size.

    Returns:
        Name of the demuxer as in FFmpeg, such as `mov,mp4,m4a,3gp,3g2,mj2` or `matroska,webm`.

    Raises:
        RowError: PLAYLIST_REFUSED for a file that may make a decoder open another file; NOT_A_VIDEO for any other file
            that is not a known video container; READ_FAILED.
    """
    head = read_at(fd, 0, _HEAD_BYTES)
    text = _read_text_head(fd, head)
    playlist = name_playlist(text)
    if playlist is not None:
        detail = f"detected: {playlist}. Such a file makes a decoder open other files, so it is refused"
        raise RowError(RowErrorCode.PLAYLIST_REFUSED, f"{detail} (it begins with {text[:60]!r})")
    still = _name_still_mov(head)
    container = None if still else _find_container(fd, head)
    if container is not None:
        return container
    detail = f"not a known video container; detected: {still or name_other(head)}"
    shown = f"{size_bytes} bytes, the first are {head[:_SHOWN_BYTES].hex()}"
    raise RowError(RowErrorCode.NOT_A_VIDEO, f"{detail} ({shown})")


def _find_container(fd: int, head: bytes) -> str | None:
    for container, recognises in _CONTAINERS:
        if recognises(head):
            return container
    # A stream that is cut begins like an elementary stream if it is cut behind the header of a packet. An archive may
    # contain whole streams.
    stream = None if is_other_kind(head) else find_stream(fd)
    return stream or next((name for name, recognises in _ELEMENTARY_STREAMS if recognises(head)), None)


def _read_text_head(fd: int, head: bytes) -> bytes:
    """Return the part of a file that FFmpeg searches for text: its probe buffer up to the first NUL byte."""
    if b"\0" not in head and len(head) == _HEAD_BYTES:
        head = read_at(fd, 0, _FFMPEG_PROBE_BYTES)
    return head.partition(b"\0")[0]


def _is_mov(head: bytes) -> bool:
    box = head[4:8]
    if box == b"jP  ":  # the signature box of the JPEG 2000 family; Motion JPEG 2000 declares itself in ftyp
        return head[16:24] == b"ftypmjp2"
    size = int.from_bytes(head[:4], "big")
    return box in _FIRST_BOXES and (size in {0, 1} or size >= 8)


def _name_still_mov(head: bytes) -> str | None:
    """Return the kind of still image that the brands of an ISO container declare; None if they declare a sequence."""
    if head[4:8] != b"ftyp" or head[8:12] not in _STILL_BRANDS:
        return None
    brands = {head[at : at + 4] for at in range(16, min(int.from_bytes(head[:4], "big"), 256), 4)}
    return None if brands & _SEQUENCE_BRANDS else f"HEIF or AVIF image (brand {head[8:12]!r})"


def _is_matroska(head: bytes) -> bool:
    # matroskadec.c also reads other document types. Only these two are video in practice.
    return head.startswith(b"\x1aE\xdf\xa3") and any(name in head[:256] for name in (b"matroska", b"webm"))


def _is_avi(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head[8:12] in {b"AVI ", b"AVI\x19", b"AMV "}


def _is_flv(head: bytes) -> bool:
    # flvdec.c: version below 5, then the offset of the first tag, at least 9.
    return head.startswith(b"FLV") and len(head) >= 9 and head[3] < 5 and head[5] == 0 and head[8] >= 9


def _is_mpegts(head: bytes) -> bool:
    """Check for a sync byte in each packet of 188, 192 (time code first) or 204 bytes (ISO/IEC 13818-1, 2.4.3.2).

    A packet has a payload or an adaptation field, so a file of sync bytes only does not pass. One in five packets may
    be damaged. Fewer than five packets contain no video.
    """
    for first, step in ((0, 188), (4, 192), (0, 204)):
        syncs, controls = head[first : first + 20 * step : step], head[first + 3 : first + 20 * step : step]
        num_legal = sum(sync == 0x47 and control & 0x30 != 0 for sync, control in zip(syncs, controls, strict=False))
        if syncs[:1] == b"G" and len(syncs) >= 5 and num_legal >= 0.8 * len(syncs):
            return True
    return False


def _is_mpeg_program_stream(head: bytes) -> bool:
    # A pack header, followed by its marker bits: 0010 in MPEG-1, 01 in MPEG-2.
    return head.startswith(b"\0\0\1\xba") and len(head) > 4 and (head[4] >> 4 == 2 or head[4] >> 6 == 1)


def _is_mpeg_video(head: bytes) -> bool:
    # A sequence header: width, height and the codes of aspect ratio and frame rate must not be 0.
    if not head.startswith(b"\0\0\1\xb3") or len(head) < 8:
        return False
    sizes, codes = int.from_bytes(head[4:7], "big"), head[7]
    return all((sizes >> 12, sizes & 0xFFF, codes >> 4, codes & 0xF))


def _find_nal_bytes(head: bytes) -> list[bytes]:
    """Return the first two bytes of each NAL unit if the file begins as an Annex B stream; else an empty list."""
    if not head.startswith((b"\0\0\1", b"\0\0\0\1")):
        return []
    return [head[match.end() : match.end() + 2] for match in re.finditer(rb"\x00\x00\x01(?=..)", head, re.DOTALL)]


def _is_h264(head: bytes) -> bool:
    # ITU-T H.264, 7.3.1: the type is in the low five bits, the top bit is 0, nal_ref_idc of parameter sets is not 0.
    nals = _find_nal_bytes(head)
    types = [nal[0] & 0x1F for nal in nals]
    are_legal = all(nal[0] < 0x80 for nal in nals[:8])
    has_sets = any(nal[0] & 0x7F in {0x27, 0x47, 0x67} for nal in nals) and 8 in types
    return are_legal and has_sets and types[0] in {6, 7, 9} and bool({1, 5} & set(types))


def _is_hevc(head: bytes) -> bool:
    # ITU-T H.265, 7.3.1.2: the type has six bits; parameter sets are in layer 0 with temporal id 0.
    nals = _find_nal_bytes(head)
    types = [nal[0] >> 1 for nal in nals if nal[0] < 0x80]
    has_sets = {b"\x40\x01", b"\x42\x01", b"\x44\x01"} <= set(nals)
    return has_sets and types[0] in {32, 33, 35}


def _is_dv(head: bytes) -> bool:
    # IEC 61834: a header DIF block, then a subcode block from byte 80 on.
    return head[:3] == b"\x1f\x07\x00" and head[3:4] in {b"\x3f", b"\xbf"} and head[80:81] == b"\x3f"


def _is_apng(head: bytes) -> bool:
    # apngdec.c: a PNG is an animation if an acTL chunk precedes the first image data.
    if not head.startswith(b"\x89PNG\r\n\x1a\n"):
        return False
    at = 8
    while at + 8 <= len(head):
        size, kind = struct.unpack_from(">I4s", head, at)
        if kind in {b"acTL", b"IDAT"}:
            return bool(kind == b"acTL")
        at += 12 + size
    return False


def _match_start(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


_CONTAINERS: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("mov,mp4,m4a,3gp,3g2,mj2", _is_mov),
    ("matroska,webm", _is_matroska),
    ("avi", _is_avi),
    ("gif", _match_start(b"GIF87a", b"GIF89a")),
    ("flv", _is_flv),
    ("mpegts", _is_mpegts),
    ("mpeg", _is_mpeg_program_stream),
    ("asf", _match_start(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"))),
    ("ogg", _match_start(b"OggS\0")),
    ("mxf", _match_start(bytes.fromhex("060e2b34020501010d0102010102"))),
    ("rm", _match_start(b".RMF")),
    ("ivf", _match_start(b"DKIF\0\0")),
    ("yuv4mpegpipe", _match_start(b"YUV4MPEG2 ")),
    ("nut", _match_start(b"nut/multimedia container\0")),
    ("dv", _is_dv),
    ("apng", _is_apng),
    ("wtv", _match_start(bytes.fromhex("b7d800203749da11a64e0007e95ead8d"))),
)

_ELEMENTARY_STREAMS: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("mpegvideo", _is_mpeg_video),
    ("h264", _is_h264),
    ("hevc", _is_hevc),
)
