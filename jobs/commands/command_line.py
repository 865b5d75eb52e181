"""Runs a command: every error becomes one line on standard error and an exit code."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from typer.core import TyperCommand

from jobs.commands.unexpected_error import describe_unexpected_error
from jobs.contracts.run_log import find_log
from jobs.errors import NdvrError, UsageError
from jobs.failures import exit_code_of
from jobs.signals import describe_signal, received_signal, stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

_AFTER_CTRL_C = 130
CLOSED_OUTPUT = 141
"""Exit code if the reader of standard output closes it: 128 + SIGPIPE, as of other programs in a pipe."""


class _EndedError(Exception):
    """A signal or a closed output ended the command; its cause is the exception that did."""


class Command(TyperCommand):
    """A command whose help fits any terminal and whose flags show no type.

    Typer keeps the line breaks of a docstring from its second paragraph on, and prints `<bool>` after a flag.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Typer's own, passed on
        super().__init__(*args, **kwargs)
        paragraphs = (self.help or "").split("\n\n")
        self.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - their types are private
        """Run the command. Typer would end it at Ctrl-C or at a closed output without its exception."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, BrokenPipeError) as error:
            raise _EndedError from error

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - their types are private
        """Return the parameters, including `--help`."""
        return hide_types_of_flags(super().get_params(ctx))


def hide_types_of_flags(params: list[Any]) -> list[Any]:
    """Print no type after options that have no value."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


def show_examples(*lines: str) -> str:
    """Return the examples that are printed below a command's help."""
    return "[bold]Examples[/]\n" + "\n".join(f"[dim]$[/] {escape(line)}" for line in lines)


def run_command(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command line app and return its exit code. Runs on: driver.

    An error is reported on standard error in one line that says what to do. The traceback of an unexpected error goes
    to the log of the run, or to a file of its own if the run has no log.
    """
    stop_on_signals()
    try:
        _check_names(sys.argv[1:] if arguments is None else arguments)
        code = app(args=arguments, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except typer.TyperException as error:  # invalid command line
        return _report(_describe_usage_error(error), error.exit_code)
    except SystemExit as finished:  # --help and --version; rich, if standard output is closed
        code = CLOSED_OUTPUT if isinstance(finished.__context__, BrokenPipeError) else finished.code
    except _EndedError as ended:
        return _report_end(ended.__cause__ or ended)
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - the outermost boundary: only Python is above it
        return _report_end(error)
    if code == _AFTER_CTRL_C:  # while Typer imports the command
        return _report_end(KeyboardInterrupt())
    return code if isinstance(code, int) else 0


def _report_end(error: BaseException) -> int:
    """Write to standard error why the command ended, and return its exit code."""
    is_closed = isinstance(error, BrokenPipeError) and _is_output_closed()
    _discard_unwritten_output()
    number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else received_signal()
    if number is not None:
        log_file = find_log(error)
        where = f"; the log of the run is {log_file}" if log_file else ""
        return _report(describe_signal(received_signal() or number) + where, exit_code_of(error))
    if is_closed:
        return CLOSED_OUTPUT
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return _report(f"a name is too long for the file system: {error.filename!r}", UsageError.exit_code)
    line = str(error) if isinstance(error, NdvrError) else describe_unexpected_error(error)
    return _report(line, exit_code_of(error))


def _is_output_closed() -> bool:
    """Return whether the reader of standard output has closed it, as `head` does after its last line."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _discard_unwritten_output() -> None:
    """Discard output that cannot be written. Python would try again at its end and print the error."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _check_names(arguments: Sequence[str]) -> None:
    """Check that the JVM of spark-submit passes names on unchanged.

    Raises:
        UsageError: an argument may hold a name that it cannot express: it replaces such characters by `?`.
    """
    doubtful = next((text for text in arguments if not text.isascii() or "?" in text), None)
    if doubtful is None:
        return
    from jobs.lake.files import find_charset_of_names
    from jobs.lake.spark_installation import is_submitted

    if is_submitted() and (charset := find_charset_of_names()).upper() != "UTF-8":
        raise UsageError(
            f"the locale of spark-submit has the character set {charset}, which may change the argument {doubtful!r}; "
            "set LC_ALL=C.UTF-8 for spark-submit and for the executors"
        )


def _report(line: str, exit_code: int) -> int:
    """Write a line to standard error, if it is open, and return the exit code."""
    if line:
        with suppress(OSError, AttributeError):
            sys.stderr.write(f"ndvr: {line}\n")
    return exit_code


def _describe_usage_error(error: typer.TyperException) -> str:
    """Return the error in the command line and how to get help; empty if the help has been printed."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return f"{message.rstrip('.')} (see {context.command_path} --help)" if message and context else message
