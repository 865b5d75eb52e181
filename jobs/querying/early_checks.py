"""Refuses a statement before Spark starts, where its words decide. Spark's own parser decides about the rest."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from jobs.errors import UsageError
from jobs.querying.kinds import UnsupportedError
from jobs.querying.parsing import parse_query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlglot import exp

WRITING_WORDS = frozenset({
    "ADD", "ALTER", "ANALYZE", "CACHE", "CALL", "COMMENT", "CONVERT", "CREATE", "DELETE", "DROP", "EXECUTE", "GENERATE",
    "INSERT", "MERGE", "OPTIMIZE", "REORG", "RESTORE", "SET", "TRUNCATE", "UPDATE", "VACUUM",
})  # fmt: skip
"""First words of statements that `jobs.lake.read_only.find_effect` refuses, whatever follows."""


def explain_effect(effect: str) -> UsageError:
    """Return the error of a statement that may do more than read.

    Args:
        effect: what in it may do more: a word, or Spark's name of it.
    """
    return UsageError(f"nothing was run: the statement may do more than read ({effect}); pass --write to run it")


def find_writing_word(statement: str) -> str | None:
    """Return the first word of a statement if no statement that begins with it only reads, or None."""
    from sqlglot import tokenize
    from sqlglot.errors import TokenError

    try:
        tokens = tokenize(statement, dialect="spark")
    except TokenError:  # a text or comment that is not closed
        return None
    words = tokens[0].text.upper().split() if tokens else []  # `ADD JAR` is one token, and an empty text is one
    word = words[0] if words else ""
    return word if word in WRITING_WORDS else None


def check_tables(statement: str, known: Collection[str], lake_uri: str) -> None:
    """Check that the tables of a query exist, if each has a plain name. Other statements pass.

    Args:
        statement: Spark SQL.
        known: the tables and views of the lake, which Spark reads in any case of letters.
        lake_uri: the lake, for the message.

    Raises:
        UsageError: a table does not exist; the message has the most similar name.
    """
    try:
        query = parse_query(statement)
    except UnsupportedError:
        return
    lower = {name.lower() for name in known} | {name.lower() for name in _list_names_of_with(query)}
    for name in _list_tables(query):
        if name.lower() not in lower:
            similar = get_close_matches(name.lower(), sorted(known), 1)
            meant = f"did you mean {similar[0]}? " if similar else ""
            raise UsageError(f"no table or view {name} in {lake_uri!r}; {meant}SHOW TABLES lists all")


def _list_names_of_with(query: exp.Query) -> Iterator[str]:
    from sqlglot import exp

    return (part.alias for part in query.find_all(exp.CTE))


def _list_tables(query: exp.Query) -> Iterator[str]:
    """Yield the tables that have a name without a schema, not functions and paths."""
    from sqlglot import exp

    return (
        table.name for table in query.find_all(exp.Table) if isinstance(table.this, exp.Identifier) and not table.db
    )
