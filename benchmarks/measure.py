"""What the benchmarks share: wall-clock and processor time of a process tree, and the nightly job as a process."""

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
    """What something took.

    Attributes:
        seconds: by the clock.
        cpu_seconds: of this process, its children and theirs; what other programs do hardly changes it.
    """

    seconds: float
    cpu_seconds: float

    def __add__(self, other: Cost) -> Cost:
        """Give the cost of one after the other."""
        return Cost(self.seconds + other.seconds, self.cpu_seconds + other.cpu_seconds)

    def __sub__(self, other: Cost) -> Cost:
        """Give what this took more than the other."""
        return Cost(self.seconds - other.seconds, self.cpu_seconds - other.cpu_seconds)


def now() -> Cost:
    """Read both clocks; the difference of two readings is what came to pass between them."""
    return Cost(time.monotonic(), _tree_cpu_seconds(os.getpid()))


def measure(work: Callable[[], object]) -> Cost:
    """Run something and tell what it took."""
    started = now()
    work()
    return now() - started


@dataclass(frozen=True)
class Event:
    """A line of the nightly job's log, and both clocks when it was seen, counted from the start of the process."""

    fields: dict[str, object]
    at: Cost


def run_nightly(
    manifest: Path,
    lake: Path,
    config: Path,
    prefix: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> list[Event]:
    """Run the nightly job as a process of its own; give its log's lines and, last, an event of its end.

    Args:
        manifest: of the job.
        lake: likewise.
        config: likewise.
        prefix: a command and its options that start the job.
        environment: variables besides those of this process.

    Raises:
        RuntimeError: the job failed.
    """
    known = set(lake.glob("_logs/*.jsonl"))
    command = [*prefix, sys.executable, "-m", "jobs.cli", "nightly"]
    command += ["--manifest", str(manifest), "--lake", str(lake), "--config", str(config)]
    started = now()
    events: list[Event] = []
    variables = os.environ | (environment or {})
    with subprocess.Popen(command, cwd=REPOSITORY, env=variables, stderr=subprocess.PIPE, text=True) as job:
        while job.poll() is None:
            time.sleep(_POLL_SECONDS)
            for log in set(lake.glob("_logs/*.jsonl")) - known:
                lines = log.read_text().rpartition("\n")[0].splitlines()
                events += [Event(json.loads(line), now() - started) for line in lines[len(events) :]]
        if job.returncode:
            told = job.stderr.read() if job.stderr else ""
            raise RuntimeError(f"the job ended with exit status {job.returncode}: {told}")
    return [*events, Event({"message": "ended"}, now() - started)]


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows as a table, all columns but the first right-aligned."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)


def _tree_cpu_seconds(pid: int) -> float:
    """Add up user and system time of a process, of those it has waited for, and of all its descendants."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task").glob("*/children")
        pids = [int(child) for file in children for child in file.read_text().split()]
    except OSError:  # it has just ended; whoever waits for it has its time
        return 0.0
    return sum(map(int, stat[11:15])) / _TICKS_PER_SECOND + sum(map(_tree_cpu_seconds, pids))
