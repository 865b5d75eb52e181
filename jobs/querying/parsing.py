"""Splits input into statements, and parses those that DuckDB may answer."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from jobs.querying.kinds import UnsupportedError

if TYPE_CHECKING:
    from sqlglot import exp

_UNSUPPORTED = ("\\", "|>", "/*+", "{", "}", "?", "@", "$", "#", "`")
"""Texts of statements that Spark reads in ways of its own: escapes, pipes, hints, parameters and quoted names."""


def split_statements(text: str) -> tuple[list[str], str]:
    """Split a text at its semicolons, except those in texts, names and comments.

    Returns:
        The complete statements, without empty ones, and what follows the last semicolon.
    """
    from sqlglot import TokenType, tokenize
    from sqlglot.errors import TokenError

    try:
        ends = [token.end for token in tokenize(text, dialect="spark") if token.token_type == TokenType.SEMICOLON]
    except TokenError:  # a text or comment that is not closed
        return [], text
    statements, start = [], 0
    for end in ends:
        statements.append(text[start:end])
        start = end + 1
    return [statement for statement in statements if has_words(statement)], text[start:]


def has_words(text: str) -> bool:
    """Return whether a text is more than blanks and comments."""
    from sqlglot import tokenize
    from sqlglot.errors import TokenError

    try:
        return bool(tokenize(text, dialect="spark"))
    except TokenError:
        return bool(text.strip())


def parse_query(statement: str) -> exp.Query:
    """Parse one query of Spark SQL.

    Raises:
        UnsupportedError: it may mean something else than the parser finds, or it is no query.
    """
    from sqlglot import TokenType, exp, parse, tokenize
    from sqlglot.errors import SqlglotError

    for text in _UNSUPPORTED:
        if text in statement:
            raise UnsupportedError(f"the statement contains {text}")
    if "!" in statement.replace("!=", ""):
        raise UnsupportedError("the statement contains !")
    if not statement.lstrip(" \t\r\n(").upper().startswith(("SELECT", "WITH", "--", "/*")):
        raise UnsupportedError("the statement does not begin with SELECT or WITH")
    try:
        tokens = [token.token_type for token in tokenize(statement, dialect="spark")]
        parsed = [part for part in parse(statement, dialect="spark") if not isinstance(part, exp.Semicolon | None)]
    except (SqlglotError, RecursionError) as error:
        raise UnsupportedError("the statement is not parsed") from error
    if (TokenType.STRING, TokenType.STRING) in pairwise(tokens):  # Spark reads 'it''s' as one text with a quote
        raise UnsupportedError("two texts stand next to each other")
    if len(parsed) != 1 or not isinstance(parsed[0], exp.Query):
        raise UnsupportedError("the text is not one query")
    return parsed[0]
