"""Makes the views known to a Spark session. Runs on the driver."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jobs.errors import UsageError
from jobs.lake.quoting import quote_name
from jobs.tables import duplicates
from jobs.views.queries import BEFORE, BEFORE_VERSION, read_views

if TYPE_CHECKING:
    from jobs.lake.lake import Lake


def add_temp_views(lake: Lake, query: str, tables: set[str]) -> None:
    """Create a temporary view for each view that a query may name and whose tables exist.

    Args:
        lake: the lake; its tables have temporary views with their names.
        query: a statement. SHOW names all views.
        tables: names of the tables that exist.

    Raises:
        UsageError: the view compares with a version of a table that no longer exists.
    """
    is_listed = query.lstrip().upper().startswith("SHOW")
    for view in read_views():
        is_named = bool(re.search(rf"\b{view.name}\b", query, re.IGNORECASE))
        if (is_named or is_listed) and view.tables - {BEFORE} <= tables:
            before = "" if view.is_storable else name_before(lake, is_read=is_named)
            text = view.write(lambda table, before=before: before if table == BEFORE else table)  # type: ignore[misc] # mypy knows no defaults of a lambda
            lake.spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {view.name} AS {text}")


def name_before(lake: Lake, *, is_read: bool = True) -> str:
    """Return the SQL of `duplicates` as the published runs before the newest left it; without such a run, of no rows.

    Args:
        lake: the lake.
        is_read: whether it is checked that the rows of that version can be read.

    Raises:
        UsageError: the files of that version no longer exist.
    """
    path = _name(lake, "duplicates")
    version = lake.spark.sql(BEFORE_VERSION.format(runs=_name(lake, "runs"))).collect()[0]["version"]
    if version is None:
        return f"(SELECT * FROM {path} WHERE false)"
    if is_read and lake.read_version(duplicates.TABLE, version) is None:
        raise UsageError(
            f"version {version} of the table duplicates, from before the last run, no longer exists: maintenance "
            "deleted it; a longer maintenance.retention_hours keeps such versions"
        )
    newest = lake.last_version_with_same_rows(duplicates.TABLE, version)
    return path if newest is None else f"{path} VERSION AS OF {newest}"


def _name(lake: Lake, table: str) -> str:
    """Name a table by its path."""
    return f"delta.{quote_name(lake.path(table))}"
