"""The command that upgrades the tables of an older version of ndvr to the schema of this version."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

import ndvr_start  # noqa: F401 - first: PYTHONPATH may contain another package with the name of ours
from jobs.commands import options
from jobs.commands.command_line import Command, run_command, show_examples
from jobs.lake.location import absolute

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(
    cls=Command,
    epilog=show_examples(
        "ndvr upgrade --lake /data/lake --dry-run",
        "ndvr upgrade --lake /data/lake",
    ),
)
def upgrade(
    lake: options.LakeOption,
    *,
    is_dry: Annotated[bool, typer.Option("--dry-run", help="Print what would be done; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Upgrade the tables of an older version of ndvr to the schema of this version.

    It adds nullable columns, and sets comments, checks, statistics and clustering. It rewrites no rows. Nightly runs do
    not upgrade tables, because an older version that still writes to the lake does not have the new columns. If it is
    interrupted, run it again. If nothing differs, it does nothing.

    Exit codes: 0 done; 2 bad usage; 3 a table differs in a way that cannot be fixed in place (then no table is
    changed), or its rows break a check of this version.
    """
    from jobs.commands.open_lake import open_lake
    from jobs.commands.printing import print_rows
    from jobs.maintenance.schema_upgrade import apply_changes, find_changes
    from jobs.pipeline import TABLES

    opened = open_lake(absolute(lake))
    changes = find_changes(opened, TABLES)
    if not is_dry:
        apply_changes(opened, changes)
    if as_json:
        for change in changes:
            sys.stdout.write(json.dumps(asdict(change), ensure_ascii=False) + "\n")
    elif changes:
        print_rows(("table", "to do" if is_dry else "done"), [(change.table, change.what) for change in changes])
    else:
        sys.stdout.write("nothing differs\n")


def main() -> int:
    """Run the command line and return the exit code."""
    return run_command(app)


if __name__ == "__main__":
    sys.exit(main())
