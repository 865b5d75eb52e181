"""Starts a decoder child, sends it files, receives its messages and kills it. Runs on executors."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from udfs.decoding.wire import BrokenConnectionError, Header, pack_message, receive_message
from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from udfs.decoding.settings import DecoderSettings

_START = (
    "import json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given['sys_path'];"
    "from udfs.decoding.child import main; main(given['socket_fd'], given['parent_pid'], given['settings'])"
)
_START_TIMEOUT_SECONDS = 120.0  # to import numpy, av and decord from a network disk that has not cached them
_EXIT_TIMEOUT_SECONDS = 1.0
_MIN_TIMEOUT_SECONDS = 0.001  # 0 would make the socket non-blocking
_LOG_TAIL_BYTES = 2000
_OUT_OF_MEMORY_WORDS = ("bad_alloc", "Cannot allocate memory", "MemoryError")
# One BLAS thread: the child does no linear algebra, and each thread reserves address space.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class DecoderStartError(RuntimeError):
    """A decoder child does not start. The installation is broken; no video is the cause."""


@dataclass(frozen=True)
class Message:
    """A message of a child.

    Attributes:
        header: not trusted, because a hostile file may have taken control of the child.
        payload: bytes of frames; may be empty.
    """

    header: Header
    payload: bytearray


class TimeBudget:
    """The seconds that the parent may still wait for one video. Only time spent waiting is counted."""

    def __init__(self, seconds: float) -> None:
        self.remaining_seconds = seconds


class DecoderProcess:
    """A child process. It is not forked, because a fork would copy the CUDA and Spark connections of the worker.

    It ends with the thread that started it.

    Attributes:
        num_served: number of files it was given.
        decoder: the decoder that it reported for the current file; empty before that.
        is_interrupted: whether `interrupt` was called. The child is then unusable.
        was_killed: whether another process killed it, such as the kernel when memory ran out.
    """

    def __init__(self, settings: DecoderSettings) -> None:
        self.num_served = 0
        self.decoder = ""
        self.is_interrupted = False
        self.was_killed = False
        self._settings = settings
        self._is_ready = False
        self._log_fd = os.memfd_create("decoder-log")
        self._socket, child_socket = socket.socketpair()
        given = {
            "sys_path": _list_import_path(),
            "socket_fd": child_socket.fileno(),
            "parent_pid": os.getpid(),
            "settings": settings.to_header(),
        }
        with child_socket:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _START, json.dumps(given)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log_fd,
                pass_fds=(child_socket.fileno(),),
                env=os.environ | _ENVIRONMENT,
            )

    @property
    def is_running(self) -> bool:
        """Whether it can be given a file: it is running, and `interrupt` was not called."""
        return not self.is_interrupted and self._process.poll() is None

    def request(self, fd: int, container: str, *, allows_decord: bool, seconds: Sequence[float] = ()) -> None:
        """Send an open file to the child.

        Args:
            fd: file descriptor of the file.
            container: name of the demuxer.
            allows_decord: False makes the child use PyAV.
            seconds: times of the frames to decode; empty for the sampled frames.

        Raises:
            DecoderStartError: the child did not start.
            BrokenConnectionError: the child ended.
        """
        self._wait_until_ready()
        self.num_served += 1
        self.decoder = ""
        header = {"container": container, "allows_decord": allows_decord}
        times = array("d", seconds).tobytes()  # not in the header: a long video has more than fit there
        try:
            socket.send_fds(self._socket, [b"\0"], [fd])
            self._socket.sendall(pack_message(header, len(times)) + times)
        except OSError as error:
            raise BrokenConnectionError(f"the child closed the connection: {error}") from error

    def receive(self, budget: TimeBudget) -> Message:
        """Wait for the next message of the child: frames, done or failed.

        Raises:
            TimeoutError: the child sent nothing for too long, or the time budget of the video is used up.
            BrokenConnectionError: the child ended, or sent an invalid message.
        """
        while True:
            timeout_seconds = min(self._settings.limits.stall_timeout_seconds, budget.remaining_seconds)
            started = time.monotonic()
            try:
                message = self._receive_within(timeout_seconds)
            finally:
                budget.remaining_seconds -= time.monotonic() - started
            kind = message.header.get("kind")
            if kind == "started":
                self.decoder = str(message.header.get("decoder"))
            elif kind != "alive":
                return message

    def explain_exit(self, error: BrokenConnectionError) -> RowError:
        """Return why the child ended, as the fault of the video. Kills the child if it still runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # it may still run if it sent an invalid message
            self._process.wait(_EXIT_TIMEOUT_SECONDS)
        self.was_killed = self._process.poll() == -signal.SIGKILL and not self.is_interrupted
        self.interrupt()
        status = self._process.wait()
        log = self._read_log_tail()
        if self.was_killed or any(word in log for word in _OUT_OF_MEMORY_WORDS):
            code = RowErrorCode.DECODER_OUT_OF_MEMORY
        else:
            code = RowErrorCode.DECODER_CRASHED
        ended = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        last_line = log.strip().rpartition("\n")[2]
        return RowError(code, f"the decoder process ended with {ended} ({error}): {last_line}")

    def interrupt(self) -> None:
        """Kill the child and wake the thread that waits for it. Any thread may call this, more than once."""
        self.is_interrupted = True
        self._process.kill()
        with contextlib.suppress(OSError):  # already shut down
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Kill the child and close its socket and log. Only the thread that uses the child may call this, once."""
        self.interrupt()
        self._process.wait()
        self._socket.close()
        os.close(self._log_fd)

    def _wait_until_ready(self) -> None:
        if self._is_ready:
            return
        try:
            message = self._receive_within(_START_TIMEOUT_SECONDS)
        except (BrokenConnectionError, TimeoutError) as error:
            detail = f"`{sys.executable}` cannot run udfs.decoding.child ({error}): {self._read_log_tail()}"
            raise DecoderStartError(detail) from error
        self._is_ready = message.header.get("kind") == "ready"

    def _receive_within(self, seconds: float) -> Message:
        self._socket.settimeout(max(seconds, _MIN_TIMEOUT_SECONDS))
        try:
            return Message(*receive_message(self._socket))
        except TimeoutError:
            raise
        except OSError as error:
            raise BrokenConnectionError(str(error)) from error

    def _read_log_tail(self) -> str:
        size = os.fstat(self._log_fd).st_size
        tail = os.pread(self._log_fd, _LOG_TAIL_BYTES, max(0, size - _LOG_TAIL_BYTES))
        return tail.decode(errors="replace")


def _list_import_path() -> list[str]:
    """Return the import path of the child: this project first, which may be in a zip file that Spark sent.

    JARs that Spark adds are left out: they contain no Python, and every import would open each of them.
    """
    project = str(Path(__file__).absolute().parents[2])
    return [project, *(str(Path(entry).absolute()) for entry in sys.path if not entry.endswith(".jar"))]
