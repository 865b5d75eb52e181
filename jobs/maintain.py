"""The maintenance job: lays files out anew, deletes what is no longer needed. By spark-submit, or `ndvr maintain`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path  # noqa: TC003 - typer reads it when the program runs
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.config.loading import load_config
from jobs.contracts.progress import Progress
from jobs.contracts.run import Run
from jobs.contracts.run_ids import make_run_id
from jobs.contracts.run_log import log, log_to
from jobs.errors import UsageError
from jobs.lake.lake import Lake
from jobs.lake.leftovers import StagingArea, find_old_logs, find_stray_indexes, look_into_staging
from jobs.lake.location import absolute, choose_log_folder, local_folder
from jobs.lake.session import start_session
from jobs.lake.upkeep import (
    MAX_LISTED_FILES,
    delete_expired,
    find_oldest_needed,
    measure_table,
    optimize_table,
    vacuum_table,
)
from jobs.maintenance.expiry import expire_models, expire_runs
from jobs.pipeline import TABLES
from jobs.tables import embeddings, runs

if TYPE_CHECKING:
    from jobs.config.settings import Config
    from jobs.contracts.table import Table
    from jobs.lake.upkeep import Size
    from jobs.maintenance.expiry import Deletion

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_MARGIN_HOURS = 1.0  # between two looks at the clock, and between two machines' clocks


@dataclass
class TableReport:
    """What was done to a table, or would be.

    Attributes:
        table: its name.
        before: its size.
        after: its size; as before in a dry run.
        retention_hours: of files that its newest version does not read.
        num_vacuumed_files: such files that were older; at most 1000 are counted.
        expired: rows that were deleted, and why.
    """

    table: str
    before: Size
    after: Size
    retention_hours: float
    num_vacuumed_files: int
    expired: list[str]


@dataclass
class MaintenanceReport:
    """What a maintenance run did, or would do.

    Attributes:
        going: run_ids that are going, which it respects.
        removed: folders of killed runs, old logs, and indexes of models without embeddings.
        tables: one for each table that is there.
    """

    going: list[str]
    removed: list[str]
    tables: list[TableReport] = field(default_factory=list)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr maintain --lake /data/lake --config ndvr.yaml --dry-run",
        "ndvr maintain --lake /data/lake --config ndvr.yaml",
    ),
)
def maintain(
    lake: options.LakeOption,
    config: Annotated[Path | None, typer.Option(help="YAML file of settings, that of the nightly runs.")] = None,
    *,
    is_dry: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done; change nothing.")] = False,
    master: options.MasterOption = None,
    log_dir: options.LogDirOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Lay the tables' files out anew, and delete what is no longer needed.

    For each table: rows of expired models and records of old runs are deleted, small files are joined and clustered on
    the key (OPTIMIZE), and files that no version within `maintenance.retention_hours` reads are deleted (VACUUM). Kept
    for longer are files that a run which is going may read, and the embeddings that the next search compares with. Then
    what killed runs left in the staging area, and old logs. Rows that a night reads stay as they are, so the next night
    has nothing to do because of it. It may run beside nightly runs.

    Exit codes: 0 done; 2 bad usage or config, or no tables there.
    """
    report = run_maintenance(absolute(lake), load_config(config), is_dry=is_dry, master=master, log_dir=log_dir)
    if as_json:
        sys.stdout.write(json.dumps(asdict(report), ensure_ascii=False) + "\n")
    else:
        _print_report(report, is_dry=is_dry)


def run_maintenance(
    lake_uri: str, config: Config, *, is_dry: bool = False, master: str | None = None, log_dir: Path | None = None
) -> MaintenanceReport:
    """Do it, and tell what was done. Runs on: driver.

    Args:
        lake_uri: absolute path or URI.
        config: validated settings; its model is in use.
        is_dry: change nothing.
        master: Spark master, or None.
        log_dir: where the log goes, or None for the lake itself (`ndvr-logs` here where the lake is remote).

    Raises:
        UsageError: no tables are there, or the config names no model.
    """
    now = datetime.now(UTC)
    run_id = make_run_id(now)
    folder = local_folder(lake_uri)
    if folder is not None and not folder.is_dir():
        raise UsageError(f"no tables in {lake_uri!r}; give --lake the folder that a nightly run has written")
    logs = choose_log_folder(lake_uri, log_dir)
    with log_to(logs / f"{run_id}.jsonl", run_id):
        spark = start_session("ndvr maintain", master=master, spark_log=logs / f"{run_id}.spark.log")
        run = Run(run_id, now.date(), now, lake_uri, config, Progress(spark, Console(stderr=True)))
        return Maintenance(Lake(spark, lake_uri), run, is_dry=is_dry).run()


