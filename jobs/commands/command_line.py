"""Runs a command: every error becomes one line on standard error and an exit code."""

from __future__ import annotations

import errno
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from typer.core import TyperCommand

from jobs.contracts.run_log import find_log
from jobs.errors import NdvrError, UsageError, first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNEXPECTED_ERROR = 1


class Command(TyperCommand):
    """A command whose help fits any terminal and whose flags show no type.

    Typer keeps the line breaks of a docstring from its second paragraph on, and prints `<bool>` after a flag.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Typer's own, passed on
        super().__init__(*args, **kwargs)
        paragraphs = (self.help or "").split("\n\n")
        self.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)

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
    try:
        _check_names(sys.argv[1:] if arguments is None else arguments)
        code = app(args=arguments, standalone_mode=False)
    except NdvrError as error:
        return _report(str(error), error.exit_code)
    except typer.TyperException as error:  # invalid command line
        return _report(_describe_usage_error(error), error.exit_code)
    except SystemExit as finished:  # --help and --version
        return finished.code if isinstance(finished.code, int) else 0
    except Exception as error:  # noqa: BLE001 - the outermost boundary: only Python's own traceback is above it
        return _report_any(error)
    return code if isinstance(code, int) else 0


def _check_names(arguments: Sequence[str]) -> None:
    """Check that the JVM of spark-submit passes names on unchanged.

    Raises:
        UsageError: an argument may hold a name that it cannot express: it replaces such characters by `?`.
    """
    doubtful = next((text for text in arguments if not text.isascii() or "?" in text), None)
    if doubtful is None:
        return
    from jobs.lake.files import find_charset_of_names
    from jobs.lake.session import is_submitted

    if is_submitted() and (charset := find_charset_of_names()).upper() != "UTF-8":
        raise UsageError(
            f"the locale of spark-submit has the character set {charset}, which may change the argument {doubtful!r}; "
            "set LC_ALL=C.UTF-8 for spark-submit and for the executors"
        )


def _report_any(error: Exception) -> int:
    """Report an error that is not of ndvr and return the exit code."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return _report(f"a name is too long for the file system: {error.filename!r}", UsageError.exit_code)
    return _report(_describe_unexpected_error(error), _UNEXPECTED_ERROR)


def _report(line: str, exit_code: int) -> int:
    """Write a line to standard error and return the exit code."""
    if line:
        sys.stderr.write(f"ndvr: {line}\n")
    return exit_code


def _describe_usage_error(error: typer.TyperException) -> str:
    """Return the error in the command line and how to get help; empty if the help has been printed."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return f"{message.rstrip('.')} (see {context.command_path} --help)" if message and context else message


def _describe_unexpected_error(error: Exception) -> str:
    """Return the class and first line of the error, and the file with its traceback."""
    log_file = find_log(error)
    if log_file is None:
        with tempfile.NamedTemporaryFile("w", prefix="ndvr-", suffix=".log", delete=False, encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
        log_file = file.name
    message = first_line(str(error))
    what = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"unexpected error: {what}; the traceback is in {log_file}"
