"""Names and texts as Spark SQL writes them."""

from __future__ import annotations


def quote_name(name: str) -> str:
    """Quote an identifier; of a table that lies at a path, the path."""
    return "`" + name.replace("`", "``") + "`"


def quote_text(value: str) -> str:
    """Quote a text."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
