"""Maintenance of a table's files: OPTIMIZE, VACUUM, DELETE of expired rows, and sizes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.lake.commits import UPKEEP, USER_METADATA, retry_conflicts
from jobs.lake.quoting import quote_name
from jobs.lake.session import temporary_conf

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column

    from jobs.contracts.table import Table
    from jobs.lake.lake import Lake

MAX_LISTED_FILES = 1000
"""The most files that a dry run of VACUUM lists."""


@dataclass(frozen=True)
class TableSize:
    """Size of a table.

    Attributes:
        version: its newest commit.
        num_files: number of files of its newest version.
        num_bytes: total size of those files.
        num_stored_files: number of all files in its folder, including those of older versions, of killed writes and
            of its log.
        num_stored_bytes: total size of those files.
    """

    version: int
    num_files: int
    num_bytes: int
    num_stored_files: int
    num_stored_bytes: int


def measure_table(lake: Lake, table: Table) -> TableSize:
    """Measure a table. Runs on: driver."""
    detail = lake.spark.sql(f"DESCRIBE DETAIL {_address(lake, table)}").collect()[0]
    stored = lake.files.measure(lake.path(table.name))
    version = next(lake.commits(table)).version
    return TableSize(version, detail["numFiles"], detail["sizeInBytes"], stored.num_files, stored.num_bytes)


def optimize_table(lake: Lake, table: Table) -> None:
    """Compact small files and cluster files on the key; do nothing if no file needs it.

    Neither the rows nor `Lake.version` change. Runs on: driver and executors.
    """

    def optimize() -> object:
        return lake.spark.sql(f"OPTIMIZE {_address(lake, table)}").collect()

    retry_conflicts(lambda: lake.locks.run(table.name, optimize), table.name)


def delete_expired(lake: Lake, table: Table, condition: Column) -> None:
    """Delete rows that no run reads any more, as upkeep. Runs on: driver and executors."""
    from delta.tables import DeltaTable

    stored = DeltaTable.forPath(lake.spark, lake.path(table.name))
    commit_upkeep(lake, table, lambda: stored.delete(condition))


def commit_upkeep(lake: Lake, table: Table, write: Callable[[], object]) -> None:
    """Run a write whose commit is marked as upkeep, so that `Lake.version` ignores it. Runs on: driver.

    It is repeated if another writer commits first.
    """
    with temporary_conf(lake.spark, {USER_METADATA: json.dumps(UPKEEP)}):
        retry_conflicts(lambda: lake.locks.run(table.name, write), table.name)


def vacuum_table(lake: Lake, table: Table, retention_hours: float, *, is_dry: bool) -> int:
    """Delete files that no version of the last `retention_hours` reads; return their number, at most 1000.

    Delta's own check, which refuses a retention shorter than a week, is switched off: the caller must choose a safe
    retention. Runs on: driver and executors.
    """
    statement = f"VACUUM {_address(lake, table)} RETAIN {retention_hours:.6f} HOURS"
    settings = {"spark.databricks.delta.retentionDurationCheck.enabled": "false"}
    # By default a folder is listed in 10,000 tasks, which take two minutes on two cores.
    parallelism = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
    if lake.spark.conf.get(parallelism) == "10000":
        settings[parallelism] = str(2 * lake.spark.sparkContext.defaultParallelism)
    with temporary_conf(lake.spark, settings):
        num_files = lake.spark.sql(f"{statement} DRY RUN").count()
        if num_files and not is_dry:
            lake.locks.run(table.name, lambda: lake.spark.sql(statement).collect())
    return num_files


def find_time_replaced(lake: Lake, table: Table, version: int) -> float | None:
    """Return when a later commit replaced the rows of a version, in seconds since 1970, UTC.

    None if its rows are still the current ones, or if the log no longer contains the later commit. Runs on: driver.
    """
    newest = lake.last_version_with_same_rows(table, version)
    if newest is None:
        return None
    replaced = next((commit for commit in lake.commits(table) if commit.version == newest + 1), None)
    return None if replaced is None else replaced.timestamp.timestamp()


def _address(lake: Lake, table: Table) -> str:
    """Return the name of a table in SQL."""
    return f"delta.{quote_name(lake.path(table.name))}"
