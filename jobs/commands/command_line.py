"""The boundary of the command line: every fault becomes one line for the person and an exit code for the scheduler."""

from __future__ import annotations

import sys
import tempfile
import traceback
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from typer.core import TyperCommand

from jobs.contracts.run_log import find_log
from jobs.errors import NdvrError, first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNKNOWN_FAULT = 1


class Command(TyperCommand):
    """A command whose help fits any terminal, and whose flags show no type.

    Typer keeps the line ends of a docstring's later paragraphs, which are those of the source, and prints `<bool>`
    after a flag, which takes no value.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Typer's own, handed on
        super().__init__(*args, **kwargs)
        paragraphs = (self.help or "").split("\n\n")
        self.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - their types are private
        """Return the parameters, `--help` among them."""
        return hide_types_of_flags(super().get_params(ctx))


def hide_types_of_flags(params: list[Any]) -> list[Any]:
    """Print nothing after options that take no value."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


def show_examples(*lines: str) -> str:
    """Return what stands below a command's help: lines that one can type."""
    return "[bold]Examples[/]\n" + "\n".join(f"[dim]$[/] {escape(line)}" for line in lines)


def run_command(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command line app and return its exit code (README). Runs on: driver.

    Whatever goes wrong is told on standard error in one line that says what to do. Tracebacks are for the log: that of
    the run where it has one, else a file of its own.
    """
    try:
        code = app(args=arguments, standalone_mode=False)
    except NdvrError as error:
        return _tell(str(error), error.exit_code)
    except typer.TyperException as error:  # the command line cannot be understood
        return _tell(_describe_usage_error(error), error.exit_code)
    except SystemExit as finished:  # --help and its like
        return finished.code if isinstance(finished.code, int) else 0
    except Exception as error:  # noqa: BLE001 - the outermost boundary: nothing is above it but Python's own traceback
        return _tell(_describe_unknown_fault(error), _UNKNOWN_FAULT)
    return code if isinstance(code, int) else 0


def _tell(line: str, exit_code: int) -> int:
    """Write a line to standard error, and return the exit code."""
    if line:
        sys.stderr.write(f"ndvr: {line}\n")
    return exit_code


def _describe_usage_error(error: typer.TyperException) -> str:
    """Return what is wrong with the command line, and where its help is; nothing where the help has been printed."""
    message = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return f"{message.rstrip('.')} (see {context.command_path} --help)" if message and context else message


def _describe_unknown_fault(error: Exception) -> str:
    """Return the fault's class and first line, and where its traceback is."""
    log_file = find_log(error)
    if log_file is None:
        with tempfile.NamedTemporaryFile("w", prefix="ndvr-", suffix=".log", delete=False, encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
        log_file = file.name
    message = first_line(str(error))
    what = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return f"a fault that ndvr does not know: {what}; its traceback is in {log_file}"
