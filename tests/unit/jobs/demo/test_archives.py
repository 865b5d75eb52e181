from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from jobs.demo.archives import Archive, DownloadError, extract_member, fetch_archive

WHEEL = b"the pinned wheel"
ARCHIVE = Archive("clips==1.0", "clips-1.0-py3-none-any.whl", hashlib.sha256(WHEEL).hexdigest())


class FakePip:
    """Stands in for subprocess.run: delivers `content` as a wheel, and remembers its calls."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.calls: list[list[str]] = []

    def __call__(self, command: list[str], **_: Any) -> None:
        self.calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        (folder / "delivered.whl").write_bytes(self.content)


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> FakePip:
    fake = FakePip(WHEEL)
    monkeypatch.setattr(subprocess, "run", fake)
    return fake


def test_a_wheel_is_downloaded_once_and_never_installed(pip: FakePip, tmp_path: Path) -> None:
    path = fetch_archive(ARCHIVE, tmp_path / "cache")
    assert path == tmp_path / "cache" / ARCHIVE.filename
    assert path.read_bytes() == WHEEL
    assert fetch_archive(ARCHIVE, tmp_path / "cache") == path
    (command,) = pip.calls
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert "--no-deps" in command
    assert command[-1] == "clips==1.0"
    assert list(path.parent.iterdir()) == [path], "nothing else is left in the cache"


def test_a_damaged_wheel_in_the_cache_is_replaced(pip: FakePip, tmp_path: Path) -> None:
    (tmp_path / ARCHIVE.filename).write_bytes(b"half a wh")
    assert fetch_archive(ARCHIVE, tmp_path).read_bytes() == WHEEL
    assert len(pip.calls) == 1


def test_another_file_than_the_pinned_one_is_refused_by_its_hash(pip: FakePip, tmp_path: Path) -> None:
    pip.content = b"something else"
    actual = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(DownloadError, match=f"clips==1.0 with sha256 {actual}, but {ARCHIVE.sha256} is pinned"):
        fetch_archive(ARCHIVE, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_pip_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(command: list[str], **_: Any) -> None:
        raise subprocess.CalledProcessError(1, command, stderr="No module named pip")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(DownloadError, match=r"could not download clips==1\.0.*No module named pip"):
        fetch_archive(ARCHIVE, tmp_path)


def test_a_pip_that_hangs_is_an_error_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def hang(command: list[str], timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(DownloadError, match="took more than 600 s to download"):
        fetch_archive(ARCHIVE, tmp_path)


def test_a_member_is_written_as_it_is(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        wheel.writestr("data/clip.mp4", b"bytes")
    extract_member(tmp_path / "a.whl", "data/clip.mp4", tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes() == b"bytes"
    with pytest.raises(KeyError, match=r"no\.mp4"):
        extract_member(tmp_path / "a.whl", "data/no.mp4", tmp_path / "no.mp4")
