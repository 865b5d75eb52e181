"""Plans a maintenance run: the rows and files that are no longer needed, and how long old files are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jobs.engine.runner import SEEN_TABLES
from jobs.lake.leftovers import StagingArea, find_old_logs, find_orphaned_indexes, inspect_staging
from jobs.lake.required_tables import no_tables
from jobs.lake.table_maintenance import find_time_replaced
from jobs.maintenance.expiry import expire_models, expire_runs
from jobs.pipeline import TABLES
from jobs.tables import embeddings, runs

if TYPE_CHECKING:
    from jobs.config.operation import MaintenanceConfig
    from jobs.contracts.run import Run
    from jobs.contracts.table import Table
    from jobs.lake.files import FileEntry
    from jobs.lake.lake import Lake
    from jobs.maintenance.expiry import Deletion

_MARGIN_HOURS = 1.0
"""Added to a retention, for the time between two readings of a clock and for clocks that differ between machines."""


@dataclass(frozen=True)
class MaintenancePlan:
    """What a maintenance run will do.

    Attributes:
        tables: the existing tables.
        deletions: expired rows.
        staging: active runs and folders of killed runs.
        unneeded: files and folders to delete: those of killed runs, old logs, and indexes without embeddings.
    """

    tables: list[Table]
    deletions: list[Deletion]
    staging: StagingArea
    unneeded: list[FileEntry]


def plan_maintenance(lake: Lake, run: Run) -> MaintenancePlan:
    """Find the rows and files that are no longer needed. Runs on: driver.

    Raises:
        UsageError: the lake has no tables, or the config names no model.
    """
    tables = [table for table in TABLES if lake.exists(table)]
    if not tables:
        raise no_tables(lake.root)
    now, config = run.started_at, run.config.maintenance
    deletions = expire_models(lake, run.model, config, now) + expire_runs(lake, config, now)
    staging = inspect_staging(lake.files, lake.root, config, now)
    unneeded = [*staging.abandoned, *find_old_logs(lake.files, lake.root, config, now)]
    unneeded += find_orphaned_indexes(lake.files, lake.root, _read_embedded_models(lake))
    return MaintenancePlan(tables, deletions, staging, unneeded)


def choose_retention(lake: Lake, table: Table, staging: StagingArea, config: MaintenanceConfig) -> float:
    """Return how many hours to keep files that the newest version of a table does not read.

    It is `retention_hours`, or longer while a reader may need older files. An active run may read any version that was
    the newest since it started, and its own files belong to no version until it commits. The next search of pairs reads
    the videos that the last search read; without them it would search everything again. Runs on: driver.
    """
    now = datetime.now(UTC)
    needed_since = list(staging.active.values())
    if table in SEEN_TABLES and (searched := _read_searched_version(lake, table)) is not None:
        replaced = find_time_replaced(lake, table, searched)
        needed_since += [datetime.fromtimestamp(replaced, UTC)] if replaced is not None else []
    return max(
        [config.retention_hours, *((now - since) / timedelta(hours=1) + _MARGIN_HOURS for since in needed_since)]
    )


def _read_embedded_models(lake: Lake) -> set[str]:
    """Read the ids of the models that have embeddings."""
    if not lake.exists(embeddings.TABLE):
        return set()
    return {row["model_id"] for row in lake.read("embeddings").select("model_id").distinct().collect()}


def _read_searched_version(lake: Lake, table: Table) -> int | None:
    """Read the version of a table that the last search of pairs read; None if there was no search."""
    if not lake.exists(runs.TABLE):
        return None
    done = lake.read("runs").where("stage = 'pairs' AND status = 'done' AND output_version IS NOT NULL")
    newest = done.selectExpr(f"max_by(input_versions['{table.name}'], started_at) AS version")
    version = newest.collect()[0]["version"]
    return None if version is None else int(version)
