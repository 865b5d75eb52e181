"""Which runs over a lake are going: each touches a file in its staging folder now and then."""

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
"""A run that has given no sign of life for so long is taken for dead: six beats, of which a full disk of a driver or a
long pause of its JVM may swallow some."""
_PREFIX = "_alive"


class Heartbeat:
    """Tells other runs, from `start` to `stop`, that this one is going; and this one which others are.

    The file is `_staging/<run_id>/_alive.<host>.<pid>`; the store's clock times it, for all runs alike. A run of this
    host whose process is gone is dead at once, so that a killed job can be started again without waiting.

    Runs on: driver.

    Args:
        lake: where the runs meet.
        run_id: of this run.
    """

    def __init__(self, lake: Lake, run_id: str) -> None:
        self._files = lake.files
        self._staging = f"{lake.root}/_staging"
        self._run_id = run_id
        self._file = f"{_PREFIX}.{socket.gethostname()}.{os.getpid()}"
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Give the first sign of life and go on giving them; nothing where that has been done."""
        if self._thread is None:
            self._beat()
            self._thread = threading.Thread(target=self._go_on, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Give no more of them."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def find_living(self) -> set[str]:
        """Return the run_ids of the other runs that are going. Where there may be any, this run starts too."""
        beats = {name: self._read_beats(name) for name in self._files.read_times(self._staging)}
        beats.pop(self._run_id, None)
        if not any(beats.values()):
            return set()
        self.start()
        newest = max(self._read_beats(self._run_id).values())  # the store's clock, not this machine's
        return {run_id for run_id, files in beats.items() if any(_is_alive(f, at, newest) for f, at in files.items())}

    def _read_beats(self, run_id: str) -> dict[str, float]:
        """Return a run's files with the time of each."""
        files = self._files.read_times(f"{self._staging}/{run_id}")
        return {name: at for name, at in files.items() if name.startswith(_PREFIX)}

    def _beat(self) -> None:
        self._files.touch(f"{self._staging}/{self._run_id}/{self._file}")

    def _go_on(self) -> None:
        while not self._stopped.wait(BEAT_SECONDS):
            with suppress(Py4JError):  # the store may be out of reach for a while; the next beat tries again
                self._beat()


def _is_alive(file: str, beat_at: float, now: float) -> bool:
    """Tell whether the run that touched a file is going."""
    host, _, pid = file.removeprefix(f"{_PREFIX}.").rpartition(".")
    is_gone = host == socket.gethostname() and pid.isdigit() and not _has_process(int(pid))
    return not is_gone and beat_at > now - LEASE_SECONDS


def _has_process(pid: int) -> bool:
    """Tell whether this machine has such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        return True
    return True
