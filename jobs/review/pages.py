"""Writes the pages of a report: the numbers of the run, and the queue of pairs to review. Runs on the driver."""

from __future__ import annotations

import hashlib
import shlex
from typing import TYPE_CHECKING

from jobs.review.queue_page import write_queue_page
from jobs.review.report_data import QueueFacts
from jobs.review.templating import make_environment, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobs.review.charts import Chart
    from jobs.review.report_data import Overview, Queue


def make_report_facts(lake: str, run_id: str) -> QueueFacts:
    """Return what the queue of a report says. Reports on one lake share the choices that a browser stores."""
    file_name = f"decisions-{run_id}.jsonl"
    return QueueFacts(
        title="To review",
        key=hashlib.sha256(lake.encode()).hexdigest()[:16],
        file_name=file_name,
        command=f"ndvr decide --lake {shlex.quote(lake)} --file {shlex.quote(file_name)} --by YOUR_NAME",
        note=f"report of run {run_id}",
    )


def write_pages(
    overview: Overview,
    charts: Sequence[Chart],
    queue: Queue,
    lake: str,
    folder: Path,
) -> None:
    """Write queue.html and index.html with their files into `folder`; index.html is written last.

    Args:
        overview: numbers of the run.
        charts: the charts that `jobs.review.charts.draw_charts` drew into `folder`.
        queue: the pairs to review.
        lake: folder or URI of the tables, as on the command line.
        folder: an existing folder.
    """
    facts = make_report_facts(lake, overview.run.run_id)
    write_queue_page(facts, queue, folder, has_index=True)
    html = (
        make_environment()
        .get_template("index.html")
        .render(
            overview=overview,
            charts=charts,
            num_pairs=len(queue.pairs),
            num_undecided=queue.num_undecided,
            command=facts.command,
            has_index=True,
            here="index",
        )
    )
    write_text(folder / "index.html", html)
