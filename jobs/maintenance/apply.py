"""Applies a maintenance plan to the tables and to the files beside them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console

from jobs.contracts.progress import Progress
from jobs.contracts.run import Run
from jobs.contracts.run_ids import make_run_id
from jobs.contracts.run_log import log
from jobs.lake.lake import Lake
from jobs.lake.location import local_folder
from jobs.lake.required_tables import no_tables
from jobs.lake.run_logs import logged
from jobs.lake.session import start_session
from jobs.lake.table_maintenance import delete_expired, measure_table, optimize_table, vacuum_table
from jobs.maintenance.cells import maintain_cells
from jobs.maintenance.plan import choose_retention, plan_maintenance
from jobs.maintenance.report import MaintenanceReport, TableReport

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.config.settings import Config
    from jobs.contracts.table import Table
    from jobs.maintenance.plan import MaintenancePlan


def run_maintenance(
    lake_uri: str, config: Config, *, is_dry: bool = False, master: str | None = None, log_dir: Path | None = None
) -> MaintenanceReport:
    """Start a session, maintain a lake and return the report. Runs on: driver.

    Args:
        lake_uri: absolute path or URI.
        config: validated settings, with the model in use.
        is_dry: report the plan without changes.
        master: Spark master, or None.
        log_dir: folder for the log: see `jobs.lake.run_logs.RunLogs`.

    Raises:
        UsageError: the lake has no tables, or the config names no model.
    """
    now = datetime.now(UTC)
    run_id = make_run_id(now)
    folder = local_folder(lake_uri)
    if folder is not None and not folder.is_dir():
        raise no_tables(lake_uri)
    with logged(lake_uri, log_dir, run_id) as logs:
        spark = start_session("ndvr maintain", lake_uri, settings=config.spark, master=master, spark_log=logs.spark)
        logs.open_lake(spark)
        run = Run(run_id, now.date(), now, lake_uri, config, Progress(spark, Console(stderr=True)))
        return maintain_lake(Lake(spark, lake_uri), run, is_dry=is_dry)


def maintain_lake(lake: Lake, run: Run, *, is_dry: bool) -> MaintenanceReport:
    """Maintain the cells and every table, then delete unneeded files beside them. Runs on: driver and executors.

    Args:
        lake: the tables.
        run: its id, start time, settings and model.
        is_dry: report the plan without changes.

    Raises:
        UsageError: the lake has no tables, or the config names no model.
    """
    plan = plan_maintenance(lake, run)
    report = MaintenanceReport(sorted(plan.staging.active), [entry.uri for entry in plan.unneeded])
    with run.progress.show("maintain the cells"):
        report.cells = maintain_cells(lake, run, is_dry=is_dry, is_alone=not plan.staging.active)
    for table in plan.tables:
        with run.progress.show(f"maintain {table.name}"):
            report.tables.append(_maintain_table(lake, table, plan, run, is_dry=is_dry))
        log.info("table maintained", **asdict(report.tables[-1]))
    if not is_dry:
        for entry in plan.unneeded:
            lake.files.delete(entry.uri)
    return report


def _maintain_table(lake: Lake, table: Table, plan: MaintenancePlan, run: Run, *, is_dry: bool) -> TableReport:
    """Delete the expired rows of a table, compact its files and vacuum it."""
    deletions = [deletion for deletion in plan.deletions if deletion.table is table]
    before = measure_table(lake, table)
    if not is_dry:
        for deletion in deletions:
            delete_expired(lake, table, deletion.condition)
        optimize_table(lake, table)
    hours = choose_retention(lake, table, plan.staging, run.config.maintenance)
    num_vacuumed = vacuum_table(lake, table, hours, is_dry=is_dry)
    after = before if is_dry else measure_table(lake, table)
    return TableReport(table.name, before, after, hours, num_vacuumed, [deletion.what for deletion in deletions])
