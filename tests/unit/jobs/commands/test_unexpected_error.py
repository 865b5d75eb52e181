"""An unexpected error states its cause and remedy if they are known, and always its own words."""

from __future__ import annotations

import subprocess
import tempfile
from typing import TYPE_CHECKING

import pytest

from jobs.commands.unexpected_error import describe_unexpected_error
from jobs.lake.jvm_output import keep_jvm_output

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def write_as_java(text: str) -> None:
    with keep_jvm_output(None):
        subprocess.run(["/bin/sh", "-c", 'printf "%s" "$0" >&2', text], check=True)


def test_a_known_cause_precedes_the_words_of_the_error(logs: Path) -> None:
    write_as_java("")
    line = describe_unexpected_error(OSError(30, "Read-only file system"))
    (log,) = logs.iterdir()
    assert line == (
        "a folder is on a read-only file system; mount it writable, or choose another folder; TMPDIR and "
        "SPARK_LOCAL_DIRS move temporary files (OSError: [Errno 30] Read-only file system); the traceback is in "
        f"{log}"
    )


def test_the_reason_why_the_jvm_ended_is_in_its_output(logs: Path) -> None:
    write_as_java("java.lang.OutOfMemoryError: Java heap space\n\tat a.B\n")
    line = describe_unexpected_error(ConnectionRefusedError(111, "Connection refused"))
    (log,) = logs.iterdir()
    assert line == (
        "unexpected error: Java ran out of memory; raise spark.driver.memory in spark-defaults.conf (4g by default) "
        "(the JVM of Spark has ended: java.lang.OutOfMemoryError: Java heap space); the traceback is in "
        f"{log}"
    )
    assert log.read_text(encoding="utf-8").endswith(
        "The output of Java:\njava.lang.OutOfMemoryError: Java heap space\n\tat a.B\n"
    )


def test_a_jvm_that_was_killed_leaves_no_reason() -> None:
    write_as_java("WARNING: Using incubator modules: jdk.incubator.vector\n")
    line = describe_unexpected_error(ConnectionRefusedError(111, "Connection refused"))
    assert line.startswith(
        "unexpected error: the JVM of Spark has ended: ConnectionRefusedError: [Errno 111] Connection refused. Java "
        "gave no reason, so the system may have killed it for lack of memory; the traceback is in "
    )


def test_a_log_that_cannot_be_written_is_reported(monkeypatch: pytest.MonkeyPatch, logs: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(logs / "nowhere"))
    line = describe_unexpected_error(ValueError("x"))
    assert (
        line == "unexpected error: ValueError: x; the traceback cannot be written to a file: No such file or directory"
    )
