"""Prints rows: as a table, or one field per line where a table does not fit."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table as TextTable
from rich.text import Text

from jobs.querying.answer import as_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jobs.querying.answer import AnswerRows


_MAX_TABLE_CELL_CHARACTERS = 60
_MAX_NESTED_CHARACTERS = 100
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNLIMITED = 10**6
_WIDTH = 200
"""Characters of a line if standard output is no terminal."""


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """Print rows to standard output as a table; long values are truncated."""
    table = TextTable(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(Text(_shorten(_write(value), _MAX_TABLE_CELL_CHARACTERS)) for value in row))
    _open_console().print(table)


def print_answer(answer: AnswerRows) -> None:
    """Print the rows of an answer to standard output: as a table if its lines fit, else one field per line.

    Texts are printed whole. Lists, maps and structs are truncated.
    """
    texts = [[_write_cell(cell) for cell in row] for row in answer.rows]
    console = _open_console()
    table = TextTable()
    for name in answer.columns:
        table.add_column(Text(name))
    for row in texts:
        table.add_row(*map(Text, row))
    if console.measure(table, options=console.options.update(width=_UNLIMITED)).maximum <= console.width:
        console.print(table)
    else:
        sys.stdout.write("\n".join(_write_fields(answer.columns, texts)))


def _write_fields(columns: Sequence[str], texts: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the text of each row, one field per line. The lines of a long text are below each other."""
    width = max(len(name) for name in columns)
    indent = "\n" + " " * (width + 4)
    for number, row in enumerate(texts, 1):
        fields = [
            f"  {name.ljust(width)}  {text.replace(chr(10), indent)}".rstrip()
            for name, text in zip(columns, row, strict=True)
        ]
        yield "\n".join([f"{number} of {len(texts)}", *fields, ""])


def _open_console() -> Console:
    """Return the console of standard output."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH)


def _write_cell(cell: Any) -> str:  # noqa: ANN401 - a cell may hold anything
    """Return a cell's text, without characters that control a terminal."""
    text = _write(as_text(cell))
    return _shorten(text, _MAX_NESTED_CHARACTERS) if isinstance(cell, list | dict) else _escape(text)


def _escape(text: str) -> str:
    """Return a text in which characters that control a terminal are written as hexadecimal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _write(value: Any) -> str:  # noqa: ANN401 - as above
    return "" if value is None else str(value)


def _shorten(text: str, max_characters: int) -> str:
    """Return a text, truncated if it is long."""
    return text if len(text) <= max_characters else text[: max_characters - 1] + "…"
