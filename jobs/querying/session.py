"""Answers the statements of one command, with the engine that fits each. Spark starts with the first that needs it."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

from jobs.errors import UsageError
from jobs.lake.location import local_folder
from jobs.lake.required_tables import no_tables
from jobs.lake.spark_installation import find_spark_home, is_submitted, read_defaults
from jobs.querying.duckdb_engine import DuckDBEngine
from jobs.querying.early_checks import check_tables, explain_effect, find_writing_word
from jobs.querying.kinds import UnsupportedError
from jobs.views.queries import BEFORE

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.lake.lake import Lake
    from jobs.querying.answer import AnswerRows
    from jobs.querying.spark_engine import SparkEngine

_CATALOG = "spark.sql.catalog"
_HARMLESS = (
    _CATALOG,
    "spark.sql.adaptive",
    "spark.sql.autoBroadcast",
    "spark.sql.extensions",
    "spark.sql.shuffle",
    "spark.sql.ui",
    "spark.sql.warehouse",
)
"""First parts of the settings of Spark SQL that change no answer."""


class Engine(StrEnum):
    """What answers a statement."""

    AUTO = "auto"
    DUCKDB = "duckdb"
    SPARK = "spark"


class QuerySession:
    """Answers statements over one lake.

    Args:
        lake_uri: absolute path or URI.
        open_lake: starts Spark, and makes a temporary view of each table.
        engine: `auto` tries DuckDB first.
        is_writing: whether statements may do more than read.
        report_start: called with the reason before Spark starts.
    """

    def __init__(
        self,
        lake_uri: str,
        open_lake: Callable[[str], Lake],
        engine: Engine = Engine.AUTO,
        *,
        is_writing: bool = False,
        report_start: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._lake_uri = lake_uri
        self._open_lake = open_lake
        self._engine = engine
        self._is_writing = is_writing
        self._report_start = report_start
        self._spark: SparkEngine | None = None
        self._reason = "" if engine != Engine.SPARK else "--engine spark"
        self._duckdb: DuckDBEngine | None = None
        if engine != Engine.SPARK:
            self._reason = find_obstacle(lake_uri)
            if not self._reason:
                self._duckdb = self._open_duckdb()

    def answer(self, statement: str) -> AnswerRows:
        """Answer a statement.

        Raises:
            UsageError: the lake has no tables; the statement is invalid, fails on a value, or may do more than read; or
                `--engine duckdb` is given and DuckDB might give another answer than Spark.
        """
        if not self._is_writing and (word := find_writing_word(statement)):
            raise explain_effect(word)
        reason = self._reason
        if self._duckdb is not None:
            try:
                return self._duckdb.answer(statement)
            except UnsupportedError as error:
                reason = str(error)
                if not (self._is_writing or sets_catalog()):
                    check_tables(statement, [*self._duckdb.list_names(), BEFORE], self._lake_uri)
        if self._engine == Engine.DUCKDB:
            raise UsageError(f"DuckDB does not answer this: {reason}; leave out --engine duckdb, so that Spark answers")
        return self._start_spark(reason).answer(statement)

    def list_words(self) -> list[str]:
        """Return the names of tables, views and columns, for completion; none if Spark alone reads the lake."""
        duckdb = self._duckdb
        return [*duckdb.list_names(), *duckdb.list_columns()] if duckdb is not None else []

    def _open_duckdb(self) -> DuckDBEngine | None:
        """Open the lake with DuckDB."""
        folder = local_folder(self._lake_uri)
        if folder is None:
            return None
        engine = DuckDBEngine(folder)
        if not engine.list_names():
            raise no_tables(self._lake_uri)
        return engine

    def _start_spark(self, reason: str) -> SparkEngine:
        """Return the engine of Spark; the first call starts it."""
        if self._spark is None:
            self._report_start(reason)
            from jobs.querying.spark_engine import SparkEngine

            self._spark = SparkEngine(self._open_lake(self._lake_uri), is_writing=self._is_writing)
        return self._spark


def find_obstacle(lake_uri: str) -> str:
    """Return why DuckDB cannot answer any statement over a lake in this process; empty if it can."""
    if local_folder(lake_uri) is None:
        return "the lake is not on this machine"
    if is_submitted() or {"PYSPARK_SUBMIT_ARGS", "NDVR_SPARK__CONF"} & os.environ.keys():
        return "Spark has settings of its own"
    changed = sorted(
        key
        for key in read_defaults(find_spark_home())
        if key.startswith("spark.sql.") and not key.startswith(_HARMLESS)
    )
    return f"spark-defaults.conf sets {changed[0]}" if changed else ""


def sets_catalog() -> bool:
    """Return whether the operator set a catalog, which may have tables beside those of the lake."""
    return any(key.startswith(_CATALOG) for key in read_defaults(find_spark_home()))
