"""Shared by the benchmarks: wall-clock and CPU time of a process tree, and the nightly job as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

REPOSITORY = Path(__file__).absolute().parents[1]
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Cost:
    """The time that some work took.

    Attributes:
        seconds: wall-clock time.
        cpu_seconds: CPU time of this process and its descendants. Other programs hardly affect it.
    """

    seconds: float
    cpu_seconds: float

    def __add__(self, other: Cost) -> Cost:
        """Return the cost of both, one after the other."""
        return Cost(self.seconds + other.seconds, self.cpu_seconds + other.cpu_seconds)

    def __sub__(self, other: Cost) -> Cost:
        """Return the additional cost of this one."""
        return Cost(self.seconds - other.seconds, self.cpu_seconds - other.cpu_seconds)


def read_clocks() -> Cost:
    """Read both clocks. The difference of two readings is the cost of the work between them."""
    return Cost(time.monotonic(), _tree_cpu_seconds(os.getpid()))


def measure(work: Callable[[], object]) -> Cost:
    """Run a function and return its cost."""
    started = read_clocks()
    work()
    return read_clocks() - started


def measure_process(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command in the repository and return its cost.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    variables = os.environ | (environment or {})
    return measure(
        lambda: subprocess.run(command, cwd=REPOSITORY, env=variables, check=True, stderr=subprocess.DEVNULL)
    )


@dataclass(frozen=True)
class Event:
    """A line of the log of the nightly job, and the cost from the start of its process to this line."""

    fields: dict[str, object]
    at: Cost


def run_nightly(
    manifest: Path,
    lake: Path,
    config: Path,
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> list[Event]:
    """Run the nightly job as a process; return the events of its log and, last, an event "ended".

    Args:
        manifest: manifest of the job.
        lake: lake of the job.
        config: config file of the job.
        prefix: a command, with options, that starts the job, such as strace.
        environment: additional environment variables.

    Raises:
        RuntimeError: the job failed.
    """
    known = set(lake.glob("_logs/*.jsonl"))
    command = [*prefix, sys.executable, "-m", "jobs.cli", "nightly"]
    command += ["--manifest", str(manifest), "--lake", str(lake), "--config", str(config)]
    started = read_clocks()
    events: list[Event] = []
    variables = os.environ | (environment or {})
    with subprocess.Popen(command, cwd=REPOSITORY, env=variables, stderr=subprocess.PIPE, text=True) as job:
        while job.poll() is None:
            time.sleep(_POLL_SECONDS)
            for log in set(lake.glob("_logs/*.jsonl")) - known:
                lines = log.read_text().rpartition("\n")[0].splitlines()
                events += [Event(json.loads(line), read_clocks() - started) for line in lines[len(events) :]]
        if job.returncode:
            output = job.stderr.read() if job.stderr else ""
            raise RuntimeError(f"the job ended with exit status {job.returncode}: {output}")
    return [*events, Event({"message": "ended"}, read_clocks() - started)]


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows as a table. All columns except the first are right-aligned."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)


def _tree_cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process, of its ended children, and of all its descendants."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task").glob("*/children")
        pids = [int(child) for file in children for child in file.read_text().split()]
    except OSError:  # it has just ended; its time counts with that of its parent
        return 0.0
    return sum(map(int, stat[11:15])) / _TICKS_PER_SECOND + sum(map(_tree_cpu_seconds, pids))
