"""The boundary of the command line: every fault becomes one line for the person and an exit code for the scheduler."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from jobs.errors import NdvrError
from jobs.log import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer


def run_command(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command line app and return its exit code (README, "Exit codes"). Runs on: driver.

    Faults that ndvr knows are told in one line; the traceback of any other goes to the log and to the terminal.
    """
    try:
        app(args=arguments)
    except NdvrError as error:
        log.error("failed", exc_info=error)
        sys.stderr.write(f"ndvr: {error}\n")
        return error.exit_code
    except SystemExit as finished:  # Typer's own way to end, usage errors (2) included
        return finished.code if isinstance(finished.code, int) else 0
    return 0
