"""Transport and program streams are found where they begin; other files are refused."""

from __future__ import annotations

import io
import random
import tarfile
import tempfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.hostile import write_tiny_video
from udfs.errors import RowError
from udfs.opening.probe import recognise_container
from udfs.opening.resync import MAX_START_BYTES, find_program_elements, find_start, find_transport_packets

if TYPE_CHECKING:
    from pathlib import Path

PACKET = b"\x47\x01\x00\x10".ljust(188, b"\xab")
STREAMS = {"a.ts": "mpegts", "a.m2ts": "mpegts", "a.mpg": "mpeg", "a.vob": "mpeg"}


@pytest.fixture(scope="module", params=STREAMS)
def stream(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """Return the demuxer and the content of a stream."""
    path: Path = tmp_path_factory.mktemp("streams") / request.param
    return STREAMS[request.param], write_tiny_video(path, "mpeg2video", num_frames=60).read_bytes()


def recognise(content: bytes) -> tuple[str, int]:
    """Return the container and the first byte of its stream; the code and 0 if it is refused."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            container = recognise_container(file.fileno(), len(content))
        except RowError as error:
            return error.code, 0
        return container, find_start(file.fileno(), container)


def test_a_stream_that_is_cut_at_any_byte_is_recognised(stream: tuple[str, bytes]) -> None:
    container, content = stream
    rng = random.Random(0)
    for cut in (*range(1, 40), *rng.sample(range(40, len(content) // 2), 60)):
        found, start = recognise(content[cut:])
        assert found == container, cut
        assert start < len(content) // 2


@pytest.mark.parametrize("num_bytes", [1, 5_000, 300_000, MAX_START_BYTES - 10])
@pytest.mark.parametrize("filler", ["zeros", "ones", "random"])
def test_a_stream_behind_other_bytes_is_found(filler: str, num_bytes: int, stream: tuple[str, bytes]) -> None:
    container, content = stream
    junk = {"zeros": bytes(num_bytes), "ones": b"\xff" * num_bytes, "random": random.Random(1).randbytes(num_bytes)}
    found, start = recognise(junk[filler] + content)
    time_code = 4  # precedes each packet of M2TS
    assert found == container
    assert start in ({0} if num_bytes == 1 else {num_bytes, num_bytes + time_code})


def test_a_stream_behind_too_many_bytes_is_not_found(stream: tuple[str, bytes]) -> None:
    assert recognise(bytes(MAX_START_BYTES + 200_000) + stream[1]) == ("NOT_A_VIDEO", 0)


def test_a_stream_in_an_archive_is_refused(stream: tuple[str, bytes]) -> None:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a.ts", stream[1])
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        member = tarfile.TarInfo("a.ts")
        member.size = len(stream[1])
        archive.addfile(member, io.BytesIO(stream[1]))
    assert recognise(zipped.getvalue()) == ("NOT_A_VIDEO", 0)
    assert recognise(tarred.getvalue()) == ("NOT_A_VIDEO", 0)


@pytest.mark.parametrize(
    "content",
    [
        random.Random(2).randbytes(3_000_000),
        bytes(3_000_000),
        b"It was a dark and stormy night.\n" * 50_000,
        b"\0" + b"G" * 2_000_000,
        b"\0" + bytes(byte if byte != 0x47 else 0x48 for byte in random.Random(3).randbytes(200_000)),
        b"\0\0\1\xe0\0\4" * 100_000,
        b"\0\0\1\xba" * 100_000,
        b"\x47".join(random.Random(4).randbytes(187 + number % 2) for number in range(2_000)),
    ],
    ids=["random", "zeros", "text", "sync bytes only", "no sync bytes", "headers", "pack headers", "uneven packets"],
)
def test_other_files_are_refused(content: bytes) -> None:
    assert recognise(content) == ("NOT_A_VIDEO", 0)


def test_packets_must_be_legal_and_follow_each_other() -> None:
    assert find_transport_packets(b"abc" + PACKET * 8 + bytes(4)) == 3
    assert find_transport_packets(PACKET * 7 + bytes(4)) is None
    assert find_transport_packets((PACKET[:1] + b"\x81" + PACKET[2:]) * 20) is None  # the error flag is set
    assert find_transport_packets((PACKET[:3] + b"\x00" + PACKET[4:]) * 20) is None  # neither payload nor adaptation
    assert find_transport_packets(b"") is None


def test_elements_of_a_program_stream_must_follow_each_other() -> None:
    sound = b"\0\0\1\xc0\0\x0a" + bytes(10)
    assert find_program_elements(b"abc" + sound * 8) == 3
    assert find_program_elements(b"abc" + (sound + b"x") * 8) is None
    assert find_program_elements((b"\0\0\1\xbe\0\x0a" + bytes(10)) * 8) is None  # only padding
    assert find_program_elements(b"") is None
