"""The views that analysts ask: each is defined once, as SQL over the tables, wherever those lie."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.errors import UsageError
from jobs.lake.location import absolute
from jobs.sharing.views import Place, create_views, make_statements

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
    catalog: Annotated[str | None, typer.Option(help="Catalogue of the views.", show_default="the session's")] = None,
    schema: Annotated[
        str | None, typer.Option(help="Schema of the views, made if it is not there.", show_default="the session's")
    ] = None,
    is_printed: Annotated[bool, typer.Option("--print", help="Print the SQL and create nothing.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON array: the names of the views, or with --print the statements.")
    ] = False,
) -> None:
    """Create the views for analysts in the catalogue that the session is connected to.

    They read the tables by their paths, so no table need be registered. Start it by spark-submit with the settings of
    the catalogue (Hive: spark.sql.catalogImplementation=hive), or print the SQL and run it where it shall hold.
    `ndvr sql` knows the views without this.

    Exit codes: 0 done; 2 bad usage, no tables there, or a catalogue that keeps no views.
    """
    if catalog and not schema:
        raise UsageError("--catalog needs --schema: a view's name is catalog.schema.view")
    place, root = Place(catalog, schema), absolute(lake)
    if is_printed:
        statements = make_statements(root, place)
        printed = "".join(f"{statement};\n\n" for statement in statements)
        sys.stdout.write(json.dumps(statements) + "\n" if as_json else printed)
        return
    from jobs.commands.open_lake import open_lake

    names = create_views(open_lake(root), place)
    sys.stdout.write(json.dumps(names) + "\n" if as_json else "".join(f"{name}\n" for name in names))


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
