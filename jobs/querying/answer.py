"""The answer to a statement, and its cells as text."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class AnswerRows(NamedTuple):
    """Rows of cells, as `jobs.sharing.cells` defines them.

    Attributes:
        columns: names of the columns; several may be equal.
        rows: in the order of the answer.
    """

    columns: list[str]
    rows: list[list[Any]]


def as_json(value: Any) -> str:  # noqa: ANN401 - a cell may hold anything
    """Return a cell, or an object of cells, as JSON on one line."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def as_text(value: Any) -> Any:  # noqa: ANN401 - as above
    """Return lists and objects as JSON, and other cells unchanged, for outputs that cannot nest."""
    return as_json(value) if isinstance(value, list | dict) else value
