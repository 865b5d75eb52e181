"""Stops a command at SIGINT (Ctrl-C), SIGTERM and SIGHUP: it cancels its Spark jobs and records the end of its run."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# `timeout` and process supervisors send a signal to the process and to its group, so it may arrive twice.
_REPEAT_SECONDS = 1.0
_CANCEL_SECONDS = 10.0


class Stopped(KeyboardInterrupt):
    """The command was stopped by a signal. Libraries clean up after a KeyboardInterrupt, so it is one."""


class _State:
    """The signal that stopped this process, when it arrived, and what cancels work outside of the main thread."""

    number: int | None = None
    at = 0.0
    cancel: Callable[[], None] | None = None


def stop_on_signals() -> None:
    """Raise `Stopped` in the main thread at the first signal; end the process at once at a later one.

    A signal that the parent ignores, as nohup does, remains ignored. Another thread than the main one changes nothing.
    Runs on: driver.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def cancel_with(cancel: Callable[[], None]) -> None:
    """Call a function when a signal arrives, if `stop_on_signals` handles the signals of this process.

    Runs on: driver, in the main thread.
    """
    if signal.getsignal(signal.SIGTERM) is _stop:
        _State.cancel = cancel
        stop_on_signals()  # PySpark has replaced the handler of SIGINT


def describe_signal(number: int) -> str:
    """Return what stopped the command, in words."""
    return "stopped by Ctrl-C" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"


def received_signal() -> int | None:
    """Return the number of the signal that stopped this process; None if none did."""
    return _State.number


def _stop(number: int, frame: FrameType | None) -> None:
    """Handle a signal."""
    del frame
    now = time.monotonic()
    if _State.number is None:
        _State.number, _State.at = number, now
        _cancel()
        raise Stopped(describe_signal(number))
    if now - _State.at > _REPEAT_SECONDS:
        with suppress(OSError):
            os.write(2, b"ndvr: stopped again by a signal; ended without cleaning up\n")
        os._exit(128 + number)


def _cancel() -> None:
    """Cancel in a thread: the main thread may be waiting for an answer on its connection to the JVM."""
    if _State.cancel is not None:
        thread = threading.Thread(target=_call_quietly, args=(_State.cancel,), daemon=True)
        thread.start()
        thread.join(_CANCEL_SECONDS)


def _call_quietly(cancel: Callable[[], None]) -> None:
    with suppress(Exception):  # the JVM may have ended at the same signal
        cancel()
