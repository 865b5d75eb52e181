"""Answers statements with Spark: those that DuckDB may not answer, and those that write. Runs on the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import (
    AnalysisException,
    ArithmeticException,
    ArrayIndexOutOfBoundsException,
    DateTimeException,
    NumberFormatException,
    ParseException,
    SparkRuntimeException,
)

from jobs.errors import UsageError, first_line
from jobs.lake.read_only import find_effect
from jobs.pipeline import TABLES
from jobs.querying.answer import AnswerRows
from jobs.querying.early_checks import explain_effect
from jobs.sharing.cells import collect_cells
from jobs.views.selection import add_temp_views

if TYPE_CHECKING:
    from jobs.lake.lake import Lake

_FAILURES = (
    ArithmeticException,
    ArrayIndexOutOfBoundsException,
    DateTimeException,
    NumberFormatException,
    SparkRuntimeException,
)
"""Errors that a value causes while a query runs, for example a division by zero."""


class SparkEngine:
    """Answers statements over the tables of a lake.

    Args:
        lake: the lake; its tables have temporary views with their names.
        is_writing: whether statements may do more than read.
    """

    def __init__(self, lake: Lake, *, is_writing: bool) -> None:
        self._lake = lake
        self._is_writing = is_writing

    def answer(self, statement: str) -> AnswerRows:
        """Answer a statement.

        Raises:
            UsageError: the statement is invalid, fails on a value, or may do more than read.
        """
        spark = self._lake.spark
        try:
            effect = None if self._is_writing else find_effect(spark, statement)
            if effect is not None:
                raise explain_effect(effect)
            add_temp_views(self._lake, statement, {table.name for table in TABLES if self._lake.exists(table)})
            rows = spark.sql(statement)
            return AnswerRows(rows.columns, collect_cells(rows))
        except (AnalysisException, ParseException) as error:
            raise UsageError(f"invalid query: {first_line(error.getMessage())}") from error
        except _FAILURES as error:
            raise UsageError(f"the query failed: {first_line(error.getMessage())}") from error
