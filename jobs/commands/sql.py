"""`ndvr sql`: answer statements over the tables and views of a lake, as a table, CSV or JSON lines."""

from __future__ import annotations

import csv
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.commands import options
from jobs.commands.command_line import Command, show_examples
from jobs.commands.printing import print_answer
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.querying.answer import as_json, as_text
from jobs.querying.parsing import has_words, split_statements
from jobs.querying.session import Engine, QuerySession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.lake.lake import Lake
    from jobs.querying.answer import AnswerRows

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
        'ndvr sql --lake /data/lake --json "SHOW TABLES"',
        "ndvr sql --lake /data/lake < statements.sql",
        "ndvr sql --lake /data/lake",
    ),
)
def sql(
    lake: options.LakeOption,
    query: Annotated[
        str | None, typer.Argument(help="Spark SQL.", show_default="statements from standard input, or a prompt")
    ] = None,
    output: Annotated[
        OutputFormat, typer.Option("--format", help="Output format. Only `table` shortens lists, maps and structs.")
    ] = OutputFormat.TABLE,
    engine: Annotated[
        Engine, typer.Option(help="What answers: `auto` is DuckDB where its answer is that of Spark, else Spark.")
    ] = Engine.AUTO,
    *,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON lines; same as --format json.")] = False,
    is_writing: Annotated[bool, typer.Option("--write", help="Allow a statement that may change something.")] = False,
) -> None:
    """Query the tables of a lake in SQL.

    SHOW TABLES lists the tables and views (docs/sql.md), and DESCRIBE lists the columns of one. Times are UTC. Without
    a query, statements that end in a semicolon are read from standard input. On a terminal there is a prompt with
    history and completion. All statements use one session.

    Without --write, a statement that may do more than read is refused before anything of it is run. SELECT, EXPLAIN,
    DESCRIBE and SHOW only read.

    Exit codes: 0 success; 2 invalid usage, a lake without tables, an invalid query, or a statement that needs --write.
    """
    chosen = OutputFormat.JSON if is_json else output
    session = QuerySession(absolute(lake), _open_lake, engine, is_writing=is_writing, report_start=_report_start)
    if query is not None:
        print_rows_as(session.answer(query), chosen)
    elif sys.stdin.isatty():
        from jobs.commands.sql_prompt import run_prompt

        run_prompt(session, lambda answer: print_rows_as(answer, chosen))
    else:
        _answer_input(session, chosen)


def print_rows_as(answer: AnswerRows, output: OutputFormat) -> None:
    """Print an answer to standard output.

    Raises:
        UsageError: two columns have one name, and a JSON object would lose the first.
    """
    if output == OutputFormat.JSON:
        _check_names(answer.columns)
        sys.stdout.writelines(as_json(dict(zip(answer.columns, row, strict=True))) + "\n" for row in answer.rows)
    elif output == OutputFormat.CSV:
        writer = csv.writer(sys.stdout)  # RFC 4180; nulls are empty fields
        writer.writerow(answer.columns)
        writer.writerows([as_text(cell) for cell in row] for row in answer.rows)
    else:
        print_answer(answer)


def _answer_input(session: QuerySession, output: OutputFormat) -> None:
    """Answer the statements of standard input in order. The first that fails ends the command."""
    complete, rest = split_statements(sys.stdin.read())
    statements = [*complete, *([rest] if has_words(rest) else [])]
    if not statements:
        raise UsageError("standard input has no statement; pass a query as an argument, or statements that end in ;")
    for number, statement in enumerate(statements):
        if number and output != OutputFormat.JSON:
            sys.stdout.write("\n")
        print_rows_as(session.answer(statement), output)


def _open_lake(lake_uri: str) -> Lake:
    """Start Spark and open the lake."""
    from jobs.commands.open_lake import open_lake

    return open_lake(lake_uri)


def _report_start(reason: str) -> None:
    """Say on a terminal why an answer takes longer."""
    if sys.stderr.isatty():
        sys.stderr.write(f"starting Spark, which takes some seconds: {reason}\n")


def _check_names(columns: Sequence[str]) -> None:
    """Raise UsageError if two columns have one name: a JSON object would lose the first."""
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise UsageError(f"several columns are called {', '.join(repeated)}; name them with AS, or print CSV")
