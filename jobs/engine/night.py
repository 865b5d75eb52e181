"""Runs one night: log, session, pipeline and summary."""

from __future__ import annotations

import shlex
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as TextTable

from jobs.contracts.progress import Progress
from jobs.contracts.run import Run
from jobs.contracts.run_ids import make_run_id
from jobs.contracts.run_log import log
from jobs.engine.lifecycle import open_lake_for_run
from jobs.engine.manifest_check import check_values
from jobs.engine.manifest_source import read_manifest
from jobs.engine.metrics import check_client
from jobs.engine.results import write_open_command
from jobs.engine.runner import Runner
from jobs.engine.summary_writer import RunSummaryWriter
from jobs.lake.run_logs import logged
from jobs.lake.session import named_jobs

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from jobs.config.settings import Config
    from jobs.engine.outcome import Outcome
    from jobs.lake.lake import Lake

_REPORT_FOLDER = "ndvr-report"


def run_nightly(  # noqa: PLR0913 - the options of the command line
    manifest_uri: str,
    lake_uri: str,
    config: Config,
    run_date: date,
    *,
    master: str | None = None,
    log_dir: Path | None = None,
    publish_anyway: bool = False,
    as_json: bool = False,
) -> Outcome:
    """Run the pipeline once and report to the terminal. Runs on: driver.

    Args:
        manifest_uri: absolute path or URI.
        lake_uri: absolute path or URI.
        config: validated settings.
        run_date: the date that the run is for.
        master: Spark master, or None for the default.
        log_dir: folder for the logs of the run: see `jobs.lake.run_logs.RunLogs`.
        publish_anyway: report failed gates, but publish.
        as_json: write the summary to standard output, however the run ends.

    Raises:
        NdvrError: the run failed; the class of the error has the exit code.
    """
    check_client(config.metrics)
    console = Console(stderr=True)
    started_at, started = datetime.now(UTC), time.monotonic()
    run_id = make_run_id(started_at)
    summary = RunSummaryWriter(run_id, run_date, started_at, manifest_uri, lake_uri, config)
    settings = config.model_dump(mode="json")
    with logged(lake_uri, log_dir, run_id) as logs, summary.written_to(logs.summary, as_json=as_json):
        log.info("run started", manifest=manifest_uri, lake=lake_uri, config=settings)
        uris = (lake_uri, manifest_uri)
        lake = open_lake_for_run("ndvr nightly", uris, config.spark, logs, master, console)
        run = Run(run_id, run_date, started_at, manifest_uri, config, Progress(lake.spark, console))
        _ = run.calibration, run.roots, run.search  # invalid settings fail before any work starts
        summary.model_id, summary.fingerprint = run.model.model_id, run.fingerprint
        with named_jobs(lake.spark, run, "check manifest"):
            rows = read_manifest(lake.spark, manifest_uri)
            summary.unread_values = check_values(rows, manifest_uri)
        runner = Runner(lake, run, rows, publish_anyway=publish_anyway)
        summary.outcome = runner.outcome
        outcome = runner.run()
        seconds = time.monotonic() - started
        log.info("run done", seconds=round(seconds, 3), num_described=outcome.num_described)
        _print_summary(console, lake, outcome, run, seconds)
        warnings = [f"warning: {unread}" for unread in summary.unread_values]
        for line in (*warnings, *_list_last_lines(outcome, lake_uri, started_at)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return outcome


def _list_last_lines(outcome: Outcome, lake: str, now: datetime) -> list[str]:
    """Return what the run changed, for a person, and the command that makes and opens the report."""
    if outcome.results is None:
        return []
    report = f"ndvr report --lake {shlex.quote(lake)} --out {_REPORT_FOLDER}"
    return [outcome.results.describe(now), f"{report} && {write_open_command(f'{_REPORT_FOLDER}/index.html')}"]


def _print_summary(console: Console, lake: Lake, outcome: Outcome, run: Run, seconds: float) -> None:
    """Print the stages of the run and the location of the tables."""
    stages = TextTable(title=f"run {run.run_id}", title_justify="left")
    for heading in ("stage", "status", "rows", "seconds"):
        stages.add_column(heading, justify="right" if heading in {"rows", "seconds"} else "left")
    for record in outcome.records:
        rows = "" if record.num_rows is None else str(record.num_rows)
        stages.add_row(record.stage, record.status, rows, f"{record.seconds:.1f}")
    console.print(stages)
    console.print(outcome.describe_attempts())
    if unseen := outcome.describe_unseen_pairs():
        console.print(unseen)
    if lost := outcome.describe_lost():
        console.print(lost, style="bold")
    if outcome.overruled:
        console.print(f"published although {outcome.overruled}", style="bold")
    console.print(f"done in {seconds:.1f} s; the tables are in {lake.root}")
