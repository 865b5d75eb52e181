"""Finds the active runs on a lake: each run touches a file in its staging folder periodically."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError

if TYPE_CHECKING:
    from jobs.lake.lake import Lake

BEAT_SECONDS = 20.0
LEASE_SECONDS = 120.0
"""A run without a heartbeat for this long counts as dead. It is six beats, because a full disk of the driver or a long
pause of its JVM may prevent some."""
_PREFIX = "_alive"


class Heartbeat:
    """Marks this run as active from `start` to `stop`, and finds the other active runs.

    The file is `_staging/<run_id>/_alive.<host>.<pid>`. Its time comes from the clock of the store, which is the same
    for all runs. A run on this host whose process has ended counts as dead immediately, so that a killed job can be
    started again without waiting.

    Runs on: driver.

    Args:
        lake: the lake of the runs.
        run_id: id of this run.
    """

    def __init__(self, lake: Lake, run_id: str) -> None:
        self._files = lake.files
        self._staging = f"{lake.root}/_staging"
        self._run_id = run_id
        self._file = f"{_PREFIX}.{socket.gethostname()}.{os.getpid()}"
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Touch the file, and keep touching it in a thread; no effect after the first call."""
        if self._thread is None:
            self._beat()
            self._thread = threading.Thread(target=self._keep_beating, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop touching the file."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def find_active(self) -> set[str]:
        """Return the run_ids of the other active runs. If there may be any, call `start`."""
        beats = {name: self._read_beats(name) for name in self._files.read_times(self._staging)}
        beats.pop(self._run_id, None)
        if not any(beats.values()):
            return set()
        self.start()
        newest = max(self._read_beats(self._run_id).values())  # the store's clock, not this machine's
        return {run_id for run_id, files in beats.items() if any(_is_alive(f, at, newest) for f, at in files.items())}

    def _read_beats(self, run_id: str) -> dict[str, float]:
        """Return the heartbeat files of a run, with the time of each."""
        files = self._files.read_times(f"{self._staging}/{run_id}")
        return {name: at for name, at in files.items() if name.startswith(_PREFIX)}

    def _beat(self) -> None:
        self._files.touch(f"{self._staging}/{self._run_id}/{self._file}")

    def _keep_beating(self) -> None:
        while not self._stopped.wait(BEAT_SECONDS):
            with suppress(Py4JError, OSError):  # the store may be unavailable for a while; the next beat tries again
                self._beat()


def _is_alive(file: str, beat_at: float, now: float) -> bool:
    """Return whether the run that touched a file is active."""
    host, _, pid = file.removeprefix(f"{_PREFIX}.").rpartition(".")
    has_ended = host == socket.gethostname() and pid.isdigit() and not _has_process(int(pid))
    return not has_ended and beat_at > now - LEASE_SECONDS


def _has_process(pid: int) -> bool:
    """Return whether a process exists on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it exists, and belongs to another user
        return True
    return True