class Maintenance:
    """One look after a lake. Runs on: driver.

    Args:
        lake: where the tables are.
        run: its id, clock and settings.
        is_dry: tell what would be done, and change nothing.
    """

    def __init__(self, lake: Lake, run: Run, *, is_dry: bool) -> None:
        self._lake = lake
        self._run = run
        self._config = run.config.maintenance
        self._is_dry = is_dry

    def run(self) -> MaintenanceReport:
        """Look after all tables, then after what lies beside them.

        Raises:
            UsageError: no tables are there, or the config names no model.
        """
        tables = [table for table in TABLES if self._lake.exists(table)]
        if not tables:
            raise UsageError(f"no tables in {self._lake.root!r}; give --lake the folder that a nightly run has written")
        now = self._run.started_at
        deletions = expire_models(self._lake, self._run.model, self._config, now)
        deletions += expire_runs(self._lake, self._config, now)
        staging = look_into_staging(self._lake.files, self._lake.root, self._config, now)
        old = [*staging.left, *find_old_logs(self._lake.files, self._lake.root, self._config, now)]
        old += find_stray_indexes(self._lake.files, self._lake.root, self._read_embedded_models())
        report = MaintenanceReport(sorted(staging.going), [entry.uri for entry in old])
        for table in tables:
            with self._run.progress.show(f"maintain {table.name}"):
                due = [deletion for deletion in deletions if deletion.table is table]
                report.tables.append(self._look_after(table, due, staging))
            log.info("table maintained", **asdict(report.tables[-1]))
        if not self._is_dry:
            for entry in old:
                self._lake.files.delete(entry.uri)
        return report

    def _read_embedded_models(self) -> set[str]:
        """Read which models have embeddings."""
        if not self._lake.exists(embeddings.TABLE):
            return set()
        return {row["model_id"] for row in self._lake.read("embeddings").select("model_id").distinct().collect()}

    def _look_after(self, table: Table, due: list[Deletion], staging: StagingArea) -> TableReport:
        """Delete what has expired from a table, lay out its files and vacuum it."""
        before = measure_table(self._lake, table)
        if not self._is_dry:
            for deletion in due:
                delete_expired(self._lake, table, deletion.condition)
            optimize_table(self._lake, table)
        hours = self._choose_retention(table, staging)
        num_vacuumed = vacuum_table(self._lake, table, hours, is_dry=self._is_dry)
        after = before if self._is_dry else measure_table(self._lake, table)
        return TableReport(table.name, before, after, hours, num_vacuumed, [deletion.what for deletion in due])

    def _choose_retention(self, table: Table, staging: StagingArea) -> float:
        """Keep files for as long as the config says, or longer where somebody may read them yet.

        A run that is going may read whatever was the newest version since its start, and its own files are in no
        version until it commits. The embeddings that the last search of pairs saw are read by the next: without them
        it would search everything again.
        """
        now = datetime.now(UTC)
        starts = list(staging.going.values())
        if table is embeddings.TABLE and (seen := self._read_seen_version()) is not None:
            replaced = find_oldest_needed(self._lake, table, seen)
            starts += [datetime.fromtimestamp(replaced, UTC)] if replaced is not None else []
        needed = [(now - start) / timedelta(hours=1) + _MARGIN_HOURS for start in starts]
        return max(self._config.retention_hours, *needed) if needed else self._config.retention_hours

    def _read_seen_version(self) -> int | None:
        """Read which version of `embeddings` the last search of pairs saw."""
        if not self._lake.exists(runs.TABLE):
            return None
        done = self._lake.read("runs").where("stage = 'pairs' AND status = 'done' AND output_version IS NOT NULL")
        seen = done.selectExpr("max_by(input_versions['embeddings'], started_at) AS seen").collect()[0]["seen"]
        return None if seen is None else int(seen)


def _print_report(report: MaintenanceReport, *, is_dry: bool) -> None:
    """Print a line for each table, and what was removed beside them."""
    from jobs.commands.printing import print_rows

    rows = []
    for one in report.tables:
        counted = f"{one.num_vacuumed_files}{'+' if one.num_vacuumed_files == MAX_LISTED_FILES else ''}"
        rows.append(
            (
                one.table,
                f"{one.before.version} > {one.after.version}",
                f"{one.before.num_files} > {one.after.num_files}",
                f"{one.before.num_bytes} > {one.after.num_bytes}",
                f"{one.before.num_stored_bytes} > {one.after.num_stored_bytes}",
                counted,
                f"{one.retention_hours:g} h",
                "; ".join(one.expired),
            )
        )
    columns = ("table", "version", "files", "bytes", "stored bytes", "vacuumed", "kept for", "expired")
    print_rows(columns, rows, "nothing is changed: this would be done" if is_dry else None)
    for run_id in report.going:
        sys.stdout.write(f"going, and respected: {run_id}\n")
    for uri in report.removed:
        sys.stdout.write(f"{'to remove' if is_dry else 'removed'}: {uri}\n")


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
