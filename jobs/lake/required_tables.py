"""The errors of a lake that lacks tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.errors import UsageError

if TYPE_CHECKING:
    from jobs.contracts.table import Table
    from jobs.lake.lake import Lake

_REMEDY = "pass the lake of a nightly run to --lake"


def no_tables(lake_uri: str) -> UsageError:
    """Return the error of a lake without tables."""
    return UsageError(f"no tables in {lake_uri!r}; {_REMEDY}")


def require_tables(lake: Lake, *tables: Table, remedy: str = _REMEDY) -> None:
    """Check that the lake has these tables. Runs on: driver.

    Args:
        lake: the lake.
        tables: the tables that a command reads.
        remedy: what the user can do.

    Raises:
        UsageError: a table is missing; the message names the first.
    """
    missing = next((table for table in tables if not lake.exists(table)), None)
    if missing is not None:
        raise UsageError(f"no table {missing.name} in {lake.root!r}; {remedy}")
