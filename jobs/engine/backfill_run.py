"""Starts a backfill, or reads how far it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console

from jobs.contracts.progress import Progress
from jobs.contracts.run import Run
from jobs.contracts.run_ids import make_run_id
from jobs.contracts.run_log import log
from jobs.engine.backfill import Backfill
from jobs.engine.backlog import add_shard, count_states
from jobs.engine.lifecycle import open_lake_for_run
from jobs.engine.manifest_check import check_values
from jobs.engine.manifest_source import read_manifest
from jobs.errors import UsageError
from jobs.lake.lake import Lake
from jobs.lake.required_tables import require_tables
from jobs.lake.run_logs import logged
from jobs.lake.session import start_session
from jobs.pipeline import REQUIRED_TABLES
from jobs.tables import manifest

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame

    from jobs.config.settings import Config
    from jobs.engine.budget import BackfillBudget, BackfillProgress


def run_backfill(
    lake_uri: str,
    manifest_uri: str | None,
    config: Config,
    budget: BackfillBudget,
    *,
    master: str | None = None,
    log_dir: Path | None = None,
) -> BackfillProgress:
    """Run the backfill within a budget and report to the terminal. Runs on: driver.

    Args:
        lake_uri: absolute path or URI.
        manifest_uri: absolute path or URI of the historical manifest; None for the lake's own manifest.
        config: validated settings.
        budget: limits of this run.
        master: Spark master, or None for the default.
        log_dir: folder for the logs of the run: see `jobs.lake.run_logs.RunLogs`.

    Returns:
        The progress of the backfill after the run.

    Raises:
        NdvrError: the run failed; the class of the error has the exit code.
    """
    console = Console(stderr=True)
    run_id = make_run_id(datetime.now(UTC))
    settings = config.model_dump(mode="json")
    with logged(lake_uri, log_dir, run_id) as logs:
        log.info("backfill started", manifest=manifest_uri, lake=lake_uri, config=settings)
        uris = _list_uris(lake_uri, manifest_uri)
        lake = open_lake_for_run("ndvr backfill", uris, config.spark, logs, master, console)
        run = _make_run(lake, run_id, manifest_uri, config, console)
        job = Backfill(lake, run, _read_manifest(lake, run, manifest_uri), budget, console)
        outcome = job.run()
        console.print(outcome.describe_attempts())
        log.info("backfill done", num_described=outcome.num_described)
    return job.progress


def read_progress(
    lake_uri: str, manifest_uri: str | None, config: Config, *, master: str | None = None
) -> BackfillProgress:
    """Return the progress of a backfill; writes nothing. Runs on: driver and executors.

    Raises:
        UsageError: the lake lacks a table.
        ContractError: the manifest breaks its contract.
    """
    uris = _list_uris(lake_uri, manifest_uri)
    lake = Lake(start_session("ndvr backfill", *uris, settings=config.spark, master=master), lake_uri)
    require_tables(lake, *REQUIRED_TABLES)
    run = _make_run(lake, make_run_id(datetime.now(UTC)), manifest_uri, config, Console(stderr=True))
    rows = _read_manifest(lake, run, manifest_uri)
    present = lake.read("manifest").where("removed_at IS NULL") if rows is None else rows.where("NOT is_removed")
    return count_states(add_shard(present.select("video_id", "published_at")), lake, run)[0]


def _list_uris(lake_uri: str, manifest_uri: str | None) -> list[str]:
    """Return the URIs whose stores the session opens."""
    return [lake_uri] if manifest_uri is None else [lake_uri, manifest_uri]


def _make_run(lake: Lake, run_id: str, manifest_uri: str | None, config: Config, console: Console) -> Run:
    """Return the run; invalid settings fail before any work starts."""
    now = datetime.now(UTC)
    # The folder of the lake's own manifest is unknown, so its videos are readable only below `manifest.roots`.
    uri = manifest_uri or lake.path("manifest")
    run = Run(run_id, now.date(), now, uri, config, Progress(lake.spark, console))
    _ = run.model, run.roots
    return run


def _read_manifest(lake: Lake, run: Run, manifest_uri: str | None) -> DataFrame | None:
    """Return the normalised historical manifest; None if the lake's own manifest is used.

    Raises:
        UsageError: neither manifest exists.
        ContractError: the manifest breaks its contract.
    """
    if manifest_uri is not None:
        rows = read_manifest(lake.spark, manifest_uri)
        check_values(rows, manifest_uri)
        return manifest.normalise(rows, run)
    if not lake.exists(manifest.TABLE):
        raise UsageError(f"no manifest in {lake.root!r}; pass --manifest, or the lake of a nightly run to --lake")
    return None
