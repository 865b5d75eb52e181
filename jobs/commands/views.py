"""`ndvr views`: create the views for analysts in a catalog and register the tables there, or print the SQL."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.pipeline import NIGHTLY_TABLES, TABLES
from jobs.sharing.views import CatalogEntries, CatalogLocation, create_entries

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr views --lake /data/lake --schema ndvr --print",
        "ndvr views --lake /data/lake --schema ndvr --tables",
    ),
)
def views(  # noqa: PLR0913 -- one parameter per option
    lake: options.LakeOption,
    *,
    catalog: Annotated[str | None, typer.Option(help="Catalog of the views.", show_default="the session's")] = None,
    schema: Annotated[
        str | None, typer.Option(help="Schema of the views; created if missing.", show_default="the session's")
    ] = None,
    with_tables: Annotated[
        bool, typer.Option("--tables", help="Register the tables too; the views then read them by name.")
    ] = False,
    is_replacing: Annotated[
        bool, typer.Option("--replace", help="Replace views with these names that ndvr did not create.")
    ] = False,
    is_printed: Annotated[bool, typer.Option("--print", help="Print the SQL instead of creating the views.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON array of names, or of statements with --print.")
    ] = False,
) -> None:
    """Create the views for analysts in the catalog that the Spark session is connected to.

    Without --tables the views read the tables by path. With --tables each table of the lake is registered in the schema
    as an external table, so that the catalog lists it and can grant access to it. Name the catalog in the settings
    (Hive: `spark.conf` with spark.sql.catalogImplementation: hive), or print the SQL and run it elsewhere.
    Views that an earlier version of ndvr created are replaced with --replace only. `ndvr sql` offers the views without
    this command, and changes_since_last_run too, which reads an earlier version of a table.

    Exit codes: 0 success; 2 invalid usage, a lake without tables, a catalog that cannot store views, or existing views
    or tables of others.
    """
    if catalog and not schema:
        raise UsageError("--catalog requires --schema: the full name of a view is catalog.schema.view")
    if with_tables and not schema:
        raise UsageError(
            "--tables requires --schema: tables with common names, such as pairs, need a schema of their own"
        )
    location, root = CatalogLocation(catalog, schema), absolute(lake)
    if is_printed:
        names = tuple(table.name for table in NIGHTLY_TABLES) if with_tables else ()
        statements = CatalogEntries(root, location, names).statements()
        printed = "".join(f"{statement};\n\n" for statement in statements)
        sys.stdout.write(json.dumps(statements) + "\n" if as_json else printed)
        return
    from jobs.commands.open_lake import open_lake

    opened = open_lake(root)
    names = tuple(table.name for table in TABLES if with_tables and opened.exists(table))
    created = create_entries(opened.spark, CatalogEntries(root, location, names), is_replacing=is_replacing)
    sys.stdout.write(json.dumps(created) + "\n" if as_json else "".join(f"{name}\n" for name in created))


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
