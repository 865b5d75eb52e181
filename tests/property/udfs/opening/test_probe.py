from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.hostile import write_tiny_video
from udfs.errors import RowError
from udfs.opening.probe import check_complete, recognise_container

SMALL_VIDEOS = {
    "a.mp4": ("mpeg4", "yuv420p"),
    "a.mov": ("mjpeg", "yuvj420p"),
    "a.mkv": ("mpeg4", "yuv420p"),
    "a.avi": ("mpeg4", "yuv420p"),
    "a.gif": ("gif", "rgb8"),
    "a.flv": ("flv1", "yuv420p"),
    "a.asf": ("wmv2", "yuv420p"),
    "a.apng": ("apng", "rgb24"),
    "a.ts": ("mpeg2video", "yuv420p"),
    "a.h264": ("libx264", "yuv420p"),
}
CHECKED = ["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "gif", "flv", "asf", "ogg", "apng", "mpegts"]
MAGICS = st.sampled_from(
    [
        b"",
        b"\0\0\0\x14ftyp",
        b"\x1a\x45\xdf\xa3",
        b"RIFF\0\0\0\0AVI ",
        b"GIF89a",
        b"FLV\1\5\0\0\0\x09",
        b"OggS\0",
        bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),  # ASF
        b"\x89PNG\r\n\x1a\n",
        b"\0\0\0\1\x67",
        b"\0\0\1\xba",
    ]
)


@functools.cache
def small_video(name: str) -> bytes:
    codec, pixels = SMALL_VIDEOS[name]
    with tempfile.TemporaryDirectory() as folder:
        return write_tiny_video(Path(folder) / name, codec, num_frames=4, pixels=pixels).read_bytes()


def probe(content: bytes) -> str:
    """Return the container of a file, or the code of its error."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            container = recognise_container(file.fileno(), len(content))
            check_complete(file.fileno(), len(content), container)
        except RowError as error:
            return error.code
        return container


@settings(deadline=None)  # the machine may be busy
@given(magic=MAGICS, rest=st.binary(max_size=300))
def test_any_bytes_have_a_container_or_a_row_error(magic: bytes, rest: bytes) -> None:
    assert probe(magic + rest)


@settings(deadline=None)  # the machine may be busy
@given(content=st.binary(max_size=200), container=st.sampled_from(CHECKED), declared_bytes=st.integers(0, 300))
def test_any_bytes_pass_as_complete_or_are_a_row_error(content: bytes, container: str, declared_bytes: int) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            check_complete(file.fileno(), declared_bytes, container)
        except RowError as error:
            assert error.code in {"TRUNCATED", "READ_FAILED"}  # noqa: PT017 (both results are right)


@pytest.mark.parametrize("name", SMALL_VIDEOS)
@settings(deadline=None)  # the machine may be busy
@given(data=st.data())
def test_a_file_with_flipped_bits_has_a_container_or_a_row_error(name: str, data: st.DataObject) -> None:
    content = bytearray(small_video(name))
    # Half of them are in the first bytes, which describe the structure.
    places = st.integers(0, 600) | st.integers(0, len(content) - 1)
    for place, bit in data.draw(st.lists(st.tuples(places, st.integers(0, 7)), min_size=1, max_size=20)):
        content[min(place, len(content) - 1)] ^= 1 << bit
    assert probe(bytes(content))


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.gif", "a.flv", "a.asf", "a.apng"])
@settings(deadline=None)  # the machine may be busy
@given(data=st.data())
def test_a_file_cut_at_any_place_is_truncated(name: str, data: st.DataObject) -> None:
    whole = small_video(name)
    assert probe(whole) not in {"TRUNCATED", "NOT_A_VIDEO"}
    kept_bytes = data.draw(st.integers(len(whole) * 3 // 10, len(whole) * 9 // 10))
    assert probe(whole[:kept_bytes]) == "TRUNCATED"
