"""`ndvr sql`: run a query over the tables of a lake and print its rows as a table, CSV or JSON lines."""

from __future__ import annotations

import csv
import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pyspark.errors import AnalysisException, ParseException

from jobs.commands import options
from jobs.commands.command_line import Command, show_examples
from jobs.commands.open_lake import open_lake
from jobs.commands.printing import print_rows
from jobs.errors import UsageError, first_line
from jobs.lake.location import absolute
from jobs.pipeline import TABLES
from jobs.sharing.views import add_temp_views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Row

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines; same as --format json.")] = False,
) -> None:
    """Query the tables of a lake in SQL.

    The tables are manifest, descriptors, quarantine, embeddings, pairs, decisions, clusters, cluster_events,
    duplicates, runs and claims. The views (docs/sql.md) are current_duplicates, new_duplicates, reclaimable_bytes,
    biggest_clusters, review_queue, quarantined_videos and run_history.

    Exit codes: 0 success; 2 invalid usage, a lake without tables, or an invalid query.
    """
    print_query(query, absolute(lake), "json" if as_json else output)


def print_query(query: str, lake_uri: str, output: str) -> None:
    """Run a query over the lake's tables and print its rows to standard output. Runs on: driver.

    Args:
        query: Spark SQL over the tables of the lake and the views of `jobs.sharing.view_queries`.
        lake_uri: absolute path or URI.
        output: `table`, `csv` (with a header) or `json` (one object per line).

    Raises:
        UsageError: the lake has no tables, or the query is invalid.
    """
    lake = open_lake(lake_uri)
    try:
        add_temp_views(lake.spark, query, {table.name for table in TABLES if lake.exists(table)})
        answer = lake.spark.sql(query)
        columns, rows = answer.columns, answer.collect()
    except (AnalysisException, ParseException) as error:
        raise UsageError(f"invalid query: {first_line(error.getMessage())}") from error
    if output == "csv":
        _print_csv(columns, rows)
    elif output == "json":
        for row in rows:
            sys.stdout.write(json.dumps(row.asDict(recursive=True), default=_as_json, ensure_ascii=False) + "\n")
    else:
        print_rows(columns, rows)


def _print_csv(columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Print rows as CSV (RFC 4180). Nulls are empty fields; nested values are JSON."""
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    for row in rows:
        nested = (dict, list, bytearray)
        writer.writerow(json.dumps(value, default=_as_json) if isinstance(value, nested) else value for value in row)


def _as_json(value: Any) -> Any:  # noqa: ANN401 - a cell may hold anything
    """Convert a value that JSON cannot hold: bytes to hexadecimal, times to ISO 8601."""
    if isinstance(value, bytearray | bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
