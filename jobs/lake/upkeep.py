"""Layout of the tables' files: OPTIMIZE, VACUUM, and DELETE of what has expired. The other half of `jobs.lake.lake`."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.lake.commits import UPKEEP, retry_conflicts
from jobs.lake.quoting import quote_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import Column, SparkSession

    from jobs.contracts.table import Table
    from jobs.lake.lake import Lake

_USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
MAX_LISTED_FILES = 1000
"""A dry run of VACUUM names no more."""


@dataclass(frozen=True)
class Size:
    """What a table takes.

    Attributes:
        version: its newest commit.
        num_files: files that its newest version reads.
        num_bytes: of those.
        num_stored_files: all files in its folder: those of older versions, of killed writes and its log too.
        num_stored_bytes: of those.
    """

    version: int
    num_files: int
    num_bytes: int
    num_stored_files: int
    num_stored_bytes: int


def measure_table(lake: Lake, table: Table) -> Size:
    """Measure a table. Runs on: driver."""
    detail = lake.spark.sql(f"DESCRIBE DETAIL {_address(lake, table)}").collect()[0]
    stored = lake.files.measure(lake.path(table.name))
    version = lake.commits(table, 1)[0].version
    return Size(version, detail["numFiles"], detail["sizeInBytes"], stored.num_files, stored.num_bytes)


def optimize_table(lake: Lake, table: Table) -> None:
    """Lay the files out anew where they are small or not clustered on the key; nothing where they are.

    Rows stay as they are, and so does what `Lake.version` says. Runs on: driver and executors.
    """
    retry_conflicts(lambda: lake.spark.sql(f"OPTIMIZE {_address(lake, table)}").collect(), table.name)


def delete_expired(lake: Lake, table: Table, condition: Column) -> None:
    """Delete rows that no run reads any more; `Lake.version` passes the commit over. Runs on: driver and executors."""
    from delta.tables import DeltaTable

    stored = DeltaTable.forPath(lake.spark, lake.path(table.name))
    with _settings(lake.spark, {_USER_METADATA: json.dumps(UPKEEP)}):
        retry_conflicts(lambda: stored.delete(condition), table.name)


def vacuum_table(lake: Lake, table: Table, retention_hours: float, *, is_dry: bool) -> int:
    """Delete files that no version of the last hours reads, where there are any; return how many, at most 1000.

    The caller answers for the retention: Delta's own check refuses whatever is shorter than a week.
    Runs on: driver and executors.
    """
    statement = f"VACUUM {_address(lake, table)} RETAIN {retention_hours:.6f} HOURS"
    settings = {"spark.databricks.delta.retentionDurationCheck.enabled": "false"}
    # A folder is listed in 10,000 tasks by default, which take two minutes on two cores.
    parallelism = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
    if lake.spark.conf.get(parallelism) == "10000":
        settings[parallelism] = str(2 * lake.spark.sparkContext.defaultParallelism)
    with _settings(lake.spark, settings):
        num_files = lake.spark.sql(f"{statement} DRY RUN").count()
        if num_files and not is_dry:
            lake.spark.sql(statement).collect()
    return num_files


def find_oldest_needed(lake: Lake, table: Table, version: int) -> float | None:
    """Return since when the files of an older version are no longer those of the newest: seconds since 1970, UTC.

    None where they still are, or where the log no longer tells. Runs on: driver.
    """
    newest = lake.last_version_alike(table, version)
    if newest is None:
        return None
    replaced = [commit.timestamp for commit in lake.commits(table, None) if commit.version == newest + 1]
    return replaced[0].timestamp() if replaced else None


def _address(lake: Lake, table: Table) -> str:
    """Return a table's name in SQL."""
    return f"delta.{quote_name(lake.path(table.name))}"


@contextmanager
def _settings(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Give the session settings for a while."""
    before = {key: spark.conf.get(key, None) for key in settings}
    for key, value in settings.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, earlier in before.items():
            if earlier is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, earlier)
