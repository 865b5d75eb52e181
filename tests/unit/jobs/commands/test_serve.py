"""`ndvr serve` as a process: it starts, stops at a signal, and reports missing requirements."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.commands.serve import _read_token
from tests.support.catalogue import make_scene

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def served(lake: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the service; yield its process and its URL when it listens."""
    command = [sys.executable, "-m", "jobs.cli", "serve", "--lake", str(lake), "--port", "0", *options]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            printed = ""
            for line in process.stderr or ():
                printed += line
                if found := re.search(r"running on (http://\S+)", line):
                    yield process, found[1]
                    break
            else:
                pytest.fail(printed)
        finally:
            process.kill()


def children_of(pid: int) -> set[int]:
    return {int(pid) for task in Path(f"/proc/{pid}/task").iterdir() for pid in (task / "children").read_text().split()}


@pytest.mark.slow
def test_a_stop_signal_lets_checks_in_progress_finish(
    indexed_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where the service keeps uploads
    upload = make_scene(tmp_path / "upload.mp4", "discs", seconds=40).read_bytes()
    with served(indexed_lake) as (process, url), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(httpx.post, f"{url}/check", files={"file": upload}, timeout=120)
        while not answer.done() and not (children := children_of(process.pid)):  # the decoder starts with the check
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        assert answer.result().status_code == 200
        assert process.wait(60) == 0
        assert children
        assert not [child for child in children if Path(f"/proc/{child}").exists()]
    assert not list(tmp_path.glob("ndvr-serve-*"))


def test_an_address_other_than_loopback_needs_a_token(
    indexed_lake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NDVR_TOKEN", raising=False)
    assert run_command(app, ["serve", "--lake", str(indexed_lake), "--host", "0.0.0.0"]) == 2  # noqa: S104
    assert "set NDVR_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize("token", ["", "  \n", "a b", "schlüssel", "a\x7fb", "a\nb", "\udcff"])
def test_a_token_that_no_header_can_contain_is_refused(
    token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NDVR_TOKEN", token)
    assert run_command(app, ["serve", "--lake", "/no/lake"]) == 2
    printed = capsys.readouterr().err
    assert "NDVR_TOKEN " in printed
    assert token.strip() not in printed or not token.strip()


@pytest.mark.parametrize("token", ["secret", "secret\n", " secret\r\n"])
def test_white_space_around_a_token_is_ignored(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NDVR_TOKEN", token)
    assert _read_token("0.0.0.0") == "secret"  # noqa: S104


def test_missing_packages_are_reported(
    indexed_lake: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run_command(app, ["serve", "--lake", str(indexed_lake)]) == 2
    assert "pip install ndvr[serve]" in capsys.readouterr().err


def test_a_lake_without_an_index_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(app, ["serve", "--lake", str(tmp_path)]) == 2
    assert "no index in" in capsys.readouterr().err
