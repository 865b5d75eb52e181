"""Shows the progress of a run: a bar at a terminal, and a line in the log every `_LOG_EVERY_SECONDS`."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bar,
)

from jobs.contracts.run_log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import SparkSession
    from rich.console import Console
    from rich.progress import Task as BarTask

_POLL_SECONDS = 0.25
_LOG_EVERY_SECONDS = 30.0


class _RateColumn(TextColumn):
    """Videos per second since the start of the task."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: BarTask) -> str:  # type: ignore[override]
        """Return the rate as text."""
        return f"{task.completed / task.elapsed:.1f} videos/s" if task.elapsed and task.completed else ""


@contextmanager
def show_bar(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar at a terminal while the block runs; yield a function that updates it with (done, total)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class Progress:
    """Counts the videos that tasks have tried, and shows the count while a Spark action blocks the driver.

    Executors count with a Spark accumulator, whose updates arrive when tasks end. Runs on: driver.

    Args:
        spark: session whose tasks count videos.
        console: console for the bar; without a terminal, no bar is drawn.
    """

    def __init__(self, spark: SparkSession, console: Console) -> None:
        self._accumulator = spark.sparkContext.accumulator(0)
        self._console = console
        self._expected = 0

    @property
    def counter(self) -> Callable[[int], None]:
        """The function that executors call with a number of tried videos."""
        return self._accumulator.add

    def expect(self, num_videos: int) -> None:
        """Add to the number of videos that will be tried."""
        self._expected += num_videos

    @contextmanager
    def show(self, stage: str) -> Iterator[None]:
        """Show a stage while the block runs and, if videos are expected, how many of them are done."""
        bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description:<12}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        stop = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(bar, stage, stop), daemon=True)
        with bar:
            watcher.start()
            try:
                yield
            finally:
                stop.set()
                watcher.join()

    def _watch(self, bar: Bar, stage: str, stop: threading.Event) -> None:
        """Update the bar and log the counts periodically until `stop` is set."""
        done_before, expected_before = self._accumulator.value, self._expected
        task = bar.add_task(stage, total=None)
        logged_at = time.monotonic()
        while not stop.wait(_POLL_SECONDS):
            done, expected = self._accumulator.value - done_before, self._expected - expected_before
            bar.update(task, completed=done, total=expected or None)
            if expected and time.monotonic() - logged_at > _LOG_EVERY_SECONDS:
                logged_at = time.monotonic()
                log.info("videos tried", stage=stage, num_done=done, num_expected=expected)
