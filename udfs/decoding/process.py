"""One decoder child as its parent sees it: started, given a file, listened to, killed. Runs on executors."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from udfs.decoding.wire import BrokenWireError, Header, pack_message, receive_message
from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from udfs.decoding.settings import DecoderSettings

_START = (
    "import json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given['sys_path'];"
    "from udfs.decoding.child import main; main(given['socket_fd'], given['parent_pid'], given['settings'])"
)
_START_TIMEOUT_SECONDS = 120.0  # importing numpy, av and decord from a cold network disk
_END_TIMEOUT_SECONDS = 1.0
_SHORTEST_TIMEOUT_SECONDS = 0.001  # 0 would mean not to wait at all
_LOG_TAIL_BYTES = 2000
_OUT_OF_MEMORY_WORDS = ("bad_alloc", "Cannot allocate memory", "MemoryError")
# One BLAS thread: the child computes nothing, and each would take address space.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class DecoderStartError(RuntimeError):
    """A decoder child does not start: the installation is broken, and no video is to blame."""


@dataclass(frozen=True)
class Message:
    """What a child said.

    Attributes:
        header: as `child` made it, but not to be believed.
        payload: of frames.
    """

    header: Header
    payload: bytearray


class TimeBudget:
    """How long one video may still make its parent wait; time in which nobody waits costs nothing."""

    def __init__(self, seconds: float) -> None:
        self.left_seconds = seconds


class DecoderProcess:
    """A running child. It is not forked: a fork would copy the worker's CUDA and Spark connections.

    It dies with the thread that started it.

    Attributes:
        num_served: how many files it has been given.
        decoder: which one it said it took for the present file; empty before that.
        is_interrupted: it is of no more use.
    """

    def __init__(self, settings: DecoderSettings) -> None:
        self.num_served = 0
        self.decoder = ""
        self.is_interrupted = False
        self.was_killed = False  # by others, such as the kernel when memory is short
        self._settings = settings
        self._is_ready = False
        self._log_fd = os.memfd_create("decoder-log")
        self._socket, childs_socket = socket.socketpair()
        given = {
            "sys_path": _list_import_path(),
            "socket_fd": childs_socket.fileno(),
            "parent_pid": os.getpid(),
            "settings": settings.to_header(),
        }
        with childs_socket:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _START, json.dumps(given)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log_fd,
                pass_fds=(childs_socket.fileno(),),
                env=os.environ | _ENVIRONMENT,
            )

    @property
    def is_running(self) -> bool:
        """Whether it may be given a file: it lives, and nobody has interrupted it."""
        return not self.is_interrupted and self._process.poll() is None

    def request(self, fd: int, container: str, *, allows_decord: bool) -> None:
        """Hand over an open file.

        Raises:
            DecoderStartError: the child did not start.
            BrokenWireError: it is gone.
        """
        self._await_ready()
        self.num_served += 1
        self.decoder = ""
        header = {"container": container, "allows_decord": allows_decord}
        try:
            socket.send_fds(self._socket, [b"\0"], [fd])
            self._socket.sendall(pack_message(header))
        except OSError as error:
            raise BrokenWireError(f"the child is gone: {error}") from error

    def receive(self, budget: TimeBudget) -> Message:
        """Wait for what the child says next: frames, done or failed.

        Raises:
            TimeoutError: it was silent for too long, or the video's budget is used up.
            BrokenWireError: it is gone, or talks nonsense.
        """
        while True:
            silence_seconds = min(self._settings.limits.stall_timeout_seconds, budget.left_seconds)
            started = time.monotonic()
            try:
                message = self._receive_within(silence_seconds)
            finally:
                budget.left_seconds -= time.monotonic() - started
            kind = message.header.get("kind")
            if kind == "started":
                self.decoder = str(message.header.get("decoder"))
            elif kind != "alive":
                return message

    def explain_end(self, error: BrokenWireError) -> RowError:
        """Say why a child that went away by itself did so. Leaves it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # it may live on, talking nonsense
            self._process.wait(_END_TIMEOUT_SECONDS)
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
        return RowError(code, f"the decoder ended by {ended} ({error}): {last_line}")

    def interrupt(self) -> None:
        """Kill the child, whatever it does, and wake whoever waits for it. Any thread may call it, repeatedly."""
        self.is_interrupted = True
        self._process.kill()
        with contextlib.suppress(OSError):  # already shut down
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Kill the child and free what the parent holds of it. Only the thread that uses it may call it, once."""
        self.interrupt()
        self._process.wait()
        self._socket.close()
        os.close(self._log_fd)

    def _await_ready(self) -> None:
        if self._is_ready:
            return
        try:
            message = self._receive_within(_START_TIMEOUT_SECONDS)
        except (BrokenWireError, TimeoutError) as error:
            detail = f"`{sys.executable}` could not run udfs.decoding.child ({error}): {self._read_log_tail()}"
            raise DecoderStartError(detail) from error
        self._is_ready = message.header.get("kind") == "ready"

    def _receive_within(self, seconds: float) -> Message:
        self._socket.settimeout(max(seconds, _SHORTEST_TIMEOUT_SECONDS))
        try:
            return Message(*receive_message(self._socket))
        except TimeoutError:
            raise
        except OSError as error:
            raise BrokenWireError(str(error)) from error

    def _read_log_tail(self) -> str:
        size = os.fstat(self._log_fd).st_size
        tail = os.pread(self._log_fd, _LOG_TAIL_BYTES, max(0, size - _LOG_TAIL_BYTES))
        return tail.decode(errors="replace")


def _list_import_path() -> list[str]:
    """List where the child finds this project, which may be a zip that only this process knows of, and all else.

    Spark puts its JARs there too, each of which every import would open and find no Python in.
    """
    ours = str(Path(__file__).absolute().parents[2])
    return [ours, *(str(Path(entry).absolute()) for entry in sys.path if not entry.endswith(".jar"))]
