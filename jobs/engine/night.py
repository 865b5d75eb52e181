"""Runs one night: logging, session, pipeline and summary."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as TextTable

from jobs.contracts.progress import Progress
from jobs.contracts.run import Run, make_run_id
from jobs.contracts.run_log import log, log_to
from jobs.engine.manifest_source import read_manifest
from jobs.engine.metrics import check_client
from jobs.engine.runner import Runner
from jobs.engine.summary_writer import RunSummaryWriter
from jobs.lake.lake import Lake
from jobs.lake.location import choose_log_folder
from jobs.lake.session import named_jobs, start_session

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.engine.outcome import Outcome


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
    """Run the pipeline once and tell the person at the terminal. Runs on: driver.

    Args:
        manifest_uri: absolute path or URI.
        lake_uri: absolute path or URI.
        config: validated settings.
        run_date: the night the run is for.
        master: Spark master, or None.
        log_dir: where the run's logs go, or None for the lake itself (`ndvr-logs` here where the lake is remote).
        publish_anyway: let audits that trip be told, and stop nothing.
        as_json: write the summary to standard output, however the run ends.

    Raises:
        NdvrError: the run failed; its class carries the exit code.
    """
    check_client(config.metrics)
    console = Console(stderr=True)
    started_at = datetime.now(UTC)
    run_id = make_run_id(started_at)
    logs = choose_log_folder(lake_uri, log_dir)
    started = time.monotonic()
    account = RunSummaryWriter(run_id, run_date, started_at, manifest_uri, lake_uri, config)
    with (
        log_to(logs / f"{run_id}.jsonl", run_id),
        account.summarised(logs / f"{run_id}.summary.json", as_json=as_json),
    ):
        log.info("run started", manifest=manifest_uri, lake=lake_uri, config=config.model_dump(mode="json"))
        with console.status("starting Spark"):
            spark = start_session("ndvr nightly", master=master, spark_log=logs / f"{run_id}.spark.log")
        run = Run(run_id, run_date, started_at, manifest_uri, config, Progress(spark, console))
        _ = run.calibration, run.roots, run.search  # wrong settings show before any work starts
        account.model_id, account.fingerprint = run.model.model_id, run.fingerprint
        lake = Lake(spark, lake_uri)
        with named_jobs(spark, run, "check manifest"):
            rows = read_manifest(spark, manifest_uri)
        runner = Runner(lake, run, rows, publish_anyway=publish_anyway)
        account.outcome = runner.outcome
        outcome = runner.run()
        log.info("run done", seconds=round(time.monotonic() - started, 3), num_described=outcome.num_described)
        _print_summary(console, lake, outcome, run, seconds=time.monotonic() - started)
    return outcome


def _print_summary(console: Console, lake: Lake, outcome: Outcome, run: Run, seconds: float) -> None:
    """Print what the run did, stage by stage, and where its results lie."""
    stages = TextTable(title=f"run {run.run_id}", title_justify="left")
    for heading in ("stage", "status", "rows", "seconds"):
        stages.add_column(heading, justify="right" if heading in {"rows", "seconds"} else "left")
    for record in outcome.records:
        rows = "" if record.num_rows is None else str(record.num_rows)
        stages.add_row(record.stage, record.status, rows, f"{record.seconds:.1f}")
    console.print(stages)
    failed = ", ".join(f"{code} {count}" for code, count in outcome.error_counts.most_common())
    console.print(f"described {outcome.num_described} videos, quarantined {outcome.error_counts.total()} {failed}")
    if outcome.overruled:
        console.print(f"published although {outcome.overruled}", style="bold")
    console.print(f"done in {seconds:.1f} s; the tables are in {lake.root}")
