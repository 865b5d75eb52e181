"""Prints rows as a table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table as TextTable

if TYPE_CHECKING:
    from collections.abc import Sequence


_MAX_TABLE_CELL_CHARACTERS = 60


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """Print rows to standard output as a table; long values are truncated."""
    table = TextTable(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_shorten(value) for value in row))
    width = None if sys.stdout.isatty() else 200
    Console(width=width).print(table)


def _shorten(value: Any) -> str:  # noqa: ANN401 - a cell may hold anything
    """Return a cell's text, truncated if it is long."""
    text = "" if value is None else str(value)
    return text if len(text) <= _MAX_TABLE_CELL_CHARACTERS else text[: _MAX_TABLE_CELL_CHARACTERS - 1] + "…"
