"""Quoting of names and texts for Spark SQL."""

from __future__ import annotations


def quote_name(name: str) -> str:
    """Quote an identifier, or the path of a table that is addressed by path."""
    return "`" + name.replace("`", "``") + "`"


def quote_text(value: str) -> str:
    """Quote a string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
