"""The result of a maintenance run, as JSON fields and as a table for the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.lake.table_maintenance import MAX_LISTED_FILES

if TYPE_CHECKING:
    from jobs.lake.table_maintenance import TableSize
    from jobs.maintenance.cells import CellsReport

REPORT_COLUMNS = ("table", "version", "files", "bytes", "stored bytes", "vacuumed", "kept for", "expired")


@dataclass
class TableReport:
    """What a maintenance run did to a table, or would do in a dry run.

    Attributes:
        table: name of the table.
        before: its size before the run.
        after: its size after the run; equal to `before` in a dry run.
        retention_hours: how long files are kept that the newest version does not read.
        num_vacuumed_files: number of such files that were older and are deleted; at most 1000 are counted.
        expired: descriptions of the deleted rows.
    """

    table: str
    before: TableSize
    after: TableSize
    retention_hours: float
    num_vacuumed_files: int
    expired: list[str]


@dataclass
class MaintenanceReport:
    """What a maintenance run did, or would do in a dry run.

    Attributes:
        going: run_ids of active runs, whose files are kept.
        removed: URIs of folders of killed runs, old logs, and indexes of models without embeddings.
        tables: one report for each existing table.
        cells: what was done to the cells of the search; None if the model has none.
    """

    going: list[str]
    removed: list[str]
    tables: list[TableReport] = field(default_factory=list)
    cells: CellsReport | None = None


def make_report_rows(report: MaintenanceReport) -> list[tuple[str, ...]]:
    """Return a row of REPORT_COLUMNS for each table."""
    return [_make_row(table) for table in report.tables]


def _make_row(table: TableReport) -> tuple[str, ...]:
    at_limit = "+" if table.num_vacuumed_files == MAX_LISTED_FILES else ""
    return (
        table.table,
        f"{table.before.version} > {table.after.version}",
        f"{table.before.num_files} > {table.after.num_files}",
        f"{table.before.num_bytes} > {table.after.num_bytes}",
        f"{table.before.num_stored_bytes} > {table.after.num_stored_bytes}",
        f"{table.num_vacuumed_files}{at_limit}",
        f"{table.retention_hours:g} h",
        "; ".join(table.expired),
    )
