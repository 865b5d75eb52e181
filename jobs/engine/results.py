"""What a published run changed and what is left to do, in the words of the last lines of a night. Runs on: driver."""

from __future__ import annotations

import json
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from jobs.clustering.decisions import decisions_in_force, select_about
from jobs.contracts.presence import select_present
from jobs.contracts.run_log import log
from jobs.lake.location import local_folder
from jobs.lake.session import named_jobs
from jobs.querying.duckdb_engine import DuckDBEngine
from jobs.querying.kinds import UnsupportedError
from jobs.querying.session import find_obstacle
from jobs.tables import duplicates
from jobs.tables.estimates import read_last_estimate
from jobs.views.queries import select_view

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from jobs.contracts.run import Run
    from jobs.lake.lake import Lake
    from jobs.tables.estimates import Estimate

_Answer = TypeVar("_Answer")
_NUM_QUERIES_AT_ONCE = 5
_STATEMENTS = {
    "to_review": "SELECT count(*) FROM review_queue",
    "reclaimable": "SELECT sum(reclaimable_bytes) FROM reclaimable_bytes",
    "decisions": "SELECT count(*) FROM decisions",
}
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_BYTES_PER_UNIT = 1000


@dataclass(frozen=True)
class Results:
    """The results of a published run.

    Attributes:
        num_added: rows of `duplicates` that the run added.
        num_removed: rows of `duplicates` that the run removed.
        num_obeyed: decisions in force about videos that exist.
        reclaimable_bytes: as in the view `reclaimable_bytes`.
        num_to_review: rows of the view `review_queue`.
        estimate: the newest estimate of precision and recall of the model; None without one.
    """

    num_added: int
    num_removed: int
    num_obeyed: int
    reclaimable_bytes: int
    num_to_review: int
    estimate: Estimate | None

    def describe(self, now: datetime) -> str:
        """Return the last line of a night.

        For example "+12 duplicates, -1, 47 decisions obeyed, 3.1 GB reclaimable, 83 to review, precision .994 (.985 to
        .998; 100 pairs, 12 days ago)".
        """
        precision = "precision not measured: ndvr sample" if self.estimate is None else self.estimate.describe(now)
        parts = (
            f"+{self.num_added} duplicate{'s' * (self.num_added != 1)}",
            f"-{self.num_removed}",
            f"{self.num_obeyed} decision{'s' * (self.num_obeyed != 1)} obeyed",
            f"{format_bytes(self.reclaimable_bytes)} reclaimable",
            f"{self.num_to_review} to review",
            precision,
        )
        return ", ".join(parts)


def read_results(lake: Lake, run: Run, *, has_new_duplicates: bool) -> Results | None:
    """Read the results of a run that is published and recorded, with a few queries at once.

    Args:
        lake: its lake.
        run: the run.
        has_new_duplicates: whether the run built `duplicates`.

    Returns:
        None, with a warning in the log, if they cannot be read: the run is published, whatever its last lines say.
    """
    known = _answer_without_spark(lake)

    def ask(name: str, read: Callable[[], _Answer]) -> _Answer:
        if name in known:
            return known[name]  # type: ignore[return-value] # these readers return integers too
        with named_jobs(lake.spark, run, "results"):  # in each thread, because job names belong to a thread
            return read()

    try:
        with ThreadPoolExecutor(_NUM_QUERIES_AT_ONCE) as pool:
            to_review = pool.submit(ask, "to_review", lambda: select_view(lake, "review_queue").count())
            reclaimable = pool.submit(ask, "reclaimable", lambda: _sum_reclaimable(lake))
            obeyed = pool.submit(ask, "obeyed", lambda: _count_obeyed(lake))
            estimate = pool.submit(ask, "estimate", lambda: read_last_estimate(lake, run.model.model_id))
            added, removed = _count_changes(lake, run) if has_new_duplicates else (0, 0)
            return Results(
                added, removed, obeyed.result(), reclaimable.result(), to_review.result(), estimate.result()
            )  # fmt: skip
    except (PySparkException, Py4JError, OSError) as error:
        log.warning("results not read", why=str(error))
        return None


def _answer_without_spark(lake: Lake) -> dict[str, int]:
    """Return the numbers that DuckDB can read, which takes a tenth of the time of Spark on a small lake."""
    folder = local_folder(lake.root)
    if folder is None or find_obstacle(lake.root):
        return {}
    engine = DuckDBEngine(folder)
    found: dict[str, int] = {}
    for name, statement in _STATEMENTS.items():
        with suppress(UnsupportedError):
            found[name] = int(engine.answer(statement).rows[0][0] or 0)
    return found if found.pop("decisions", None) != 0 else found | {"obeyed": 0}


def _sum_reclaimable(lake: Lake) -> int:
    """Return the reclaimable bytes of all owners."""
    total = select_view(lake, "reclaimable_bytes").agg(F.sum("reclaimable_bytes").alias("total")).collect()[0]["total"]
    return int(total or 0)


def _count_obeyed(lake: Lake) -> int:
    """Count the decisions in force whose videos are all present, as `jobs.tables.clusters` selects them."""
    held = decisions_in_force(lake.read("decisions"))
    return select_about(held, select_present(lake.read("manifest"), lake.read("quarantine"))).count()


def _count_changes(lake: Lake, run: Run) -> tuple[int, int]:
    """Return how many rows of `duplicates` the run added and removed, from the metrics of its commit."""
    newest = next(lake.commits(duplicates.TABLE))
    if json.loads(newest.user_metadata or "{}").get("run_id") != run.run_id:
        return 0, 0
    added, removed = (int(newest.metrics.get(f"numTargetRows{change}", 0)) for change in ("Inserted", "Deleted"))
    return added, removed


def format_bytes(num_bytes: int) -> str:
    """Return a number of bytes with two digits at least: "0 B", "850 kB", "3.1 GB"."""
    value, unit = float(num_bytes), 0
    while value >= _BYTES_PER_UNIT and unit < len(_UNITS) - 1:
        value, unit = value / _BYTES_PER_UNIT, unit + 1
    digits = 1 if unit and value < 10 else 0  # noqa: PLR2004 - one digit before the point
    return f"{value:.{digits}f} {_UNITS[unit]}"


def write_open_command(index: str) -> str:
    """Return the command that opens a page in the browser of this system."""
    return f"{'open' if sys.platform == 'darwin' else 'xdg-open'} {shlex.quote(index)}"
