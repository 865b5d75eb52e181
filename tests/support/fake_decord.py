"""A fake decord that fails in the way that FAKE_DECORD names. Tests put it on the import path as `decord`."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

logging = SimpleNamespace(ERROR=16, set_level=lambda _level: None)


class VideoReader:
    """Reads any file as grey frames, and fails at the fourth frame."""

    def __init__(self, _uri: str, *, width: int, height: int, **_options: float) -> None:
        self._shape = (height, width, 3)

    def __len__(self) -> int:
        return int(os.environ["FAKE_DECORD_FRAMES"])

    def __getitem__(self, number: int) -> SimpleNamespace:
        if number >= 3:
            fail(os.environ["FAKE_DECORD"])
        pixels = np.full(self._shape, 99, dtype=np.uint8)
        return SimpleNamespace(asnumpy=lambda: pixels)


def fail(how: str) -> None:
    """Fail in one of the ways of `FAILURES`; any other name has no effect."""
    FAILURES.get(how, lambda: None)()


def _raise() -> None:
    raise ValueError("no such frame")


def _abort_for_want_of_memory() -> None:
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def _talk_nonsense() -> None:
    # The descriptor of the socket can have any number, because the child inherits it from its parent.
    for link in list(Path("/proc/self/fd").iterdir()):
        if (fd := int(link.name)) > 2:
            with contextlib.suppress(OSError):
                os.write(fd, bytes(range(200, 256)) * 9)


FAILURES = {
    "hangs": lambda: time.sleep(600),
    "crashes": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "is killed by the kernel": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "takes all memory": lambda: np.ones(1 << 40, dtype=np.uint8),
    "aborts for want of memory": _abort_for_want_of_memory,
    "raises": _raise,
    "complains": lambda: os.write(2, b"error while decoding MB 3 4\n"),
    "talks nonsense": _talk_nonsense,
}
