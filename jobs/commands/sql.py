"""`ndvr sql`: run a query over the tables of a lake and print its rows as a table, CSV or JSON lines."""

from __future__ import annotations

import csv
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from pyspark.errors import (
    AnalysisException,
    ArithmeticException,
    ArrayIndexOutOfBoundsException,
    DateTimeException,
    NumberFormatException,
    ParseException,
    SparkRuntimeException,
)

from jobs.commands import options
from jobs.commands.command_line import Command, show_examples
from jobs.commands.open_lake import open_lake
from jobs.commands.printing import print_rows
from jobs.errors import UsageError, first_line
from jobs.lake.location import absolute
from jobs.lake.read_only import find_effect
from jobs.pipeline import TABLES
from jobs.sharing.cells import as_json, as_text, collect_cells
from jobs.sharing.views import add_temp_views

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
_FAILURES = (
    ArithmeticException,
    ArrayIndexOutOfBoundsException,
    DateTimeException,
    NumberFormatException,
    SparkRuntimeException,
)
"""Errors that a value causes while a query runs, for example a division by zero."""


class OutputFormat(StrEnum):
    """How the rows of a query are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@app.command(
    cls=Command,
    epilog=show_examples(
        'ndvr sql --lake /data/lake "SELECT * FROM duplicates"',
        'ndvr sql --lake /data/lake --format csv "SELECT * FROM review_queue" > queue.csv',
        'ndvr sql --lake /data/lake --json "FROM run_history |> LIMIT 1"',
    ),
)
def sql(
    query: Annotated[str, typer.Argument(help="Spark SQL.")],
    lake: options.LakeOption,
    output: Annotated[
        OutputFormat, typer.Option("--format", help="Output format. Only `table` shortens long values.")
    ] = OutputFormat.TABLE,
    *,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON lines; same as --format json.")] = False,
    is_writing: Annotated[bool, typer.Option("--write", help="Allow a statement that may change something.")] = False,
) -> None:
    """Query the tables of a lake in SQL.

    The tables are manifest, descriptors, quarantine, embeddings, pairs, decisions, clusters, cluster_events,
    duplicates, runs and claims. The views (docs/sql.md) are current_duplicates, new_duplicates, reclaimable_bytes,
    biggest_clusters, review_queue, quarantined_videos and run_history. Times are UTC.

    Without --write, a statement that may do more than read is refused before anything of it is run. SELECT, EXPLAIN,
    DESCRIBE and SHOW only read.

    Exit codes: 0 success; 2 invalid usage, a lake without tables, an invalid query, or a statement that needs --write.
    """
    print_query(query, absolute(lake), "json" if is_json else output, is_writing=is_writing)


def print_query(query: str, lake_uri: str, output: str, *, is_writing: bool = False) -> None:
    """Run a query over the lake's tables and print its rows to standard output. Runs on: driver.

    Args:
        query: Spark SQL over the tables of the lake and the views of `jobs.views.queries`.
        lake_uri: absolute path or URI.
        output: `table`, `csv` (with a header) or `json` (one object per line).
        is_writing: whether the query may do more than read.

    Raises:
        UsageError: the lake has no tables, the query is invalid, or it may do more than read.
    """
    lake = open_lake(lake_uri)
    try:
        effect = None if is_writing else find_effect(lake.spark, query)
        if effect is not None:
            raise UsageError(f"nothing was run: the statement may do more than read ({effect}); pass --write to run it")
        add_temp_views(lake.spark, query, {table.name for table in TABLES if lake.exists(table)})
        answer = lake.spark.sql(query)
        if output == "json":
            _check_names(answer.columns)
        columns, rows = answer.columns, collect_cells(answer)
    except (AnalysisException, ParseException) as error:
        raise UsageError(f"invalid query: {first_line(error.getMessage())}") from error
    except _FAILURES as error:
        raise UsageError(f"the query failed: {first_line(error.getMessage())}") from error
    if output == "json":
        sys.stdout.writelines(as_json(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
        return
    texts = [[as_text(cell) for cell in row] for row in rows]
    if output == "csv":
        writer = csv.writer(sys.stdout)  # RFC 4180; nulls are empty fields
        writer.writerows([columns, *texts])
    else:
        print_rows(columns, texts)


def _check_names(columns: Sequence[str]) -> None:
    """Raise UsageError if two columns have one name: a JSON object would lose the first."""
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise UsageError(f"several columns are called {', '.join(repeated)}; name them with AS, or print CSV")
