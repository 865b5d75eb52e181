from __future__ import annotations

import os
import struct
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests.support import hostile
from udfs.errors import RowError, RowErrorCode
from udfs.opening import truncation
from udfs.opening.truncation import check_complete

if TYPE_CHECKING:
    from pathlib import Path

MOV = "mov,mp4,m4a,3gp,3g2,mj2"


def box(kind: bytes, content: bytes = b"", *, missing: int = 0) -> bytes:
    return struct.pack(">I4s", 8 + len(content) + missing, kind) + content


def track(last_chunk_at: int) -> bytes:
    offsets = box(b"stco", struct.pack(">4I", 0, 2, 0, last_chunk_at))
    return box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", offsets)))))


def is_complete(content: bytes, container: str) -> bool:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            check_complete(file.fileno(), len(content), container)
        except RowError as error:
            if error.code is not RowErrorCode.TRUNCATED:
                raise
            return False
        return True


FTYP = box(b"ftyp", b"isom\0\0\2\0")
BIG_MDAT = struct.pack(">I4sQ", 1, b"mdat", 20) + b"data"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (FTYP + box(b"mdat", b"data") + box(b"moov"), True),
        (FTYP + BIG_MDAT + box(b"moov"), True),
        (FTYP + box(b"moov") + b"\0\0\0\0mdat" + b"data", True),  # size 0: ends at the end of the file
        (FTYP + box(b"moov") + box(b"mdat", b"data", missing=1), False),
        (FTYP + box(b"moov") + BIG_MDAT[:-1], False),
        (FTYP + box(b"mdat", b"data"), False),  # the recording was interrupted before its moov box
        (FTYP, False),
        (box(b"styp") + box(b"moof") + box(b"mdat"), False),  # a segment without its initialisation
        (FTYP + box(b"mdat", b"data") + box(b"moov", missing=1), False),
        (FTYP + box(b"moov") + b"garbage that is not a box", True),
        (FTYP + box(b"moov") + bytes(100), True),
        (FTYP + box(b"moov") + box(b"free", missing=9), True),
        (FTYP + box(b"moov") + b"\0\0\0\x07mdat", True),  # a box cannot be this small: damaged, not truncated
        (FTYP + track(last_chunk_at=20) + box(b"mdat", b"data"), True),
        (FTYP + track(last_chunk_at=999), False),
        (FTYP + box(b"free") * 500 + box(b"mdat", missing=9), True),  # more boxes than are read
    ],
)
def test_iso_media_is_checked_by_its_boxes(content: bytes, expected: bool) -> None:
    assert is_complete(content, MOV) is expected


EBML = b"\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska"
SEGMENT = b"\x18\x53\x80\x67"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (EBML + SEGMENT + b"\x84data", True),
        (EBML + b"\xec\x81x" + SEGMENT + b"\x84data", True),
        (EBML + SEGMENT + b"\x85data", False),
        (EBML + SEGMENT + b"\xffdata", True),  # unknown size: a live stream
        (EBML + SEGMENT + b"\x01" + b"\xff" * 7 + b"data", True),
        (EBML, False),
        (EBML[:-1], False),
        (EBML + b"\0", True),  # not the start of an element
    ],
)
def test_matroska_is_checked_by_its_segment(content: bytes, expected: bool) -> None:
    assert is_complete(content, "matroska,webm") is expected


def riff(kind: bytes, content: bytes, size: int | None = None) -> bytes:
    return struct.pack("<4sI4s", b"RIFF", 4 + len(content) if size is None else size, kind) + content


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (riff(b"AVI ", b"data"), True),
        (riff(b"AVI ", b"data", size=9), True),  # the padding byte is missing
        (riff(b"AVI ", b"data", size=10), False),
        (riff(b"AVI ", b"data", size=0), True),  # the recorder crashed
        (riff(b"AVI ", b"data", size=0xFFFFFFFF), True),
        (riff(b"AVI ", b"data") + riff(b"AVIX", b"more"), True),
        (riff(b"AVI ", b"data") + riff(b"AVIX", b"more", size=99), False),
        (riff(b"AVI ", b"data") + b"trailing garbage", True),
    ],
)
def test_avi_is_checked_by_its_riff_chunks(content: bytes, expected: bool) -> None:
    assert is_complete(content, "avi") is expected


GIF = b"GIF89a\1\0\1\0\0\0\0" + b"!\xf9\4\0\0\0\0\0" + b",\0\0\0\0\1\0\1\0\x80" + bytes(6) + b"\2\2D\1\0"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (GIF + b";", True),
        (GIF + b";garbage", True),
        (GIF + b"\x99", True),  # damaged, not truncated
        (GIF, False),
        *((GIF[:cut], False) for cut in range(6, len(GIF))),
    ],
)
def test_a_gif_is_checked_up_to_its_trailer(content: bytes, expected: bool) -> None:
    assert is_complete(content, "gif") is expected


