"""Describes an unexpected error in one line, and writes its traceback to a file."""

from __future__ import annotations

import tempfile
import traceback

from jobs.contracts.run_log import find_log
from jobs.errors import UsageError, first_line
from jobs.failures import exit_code_of
from jobs.lake.jvm_output import read_jvm_output
from jobs.machine_faults import find_machine_fault, find_reason
from ndvr_start import describe_shadowing

# Errors of a connection to a JVM that has ended. Classes of py4j by name: importing it here would slow the help down.
_LOST_JVM = ("Py4JError", "Py4JNetworkError", "ConnectionRefusedError", "ConnectionResetError")
_KILLED = "Java gave no reason, so the system may have killed it for lack of memory"


def describe_unexpected_error(error: BaseException) -> str:
    """Return the cause and the remedy if they are known, else the class and first line; and the file of the traceback.

    The output of the JVM is in the log of Spark if a run has one; otherwise it follows the traceback. Runs on: driver.
    """
    output = read_jvm_output()
    jvm_text = "" if output is None else output.read()
    run_log = find_log(error)
    where = f"the traceback is in {run_log}" if run_log else _write_log(error, jvm_text)
    message = first_line(str(error))
    what = f"{type(error).__name__}: {message}" if message else type(error).__name__
    has_lost_jvm = type(error).__name__ in _LOST_JVM
    text = f"{jvm_text}\n{error}" if has_lost_jvm else str(error)
    if has_lost_jvm:
        what = f"the JVM of Spark has ended: {find_reason(jvm_text) or f'{what}. {_KILLED}'}"
    if (fault := find_machine_fault(text)) is not None:
        what = f"{fault.cause}; {fault.remedy} ({what})"
    what = describe_shadowing(error) or what
    kind = "" if exit_code_of(error) == UsageError.exit_code else "unexpected error: "
    return f"{kind}{what}; {where}"


def _write_log(error: BaseException, jvm_text: str) -> str:
    """Write the traceback and the output of the JVM to a file. Return where it is, or why it cannot be written."""
    try:
        with tempfile.NamedTemporaryFile("w", prefix="ndvr-", suffix=".log", delete=False, encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
            if jvm_text:
                file.write(f"\nThe output of Java:\n{jvm_text}")
    except OSError as failure:
        return f"the traceback cannot be written to a file: {failure.strerror}"
    return f"the traceback is in {file.name}"
