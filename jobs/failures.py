"""The exit code of each error, for the command line and for the summary of a run."""

from __future__ import annotations

import signal

from jobs.errors import NdvrError, UsageError
from jobs.machine_faults import find_machine_fault
from jobs.signals import received_signal

UNEXPECTED_ERROR = 1
_AFTER_SIGNAL = 128  # shells report 128 + the number of the signal


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of a command that ends with an error."""
    number = received_signal()
    if number is None and isinstance(error, KeyboardInterrupt):
        number = signal.SIGINT
    if number is not None:
        return _AFTER_SIGNAL + number
    if isinstance(error, NdvrError):
        return error.exit_code
    fault = find_machine_fault(str(error))
    return UsageError.exit_code if fault is not None and fault.is_setup else UNEXPECTED_ERROR
