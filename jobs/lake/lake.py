"""Reading and writing of the Delta tables; `jobs.lake.table_maintenance` maintains their files."""

from __future__ import annotations

import json
from itertools import takewhile
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from jobs.contracts.run_log import log
from jobs.errors import ContractError
from jobs.lake.commit_locks import CommitLocks
from jobs.lake.commits import USER_METADATA, first_lines, read_commits, retry_conflicts
from jobs.lake.files import LakeFiles
from jobs.lake.readers import literal_reader
from jobs.lake.row_changes import find_changes, same_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pyspark.sql import Column, DataFrame, SparkSession

    from jobs.contracts.run import Run
    from jobs.contracts.table import Table
    from jobs.lake.commits import Commit

# Tasks move their files into the folder, and the driver does not move them again: in S3 a move is a copy. Nothing reads
# the folder before the job has succeeded, and a repeated task writes the same names.
_COMMITTER = "mapreduce.fileoutputcommitter"
_STAGED = {f"{_COMMITTER}.algorithm.version": "2", f"{_COMMITTER}.marksuccessfuljobs": "false"}


def _repeated_key_error(table: Table) -> ContractError:
    key = ", ".join(table.key)
    return ContractError(f"table {table.name}: several rows have the same key ({key}); the key must be unique")


class Lake:
    """The Delta tables under one root, and the files beside them (`files`). Runs on: driver.

    Args:
        spark: session with Delta's extension.
        root: folder or URI that a Hadoop file system can open.
    """

    def __init__(self, spark: SparkSession, root: str) -> None:
        self.spark = spark
        self.root = root.rstrip("/")
        self.files = LakeFiles(spark)
        self.locks = CommitLocks(self.files, self.root)
        self._staged: dict[str, DataFrame] = {}

    def path(self, name: str) -> str:
        """Return the path of table `name`."""
        return f"{self.root}/{name}"

    def exists(self, table: Table) -> bool:
        """Return whether the table exists."""
        from delta.tables import DeltaTable

        return DeltaTable.isDeltaTable(self.spark, self.path(table.name))

    def create(self, table: Table) -> None:
        """Create the table in one commit, with comments, checks and clustering, unless it exists.

        Raises:
            ContractError: the existing table has other columns.
        """
        from delta.tables import DeltaTable

        if self.exists(table):
            self._check_columns(table, self.read(table.name), "has")
            return
        builder = (
            DeltaTable.createIfNotExists(self.spark)
            .location(self.path(table.name))
            .addColumns(table.schema)
            .comment(table.grain)
            .clusterBy(*table.clustering)
            .property("delta.dataSkippingNumIndexedCols", str(table.num_indexed_columns))
        )
        for constraint, expression in table.checks.items():
            builder = builder.property(f"delta.constraints.{constraint}", expression)
        retry_conflicts(lambda: self.locks.run(table.name, builder.execute), table.name)

    def provide(self, name: str, rows: DataFrame) -> None:
        """Make `read(name)` return these rows, which are in no table of the lake."""
        self._staged[name] = rows

    def read(self, name: str) -> DataFrame:
        """Return the rows that this run provided or staged under a name, else the stored table."""
        staged = self._staged.get(name)
        return self.spark.read.format("delta").load(self.path(name)) if staged is None else staged

    def version(self, table: Table) -> int:
        """Return the version of the newest commit that changed the table's rows; -1 if the log has none.

        Commits of maintenance are ignored, so that compacted files do not cause a rebuild.
        """
        return next((commit.version for commit in self.commits(table) if commit.changes_rows), -1)

    def last_version_with_same_rows(self, table: Table, version: int) -> int | None:
        """Return the last version that has the rows of `version`; None if the current version still has them.

        If the log no longer contains the commits that follow, it is `version` itself.
        """
        later = list(takewhile(lambda commit: commit.version > version, self.commits(table)))
        if later and later[-1].version > version + 1:
            return version
        return next((commit.version - 1 for commit in reversed(later) if commit.changes_rows), None)

    def commits(self, table: Table) -> Iterator[Commit]:
        """Yield the commits that the log contains, newest first; each costs the read of a file."""
        return read_commits(self.files, self.path(table.name))

    def stage(self, table: Table, rows: DataFrame, run: Run) -> DataFrame:
        """Write rows to the staging area and read them back, so that the query that made them runs once.

        A Python UDF "may even be invoked more times than it is present in the query" (PySpark's documentation of
        `pyspark.sql.functions.udf`); a written file does not change.
        """
        self._check_columns(table, rows, "was built with")
        path = f"{self.root}/_staging/{run.run_id}/{table.name}"
        rows.select(*[f.name for f in table.schema.fields]).write.options(**_STAGED).mode("overwrite").parquet(path)
        staged = literal_reader(self.spark).schema(table.schema).parquet(path)
        self._staged[table.name] = staged
        return staged

    def checkpoint(self, name: str, rows: DataFrame, run: Run) -> DataFrame:
        """Write rows that a build uses more than once to the staging area, and read them back."""
        path = f"{self.root}/_staging/{run.run_id}/_{name}"
        rows.write.options(**_STAGED).mode("overwrite").parquet(path)
        return literal_reader(self.spark).schema(rows.schema).parquet(path)

    def read_version(self, table: Table, version: int) -> DataFrame | None:
        """Return the rows of a version of the table; None if its files or its log no longer exist.

        The newest version with the same rows is read, because its files are kept the longest.
        """
        newest = self.last_version_with_same_rows(table, version)
        try:
            reader = self.spark.read.format("delta")
            reader = reader if newest is None else reader.option("versionAsOf", newest)
            rows = reader.load(self.path(table.name))
            # A missing file raises an error only when it is read.
            rows.select(*table.key).write.format("noop").mode("overwrite").save()
        except (PySparkException, Py4JJavaError) as error:
            log.info("old version not read", table=table.name, version=version, why=first_lines(error))
            return None
        return rows

    def unstage(self, table: Table) -> None:
        """Make `read` return the stored table again."""
        self._staged.pop(table.name, None)

    def count_checked(self, table: Table, rows: DataFrame) -> int:
        """Count rows, and check the table's key and constraints before any row is published.

        Delta enforces the constraints only at the table's own commit, when other tables may already be published, and
        it has no keys.

        Raises:
            ContractError: two rows have the same key, or a row breaks a check.
        """
        broken = [
            F.count_if(~F.coalesce(F.expr(rule), F.lit(False))).alias(name) for name, rule in table.checks.items()
        ]
        counts = rows.agg(F.count("*").alias("_rows"), F.count_distinct(F.struct(*table.key)).alias("_keys"), *broken)
        found = counts.collect()[0]
        if found["_keys"] < found["_rows"]:
            raise _repeated_key_error(table)
        for name, rule in table.checks.items():
            if found[name]:
                raise ContractError(f"table {table.name}: {found[name]} rows break the check {name} ({rule})")
        return int(found["_rows"])

    def merge(
        self, table: Table, rows: DataFrame, run: Run, *, within: DataFrame | None = None, is_insert_only: bool = False
    ) -> None:
        """Merge `rows` into the table.

        New rows are inserted and rows that differ are updated. In a table that is replaced (`Table.is_replaced`),
        stored rows that are not among `rows` are deleted; where rows belong to a model, only those of this run's model.
        Without a difference there is no commit; MERGE alone would rewrite the files of equal rows. `within` limits the
        stored rows that may change to those with its keys. With `is_insert_only`, stored rows do not change.

        Raises:
            ContractError: columns, keys or values break the table's contract; the table is unchanged.
        """
        self._check_columns(table, rows, "was built with")
        self.unstage(table)
        retry_conflicts(lambda: self._merge(table, rows, run, within, is_insert_only=is_insert_only), table.name)

    def _merge(
        self, table: Table, rows: DataFrame, run: Run, within: DataFrame | None, *, is_insert_only: bool
    ) -> None:
        """Compare with the stored rows and commit the differences."""
        from delta.tables import DeltaTable

        changes = self._changes(table, rows, run, within)
        if is_insert_only:
            changes = changes.where("_change = 'insert'")
        if not changes.isEmpty():
            values: dict[str, str | Column] = {f.name: F.col(f"source.`{f.name}`") for f in table.schema.fields}
            merge = (
                DeltaTable.forPath(self.spark, self.path(table.name))
                .alias("target")
                .merge(changes.alias("source"), same_key(table.key))
                .whenMatchedDelete(condition=F.col("source._change") == "delete")
                .whenMatchedUpdate(condition=F.lit(not is_insert_only), set=values)
                .whenNotMatchedInsert(values=values)
            )
            self.commit(table, run, merge.execute)

    def _changes(self, table: Table, rows: DataFrame, run: Run, within: DataFrame | None) -> DataFrame:
        """Select the rows to insert, update or delete: see `jobs.lake.row_changes.find_changes`."""
        stored = self.read(table.name)
        if table.is_replaced and "model_id" in table.key:
            stored = stored.where(F.col("model_id") == run.model.model_id)
        if within is not None:
            stored = stored.join(within.select(*table.key), [*table.key], "left_semi")
        return find_changes(table, rows, stored)

    def append(self, table: Table, rows: DataFrame, run: Run | None = None) -> None:
        """Append rows without a check of their keys; `run` is None if a person writes them."""
        self._check_columns(table, rows, "was built with")
        writer = rows.write.format("delta").mode("append")
        self.commit(table, run, lambda: writer.save(self.path(table.name)))

    def update(self, table: Table, condition: Column, values: Mapping[str, Column]) -> None:
        """Set columns of the rows that meet a condition; repeat if another writer commits first."""
        from delta.tables import DeltaTable

        stored = DeltaTable.forPath(self.spark, self.path(table.name))
        retry_conflicts(lambda: self.commit(table, None, lambda: stored.update(condition, dict(values))), table.name)

    def clear_staging(self, run: Run) -> None:
        """Delete everything that this run has staged."""
        self.files.delete(f"{self.root}/_staging/{run.run_id}")
        self._staged.clear()

    def commit(self, table: Table, run: Run | None, write: Callable[[], object]) -> None:
        """Run a write; its commit records the run_id and the model_id, if there is a run."""
        metadata = {"run_id": run.run_id, "model_id": run.model.model_id} if run else {}
        self.spark.conf.set(USER_METADATA, json.dumps(metadata))
        try:
            self.locks.run(table.name, write)
        except (PySparkException, Py4JJavaError) as error:  # PySpark does not convert all errors of Delta
            if "DELTA_VIOLATE_CONSTRAINT" in str(error) or "DELTA_NOT_NULL_CONSTRAINT" in str(error):
                raise ContractError(f"table {table.name}: {first_lines(error)}") from error
            if "DELTA_MULTIPLE_SOURCE_ROW" in str(error):
                raise _repeated_key_error(table) from error
            raise
        finally:
            self.spark.conf.unset(USER_METADATA)

    def _check_columns(self, table: Table, rows: DataFrame, verb: str) -> None:
        """Check column names and types against the contract; Delta itself enforces NOT NULL and the checks."""
        expected = {f.name: f.dataType.simpleString() for f in table.schema.fields}
        actual = {f.name: f.dataType.simpleString() for f in rows.schema.fields}
        if expected == actual:
            return
        wrong = sorted(name for name in expected.keys() | actual.keys() if expected.get(name) != actual.get(name))
        faults = "; ".join(f"{n}: {actual.get(n, 'missing')}, expected {expected.get(n, 'no column')}" for n in wrong)
        hint = "; run `ndvr upgrade`" if verb == "has" else ""
        raise ContractError(
            f"table {table.name} at {self.path(table.name)} {verb} columns that break its contract: {faults}{hint}"
        )