FLV = b"FLV\1\1\0\0\0\x09\0\0\0\0"
FLV_TAG = b"\x09\0\0\4" + bytes(7) + b"data" + b"\0\0\0\x0f"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (FLV + FLV_TAG, True),
        (FLV + FLV_TAG * 2, True),
        (FLV + FLV_TAG + FLV_TAG[:-1], False),
        (FLV + FLV_TAG + FLV_TAG[:9], False),
        (FLV + b"\0\x08filesize\0" + struct.pack(">d", 32), True),
        (FLV + b"\0\x08filesize\0" + struct.pack(">d", 33), False),
        (FLV + b"\0\x08filesize\0" + struct.pack(">d", float("nan")), False),  # so the last tag is checked
    ],
)
def test_flv_is_checked_by_its_own_size_or_last_tag(content: bytes, expected: bool) -> None:
    assert is_complete(content, "flv") is expected


def page(segments: bytes, content: bytes) -> bytes:
    return b"OggS\0" + bytes(21) + bytes([len(segments)]) + segments + content


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (page(b"\4", b"data"), True),
        (page(b"", b""), True),
        (page(b"\4", b"data") + page(b"\4\4", b"datadat"), False),
        (page(b"\4", b"data") + page(b"\4\4", b"")[:-1], False),
        (page(b"\4", b"data") + page(b"", b"")[:-1], False),
        (page(b"\4", b"data") + b"garbage", True),
    ],
)
def test_ogg_is_checked_by_its_last_page(content: bytes, expected: bool) -> None:
    assert is_complete(content, "ogg") is expected


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", len(content), kind) + content + b"csum"


PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"acTL", b"data") + chunk(b"fdAT", b"data")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PNG + chunk(b"IEND"), True),
        (PNG + chunk(b"IEND") + b"garbage", True),
        *((PNG[:cut], False) for cut in range(8, len(PNG) + 1)),
    ],
)
def test_an_animated_png_is_checked_up_to_its_end_chunk(content: bytes, expected: bool) -> None:
    assert is_complete(content, "apng") is expected


@pytest.mark.parametrize("container", ["mpegts", "mpeg", "h264", "mxf", "unknown"])
def test_containers_that_do_not_show_truncation_pass(container: str) -> None:
    assert is_complete(b"anything", container)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.gif", "a.flv", "a.asf", "a.apng", "fast.mp4"])
@pytest.mark.parametrize("kept_fraction", [0.02, 0.3, 0.61, 0.9, 0.999])
def test_a_video_with_its_end_cut_off_is_truncated(tmp_path: Path, name: str, kept_fraction: float) -> None:
    codec, pixels, container = {
        "mp4": ("mpeg4", "yuv420p", MOV),
        "mkv": ("mpeg4", "yuv420p", "matroska,webm"),
        "avi": ("mpeg4", "yuv420p", "avi"),
        "gif": ("gif", "rgb8", "gif"),
        "flv": ("flv1", "yuv420p", "flv"),
        "asf": ("wmv2", "yuv420p", "asf"),
        "apng": ("apng", "rgb24", "apng"),
    }[name.rpartition(".")[2]]
    good = hostile.write_tiny_video(tmp_path / name, codec, pixels=pixels)
    assert is_complete(good.read_bytes(), container)
    assert not is_complete(hostile.write_cut(tmp_path, good, kept_fraction).path.read_bytes(), container)


@pytest.mark.parametrize(
    ("container", "content"),
    [
        (MOV, FTYP + box(b"free") * 10**5),
        (MOV, FTYP + box(b"moov", box(b"trak", box(b"mdia")) * 10**5)),
        ("matroska,webm", b"\xec\x80" * 10**5),
        ("avi", riff(b"AVI ", b"") * 10**5),
        ("gif", GIF[:13] + b"!\0\0" * 10**6),
        ("gif", GIF[:15] + b"\1\1" * 10**6),
        ("gif", GIF[:15] + b"\1\1" * 10**7),
        ("asf", b"\0" * 16 + struct.pack("<QI", 30, 0xFFFFFFFF) + bytes(10**6)),
        ("apng", bytes(8) + (bytes(4) + b"tEXt" + bytes(4)) * 10**5),
    ],
)
def test_very_long_structures_take_a_bounded_number_of_reads(
    monkeypatch: pytest.MonkeyPatch, container: str, content: bytes
) -> None:
    num_reads = 0

    def count(fd: int, offset: int, num_bytes: int) -> bytes:
        nonlocal num_reads
        num_reads += 1
        return os.pread(fd, num_bytes, offset)

    monkeypatch.setattr(truncation, "read_at", count)
    is_complete(content, container)
    assert num_reads <= 400


def test_a_file_that_becomes_shorter_while_it_is_read_is_truncated() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(FTYP)
        file.flush()
        with pytest.raises(RowError, match="TRUNCATED: the file had 1000 bytes when it was opened and has fewer now"):
            check_complete(file.fileno(), 1000, MOV)
