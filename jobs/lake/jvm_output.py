"""Keeps what the JVM of Spark writes to its standard streams, so that an error can state its reason."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class JvmOutput:
    """The output of a JVM.

    Attributes:
        fd: open file that receives it.
        path: file with a name; None if the output is in memory and is lost when this process ends.
        start: position in bytes of its first byte.
    """

    fd: int
    path: Path | None
    start: int

    def read(self) -> str:
        """Return the first megabyte of the output."""
        return os.pread(self.fd, _MAX_BYTES, self.start).decode(errors="replace")


class _State:
    """The output of the JVM that this process started last."""

    output: JvmOutput | None = None


def read_jvm_output() -> JvmOutput | None:
    """Return the output of the JVM that this process started; None if it started none, or the output is not kept."""
    return _State.output


@contextmanager
def keep_jvm_output(file: Path | None) -> Iterator[JvmOutput]:
    """Redirect the standard streams of processes that start in the block. They keep writing there after the block.

    Runs on: driver.

    Args:
        file: file to append to; None keeps the output in memory.
    """
    if file is None:
        fd = os.memfd_create("ndvr-spark-log", os.MFD_CLOEXEC)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    _State.output = JvmOutput(fd, file, os.fstat(fd).st_size)
    with _redirected(1, fd), _redirected(2, fd):  # a JVM that cannot start writes its reason to standard output
        yield _State.output


@contextmanager
def _redirected(number: int, fd: int) -> Iterator[None]:
    """Redirect a standard stream to an open file in the block."""
    _flush()
    before = os.dup(number)
    os.dup2(fd, number)
    try:
        yield
    finally:
        _flush()
        os.dup2(before, number)
        os.close(before)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed when Python started
            stream.flush()


def write_jvm_output(output: JvmOutput) -> str:
    """Write the output to a file of its own if it has none. Return where it is, or why it cannot be written."""
    if output.path is not None:
        return f"the output of Java is in {output.path}"
    try:
        with tempfile.NamedTemporaryFile("w", prefix="ndvr-", suffix=".log", delete=False, encoding="utf-8") as file:
            file.write(output.read())
    except OSError as error:
        return f"the output of Java cannot be written to a file: {error.strerror}"
    return f"the output of Java is in {file.name}"
