"""`ndvr views`: create the views for analysts in a catalog, or print their SQL."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.sharing.views import ViewLocation, create_views, make_statements

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr views --lake /data/lake --schema ndvr --print",
        "ndvr views --lake /data/lake --schema ndvr",
    ),
)
def views(
    lake: options.LakeOption,
    *,
    catalog: Annotated[str | None, typer.Option(help="Catalog of the views.", show_default="the session's")] = None,
    schema: Annotated[
        str | None, typer.Option(help="Schema of the views; created if missing.", show_default="the session's")
    ] = None,
    is_replacing: Annotated[
        bool, typer.Option("--replace", help="Replace views with these names that ndvr did not create.")
    ] = False,
    is_printed: Annotated[bool, typer.Option("--print", help="Print the SQL instead of creating the views.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON array of view names, or of statements with --print.")
    ] = False,
) -> None:
    """Create the views for analysts in the catalog that the Spark session is connected to.

    The views read the tables by path, so the tables need not be registered. Run this command by spark-submit with the
    settings of the catalog (Hive: spark.sql.catalogImplementation=hive), or print the SQL and run it elsewhere.
    Views that an earlier version of ndvr created are replaced with --replace only. `ndvr sql` offers the views without
    this command, and changes_since_last_run too, which reads an earlier version of a table.

    Exit codes: 0 success; 2 invalid usage, a lake without tables, a catalog that cannot store views, or existing views
    of others.
    """
    if catalog and not schema:
        raise UsageError("--catalog requires --schema: the full name of a view is catalog.schema.view")
    location, root = ViewLocation(catalog, schema), absolute(lake)
    if is_printed:
        statements = make_statements(root, location)
        printed = "".join(f"{statement};\n\n" for statement in statements)
        sys.stdout.write(json.dumps(statements) + "\n" if as_json else printed)
        return
    from jobs.commands.open_lake import open_lake

    names = create_views(open_lake(root), location, is_replacing=is_replacing)
    sys.stdout.write(json.dumps(names) + "\n" if as_json else "".join(f"{name}\n" for name in names))


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
