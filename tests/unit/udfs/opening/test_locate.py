from __future__ import annotations

import errno
import hashlib
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import fs

from tests.support.hostile import ODD_NAMES, make_fifo, make_link_out, make_link_to_device
from udfs.errors import RowError, RowErrorCode
from udfs.opening.content import hash_content, read_at
from udfs.opening.locate import FileFacts, Roots, open_video, read_file_facts, resolve_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 1000


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A root next to folders that are not roots."""
    for name in ("clips", "clips-secret", "bucket"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mp4").write_bytes(b"video")
    return tmp_path / "clips"


@pytest.fixture(autouse=True)
def _no_descriptor_is_left_open() -> Iterator[None]:
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    yield
    assert len(list(descriptors.iterdir())) <= before


def code_of(uri: str | None, roots: Roots, **options: Any) -> RowErrorCode:
    with pytest.raises(RowError) as caught:
        open_video(uri, roots, LIMIT, **options)
    return caught.value.code


def content_of(uri: str, roots: Roots, **options: Any) -> bytes:
    with open_video(uri, roots, LIMIT, **options) as opened:
        content = read_at(opened.fd, 0, LIMIT)
        assert opened.size_bytes == len(content)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened.fd)
    return content


def test_a_path_and_its_file_uri_open_the_same_file(clips: Path) -> None:
    roots = Roots.of(str(clips))
    for uri in (f"{clips}/a.mp4", f"file://{clips}/a.mp4", f"FILE://localhost{clips}/%61.mp4"):
        assert content_of(uri, roots) == b"video"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_opened_literally(clips: Path, name: str) -> None:
    (clips / name).write_bytes(name.encode())
    assert content_of(resolve_uri(name, str(clips)), Roots.of(str(clips))) == name.encode()


def test_a_percent_sign_is_literal_in_a_path_and_decoded_in_a_uri(clips: Path) -> None:
    (clips / "a%20b").write_bytes(b"literal")
    (clips / "a b").write_bytes(b"decoded")
    roots = Roots.of(str(clips))
    assert content_of(f"{clips}/a%20b", roots) == b"literal"
    assert content_of(f"file://{clips}/a%20b", roots) == b"decoded"
    assert content_of(f"file://{clips}/a%2520b", roots) == b"literal"


def test_a_name_that_is_not_utf8_can_be_opened_by_a_uri(clips: Path) -> None:
    with open(os.fsencode(clips) + b"/\xff.mp4", "wb") as file:  # noqa: PTH123 (a Path holds no such bytes)
        file.write(b"latin")
    assert content_of(f"file://{clips}/%FF.mp4", Roots.of(str(clips))) == b"latin"


@pytest.mark.parametrize("uri", [None, ""])
def test_an_empty_uri_is_missing(uri: str | None) -> None:
    assert code_of(uri, Roots.of("/")) == "MISSING_URI"


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/a.mp4",
        "https://host/a.mp4",
        "ftp://host/a.mp4",
        "rtsp://host/a",
        "data://text/plain,x",
        "concat://a.mp4|b.mp4",
        "pipe://0",
        "fd://3",
        "tcp://127.0.0.1:80",
        "crypto+file://a.mp4",
        "file://otherhost/a.mp4",
    ],
)
def test_other_schemes_and_hosts_are_not_supported(uri: str) -> None:
    assert code_of(uri, Roots.of("/", "s3://bucket")) == "UNSUPPORTED_SCHEME"


@pytest.mark.parametrize(
    "name",
    ["../clips-secret/a.mp4", "../../../../etc/passwd", "/etc/passwd", "/proc/self/mem", "../clips/../x"],
)
def test_dots_and_absolute_paths_outside_of_the_roots_are_refused(clips: Path, name: str) -> None:
    uri = resolve_uri(name, str(clips))
    assert code_of(uri, Roots.of(str(clips))) == "OUTSIDE_ROOTS"
    assert code_of(f"file://{uri.replace('..', '%2e%2e')}", Roots.of(str(clips))) == "OUTSIDE_ROOTS"


def test_a_relative_path_is_outside_of_the_roots(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clips)
    assert code_of("a.mp4", Roots.of(str(clips))) == "OUTSIDE_ROOTS"


def test_the_error_does_not_reveal_whether_a_file_outside_of_the_roots_exists(clips: Path) -> None:
    roots = Roots.of(str(clips))
    assert code_of(f"{clips}-secret/a.mp4", roots) == "OUTSIDE_ROOTS"
    assert code_of(f"{clips}-secret/absent.mp4", roots) == "OUTSIDE_ROOTS"


def test_links_are_followed_only_within_the_roots(clips: Path) -> None:
    (clips / "inside.mp4").symlink_to("a.mp4")
    (clips / "dangling.mp4").symlink_to("absent.mp4")
    (clips / "folder").symlink_to(clips.parent / "clips-secret")
    out = make_link_out(clips, clips.parent / "clips-secret" / "a.mp4")
    device = make_link_to_device(clips)
    roots = Roots.of(str(clips))
    assert content_of(f"{clips}/inside.mp4", roots) == b"video"
    assert code_of(f"{clips}/dangling.mp4", roots) == "NOT_FOUND"
    assert code_of(f"{clips}/folder/a.mp4", roots) == "OUTSIDE_ROOTS"
    assert code_of(str(out.path), roots) in out.codes
    assert code_of(str(device.path), roots) in device.codes


def test_a_cycle_of_links_is_a_row_error(clips: Path) -> None:
    (clips / "loop.mp4").symlink_to("loop.mp4")
    assert code_of(f"{clips}/loop.mp4", Roots.of(str(clips))) in {"NOT_FOUND", "NOT_A_FILE"}


def test_a_root_may_itself_be_a_link(clips: Path) -> None:
    (clips.parent / "link").symlink_to(clips)
    assert content_of(f"{clips}/a.mp4", Roots.of(f"{clips.parent}/link")) == b"video"
    assert content_of(f"{clips.parent}/link/a.mp4", Roots.of(str(clips))) == b"video"


@pytest.mark.parametrize("swapped", ["folder", "file"])
def test_replacing_a_file_by_a_link_between_check_and_open_is_detected(
    clips: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    (clips / "sub").mkdir()
    (clips / "sub" / "a.mp4").write_bytes(b"video")
    secret = clips.parent / "clips-secret"
    real_open = os.open

    def swap_then_open(path: str, flags: int) -> int:
        if path.endswith("sub/a.mp4"):
            (clips / "sub" / "a.mp4").unlink()
            if swapped == "folder":
                (clips / "sub").rmdir()
                (clips / "sub").symlink_to(secret)
            else:
                (clips / "sub" / "a.mp4").symlink_to(secret / "a.mp4")
        return real_open(path, flags)

    monkeypatch.setattr("udfs.opening.locate.os.open", swap_then_open)
    expected = {"folder": "OUTSIDE_ROOTS", "file": "NOT_A_FILE"}[swapped]
    assert code_of(f"{clips}/sub/a.mp4", Roots.of(str(clips))) == expected


def test_anything_but_a_regular_file_is_refused_without_blocking(clips: Path) -> None:
    make_fifo(clips)
    (clips / "folder.mp4").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(clips / "socket.mp4"))
    listener.close()
    roots = Roots.of(str(clips))
    for name in ("pipe.mp4", "folder.mp4", "socket.mp4", "."):
        assert code_of(f"{clips}/{name}", roots) == "NOT_A_FILE"
    assert code_of("/dev/null", Roots.of("/dev")) == "NOT_A_FILE"


def test_empty_and_too_large_files_are_refused(clips: Path) -> None:
    (clips / "empty.mp4").touch()
    (clips / "exact.mp4").write_bytes(bytes(LIMIT))
    (clips / "large.mp4").write_bytes(bytes(LIMIT + 1))
    roots = Roots.of(str(clips))
    assert code_of(f"{clips}/empty.mp4", roots) == "EMPTY_FILE"
    assert len(content_of(f"{clips}/exact.mp4", roots)) == LIMIT
    assert code_of(f"{clips}/large.mp4", roots) == "TOO_LARGE"


@pytest.mark.parametrize("name", ["absent.mp4", "a.mp4/b.mp4", "x" * 300, "y/" * 3000, "a\0.mp4", "\ud800.mp4"])
def test_a_name_that_no_file_can_have_is_not_found(clips: Path, name: str) -> None:
    assert code_of(f"{clips}/{name}", Roots.of(str(clips))) == "NOT_FOUND"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EACCES, "ACCESS_DENIED"),
        (errno.EPERM, "ACCESS_DENIED"),
        (errno.ENOENT, "NOT_FOUND"),
        (errno.EIO, "READ_FAILED"),
        (errno.ESTALE, "READ_FAILED"),
    ],
)
def test_errors_of_the_operating_system_become_row_errors(
    clips: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def refuse(path: str, _flags: int) -> int:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr("udfs.opening.locate.os.open", refuse)
    assert code_of(f"{clips}/a.mp4", Roots.of(str(clips))) == code


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_read_permission_is_denied(clips: Path) -> None:
    (clips / "a.mp4").chmod(0)
    assert code_of(f"{clips}/a.mp4", Roots.of(str(clips))) == "ACCESS_DENIED"


def test_an_error_names_file_value_and_limit_and_is_valid_utf8(clips: Path) -> None:
    (clips / "large.mp4").write_bytes(bytes(1001))
    with pytest.raises(RowError, match="1001 bytes, the limit is 1000") as caught:
        open_video(f"{clips}/large.mp4", Roots.of(str(clips)), LIMIT)
    assert "large.mp4" in caught.value.detail
    with pytest.raises(RowError, match=r"no file can have this name: '.*\\ud800'") as caught:
        open_video(f"{clips}/\ud800", Roots.of(str(clips)), LIMIT)
    caught.value.detail.encode("utf-8")


class TestRemote:
    """Remote videos. A local folder is used as the store; `test_remote` uses a real one."""

    @pytest.fixture
    def opener(self, clips: Path) -> Any:
        store = fs.SubTreeFileSystem(str(clips.parent), fs.LocalFileSystem())
        return lambda uri: (store, {"s3://bucket/": "bucket", "hdfs://host:1/": "/bucket/"}[uri])

    def test_an_object_is_copied_into_an_unlinked_file(self, clips: Path, opener: Any) -> None:
        (clips.parent / "bucket" / "a b%20.mp4").write_bytes(b"odd")
        roots = Roots.of("s3://bucket", "hdfs://host:1/")
        assert content_of("s3://bucket/a.mp4", roots, open_remote=opener) == b"video"
        assert content_of("hdfs://host:1/a.mp4", roots, open_remote=opener) == b"video"
        uri = resolve_uri("a b%20.mp4", "s3://bucket")
        assert content_of(uri, roots, open_remote=opener) == b"odd"
        with open_video("s3://bucket/a.mp4", roots, LIMIT, opener) as opened:
            assert os.fstat(opened.fd).st_nlink == 0
            assert not os.get_inheritable(opened.fd)
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.write(opened.fd, b"x")

    def test_each_fault_of_an_object_has_its_code(self, clips: Path, opener: Any) -> None:
        bucket = clips.parent / "bucket"
        (bucket / "empty.mp4").touch()
        (bucket / "large.mp4").write_bytes(bytes(LIMIT + 1))
        (bucket / "folder.mp4").mkdir()
        roots = Roots.of("s3://bucket")
        for name, code in (
            ("absent.mp4", "NOT_FOUND"),
            ("folder.mp4", "NOT_A_FILE"),
            ("empty.mp4", "EMPTY_FILE"),
            ("large.mp4", "TOO_LARGE"),
            ("%2e%2e/clips/a.mp4", "OUTSIDE_ROOTS"),
            ("%ED%A0%80.mp4", "NOT_FOUND"),
        ):
            assert code_of(f"s3://bucket/{name}", roots, open_remote=opener) == code
        assert code_of("s3://other/a.mp4", roots, open_remote=opener) == "OUTSIDE_ROOTS"

    def test_a_store_that_cannot_be_opened_is_not_a_row_error(self) -> None:
        def refuse(_uri: str) -> Any:
            raise OSError("Unable to load libjvm")

        with pytest.raises(OSError, match="libjvm"):
            open_video("hdfs://host/a", Roots.of("hdfs://host/"), LIMIT, refuse)


def test_a_hash_covers_the_whole_file_and_keeps_the_file_position(tmp_path: Path) -> None:
    content = os.urandom(1024 * 1024 + 3)
    (tmp_path / "a").write_bytes(content)
    with (tmp_path / "a").open("rb", buffering=0) as file:
        file.seek(7)
        assert hash_content(file.fileno()) == hashlib.sha256(content).hexdigest()
        assert file.tell() == 7


def test_a_read_error_of_the_disk_is_a_row_error(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(RowError, match="READ_FAILED: reading at byte 0 failed"):
            hash_content(folder)
    finally:
        os.close(folder)


def test_file_facts_are_size_and_time_and_the_file_is_not_read(clips: Path) -> None:
    path = clips / "clip.mp4"
    path.write_bytes(b"12345")
    os.utime(path, (1_700_000_000, 1_700_000_000.5))
    path.chmod(0o600)
    facts = read_file_facts(str(path), Roots.of(str(clips)))
    assert facts == FileFacts(5, datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC))
    assert path.stat().st_atime == 1_700_000_000


def test_a_time_that_python_cannot_hold_is_none(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems store any year, others refuse it, so the time is replaced after it is read."""
    path = clips / "clip.mp4"
    path.write_bytes(b"12345")
    status = os.stat_result((0o100600, 1, 1, 1, 0, 0, 5, 0, 300_000_000_000, 0))
    monkeypatch.setattr("udfs.opening.locate.os.fstat", lambda _: status)
    assert read_file_facts(str(path), Roots.of(str(clips))) == FileFacts(5, None)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("missing.mp4", "NOT_FOUND"),
        ("dangling.mp4", "NOT_FOUND"),
        ("gone/a.mp4", "NOT_FOUND"),
        ("empty.mp4", "EMPTY_FILE"),
        ("folder.mp4", "NOT_A_FILE"),
        ("../outside.mp4", "OUTSIDE_ROOTS"),
        ("", "MISSING_URI"),
    ],
)
def test_reading_file_facts_raises_the_fault_that_opening_the_video_raises(clips: Path, name: str, code: str) -> None:
    (clips / "dangling.mp4").symlink_to(clips / "missing.mp4")
    (clips / "empty.mp4").touch()
    (clips / "folder.mp4").mkdir()
    with pytest.raises(RowError, match=code):
        read_file_facts(name and str(clips / name), Roots.of(str(clips)))
