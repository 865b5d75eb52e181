"""Signals end a command in one line with the exit code of shells; its reader may close the output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.errors import ContractError
from jobs.failures import exit_code_of

ROOT = Path(__file__).parents[3]
# A command like those of ndvr: it works in a block of a run, and its end takes a moment.
COMMAND = """
import sys, time
from pathlib import Path
import typer
from jobs.commands.command_line import Command, run_command
from jobs.contracts.run_log import log_to
from jobs.signals import cancel_with

app = typer.Typer(add_completion=False)
FOLDER = Path(sys.argv[1])

@app.command(cls=Command)
def command(kind: str) -> None:
    cancel_with(lambda: (FOLDER / "cancelled").touch())
    with log_to(FOLDER / "run.jsonl", "run-1"):
        try:
            (FOLDER / "started").touch()
            if kind == "prints":
                while True:
                    print("row")
            time.sleep(60)
        finally:
            time.sleep(3 if kind == "slow" else 0)
            (FOLDER / "ended").touch()

sys.exit(run_command(app, sys.argv[2:]))
"""


# These tests may run under nohup, which ignores SIGHUP in all processes below it.
HEED_HANGUP = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"


def start(folder: Path, kind: str, before: str = HEED_HANGUP) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", before + COMMAND, str(folder), kind],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (folder / "started").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


@pytest.mark.parametrize(
    ("number", "exit_code", "line"),
    [
        (signal.SIGINT, 130, "stopped by Ctrl-C"),
        (signal.SIGTERM, 143, "stopped by SIGTERM"),
        (signal.SIGHUP, 129, "stopped by SIGHUP"),
    ],
)
def test_a_signal_ends_the_command_in_one_line(tmp_path: Path, number: int, exit_code: int, line: str) -> None:
    process = start(tmp_path, "waits")
    process.send_signal(number)
    out, err = process.communicate(timeout=600)
    assert (process.returncode, out) == (exit_code, "")
    assert err == f"ndvr: {line}; the log of the run is {tmp_path / 'run.jsonl'}\n"
    assert (tmp_path / "ended").exists()
    assert (tmp_path / "cancelled").exists()


def test_the_same_signal_sent_twice_by_a_supervisor_does_not_interrupt_the_end(tmp_path: Path) -> None:
    process = start(tmp_path, "slow")
    process.send_signal(signal.SIGTERM)
    while not (tmp_path / "cancelled").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=600)
    assert process.returncode == 143
    assert (tmp_path / "ended").exists()


def test_a_second_signal_ends_the_process_at_once(tmp_path: Path) -> None:
    process = start(tmp_path, "slow")
    process.send_signal(signal.SIGINT)
    while not (tmp_path / "cancelled").exists():
        time.sleep(0.01)
    time.sleep(1.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err == "ndvr: stopped again by a signal; ended without cleaning up\n"
    assert not (tmp_path / "ended").exists()


def test_a_signal_that_nohup_ignores_remains_ignored(tmp_path: Path) -> None:
    process = start(tmp_path, "waits", before="import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=600)
    assert process.returncode == 143


def test_a_reader_that_closes_the_output_ends_the_command_quietly(tmp_path: Path) -> None:
    with start(tmp_path, "prints") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "row\n"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_full_disk_behind_the_output_is_reported_in_one_line(tmp_path: Path) -> None:
    code = "from jobs.cli import main; import sys; sys.argv = ['ndvr', '--version']; sys.exit(main())"
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(tmp_path)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("ndvr: unexpected error: a disk is full; free space;")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (KeyboardInterrupt(), 130),
        (ContractError("x"), 3),
        (ValueError("x"), 1),
        (OSError(28, "No space left on device"), 1),
        (OSError(30, "Read-only file system"), 2),
    ],
)
def test_each_error_has_one_exit_code(error: BaseException, exit_code: int) -> None:
    assert exit_code_of(error) == exit_code
