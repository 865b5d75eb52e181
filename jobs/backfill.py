"""The backfill: describes the past, or the lake for another model. By spark-submit, or `ndvr backfill`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.config.loading import load_config
from jobs.contracts.progress import Progress
from jobs.contracts.run import Run, make_run_id
from jobs.contracts.run_log import log, log_to
from jobs.engine.backfill import Backfill
from jobs.engine.backlog import add_shard, count_states
from jobs.engine.budget import BackfillBudget, BackfillProgress
from jobs.engine.manifest_source import read_manifest
from jobs.errors import UsageError
from jobs.lake.lake import Lake
from jobs.lake.location import absolute, choose_log_folder
from jobs.lake.session import start_session
from jobs.pipeline import TABLES
from jobs.tables import manifest as manifest_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.config.settings import Config

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_SECONDS_PER_HOUR = 3600.0


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr backfill --lake /data/lake --manifest /data/past.csv --max-hours 6",
        "ndvr backfill --lake /data/lake --manifest /data/past.csv --status",
        "ndvr backfill --lake /data/lake --config new.yaml --max-videos 50000",
    ),
)
def backfill(  # noqa: PLR0913 - each option of the command line is one
    lake: options.NewLakeOption,
    manifest: Annotated[
        str | None,
        typer.Option(help="Manifest of the past, as the nightly job takes them.", show_default="the lake's own"),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file of settings: those of the model to fill up.")] = None,
    max_videos: Annotated[
        int | None, typer.Option(min=1, help="Videos that this run tries.", show_default="all")
    ] = None,
    max_hours: Annotated[
        float | None,
        typer.Option(min=0.0, help="Hours that this run may take; no batch is broken off.", show_default="no limit"),
    ] = None,
    *,
    is_status: Annotated[bool, typer.Option("--status", help="Tell how far the backfill is; do nothing.")] = False,
    master: options.MasterOption = None,
    log_dir: options.LogDirOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print how far the backfill is as one JSON object, after a run too.")
    ] = False,
) -> None:
    """Describe and embed what is not done yet: the newest videos first, in shards, within a budget.

    Started again it goes on where it stopped, killed or not. It may run beside nightly runs: no video is described by
    both. With --manifest it brings videos that the lake does not know, and changes nothing of those that it knows;
    without, it does the lake's own videos for the model of --config. Pairs, clusters and duplicates are made by the
    next nightly run.

    Exit codes: 0 done, or the budget is used up; 2 bad usage or config; 3 a table or the manifest breaks its contract;
    4 too many videos failed.
    """
    budget = BackfillBudget(max_videos, None if max_hours is None else max_hours * _SECONDS_PER_HOUR)
    given = None if manifest is None else absolute(manifest)
    settings = load_config(config)
    if is_status:
        standing = read_standing(absolute(lake), given, settings, master=master)
    else:
        standing = run_backfill(absolute(lake), given, settings, budget, master=master, log_dir=log_dir)
    if as_json:
        told = asdict(standing) | {"num_left": standing.num_left, "eta_seconds": standing.eta_seconds}
        sys.stdout.write(json.dumps(told) + "\n")
    elif is_status:
        sys.stdout.write(standing.describe() + "\n")


def run_backfill(
    lake_uri: str,
    manifest_uri: str | None,
    config: Config,
    budget: BackfillBudget,
    *,
    master: str | None = None,
    log_dir: Path | None = None,
) -> BackfillProgress:
    """Run the backfill within a budget and tell the person at the terminal. Runs on: driver.

    Args:
        lake_uri: absolute path or URI.
        manifest_uri: absolute path or URI of the past; None for the lake's own manifest.
        config: validated settings.
        budget: what this run may do.
        master: Spark master, or None.
        log_dir: where the run's logs go, or None for the lake itself (`ndvr-logs` here where the lake is remote).

    Returns:
        How far the backfill is after it.

    Raises:
        NdvrError: the run failed; its class carries the exit code.
    """
    console = Console(stderr=True)
    run_id = make_run_id(datetime.now(UTC))
    logs = choose_log_folder(lake_uri, log_dir)
    with log_to(logs / f"{run_id}.jsonl", run_id):
        log.info("backfill started", manifest=manifest_uri, lake=lake_uri, config=config.model_dump(mode="json"))
        with console.status("starting Spark"):
            spark = start_session("ndvr backfill", master=master, spark_log=logs / f"{run_id}.spark.log")
        opened = Lake(spark, lake_uri)
        run = _make_run(opened, run_id, manifest_uri, config, console)
        job = Backfill(opened, run, _read_named(opened, run, manifest_uri), budget, console)
        outcome = job.run()
        failed = ", ".join(f"{code} {count}" for code, count in outcome.error_counts.most_common())
        console.print(
            f"described {outcome.num_described} videos, quarantined {outcome.error_counts.total()} {failed}".rstrip()
        )
        log.info("backfill done", num_described=outcome.num_described)
    return job.standing


def read_standing(
    lake_uri: str, manifest_uri: str | None, config: Config, *, master: str | None = None
) -> BackfillProgress:
    """Read how far a backfill is, and write nothing. Runs on: driver and executors.

    Raises:
        UsageError: no tables are there.
        ContractError: the manifest breaks its contract.
    """
    console = Console(stderr=True)
    lake = Lake(start_session("ndvr backfill", master=master, spark_log=Path("/dev/null")), lake_uri)
    if not all(lake.exists(table) for table in TABLES):
        raise UsageError(f"no tables in {lake_uri!r}; give --lake the folder that a run has written")
    run = _make_run(lake, make_run_id(datetime.now(UTC)), manifest_uri, config, console)
    named = _read_named(lake, run, manifest_uri)
    rows = lake.read("manifest").where("removed_at IS NULL") if named is None else named.where("NOT is_removed")
    return count_states(add_shard(rows.select("video_id", "published_at")), lake, run)[0]


def _make_run(lake: Lake, run_id: str, manifest_uri: str | None, config: Config, console: Console) -> Run:
    """Make the run; wrong settings show before any work starts."""
    now = datetime.now(UTC)
    # Of the lake's own manifest no folder is known that its videos may be read from; its tables are no such place.
    uri = manifest_uri or lake.path("manifest")
    run = Run(run_id, now.date(), now, uri, config, Progress(lake.spark, console))
    _ = run.model, run.roots
    return run


def _read_named(lake: Lake, run: Run, manifest_uri: str | None) -> DataFrame | None:
    """Read the manifest of the past; None where it is the lake's own.

    Raises:
        UsageError: neither is there.
        ContractError: it breaks its contract.
    """
    if manifest_uri is not None:
        return manifest_table.normalise(read_manifest(lake.spark, manifest_uri), run)
    if not lake.exists(manifest_table.TABLE):
        raise UsageError(f"no manifest in {lake.root!r}; give --manifest, or --lake the folder of a nightly run")
    return None


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
