"""Input becomes statements; a statement that Spark may read otherwise is not parsed."""

from __future__ import annotations

import pytest

from jobs.querying.kinds import UnsupportedError
from jobs.querying.parsing import has_words, parse_query, split_statements


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("SELECT 1; SELECT 2;", ["SELECT 1", " SELECT 2"], ""),
        ("SELECT ';'; SELECT 2", ["SELECT ';'"], " SELECT 2"),
        ("SELECT 1 -- a; b\n; SELECT `x;y`", ["SELECT 1 -- a; b\n"], " SELECT `x;y`"),
        ("SELECT /* ; */ 1;", ["SELECT /* ; */ 1"], ""),
        (";; SELECT 1;", [" SELECT 1"], ""),
        ("SELECT 'open; SELECT 2;", [], "SELECT 'open; SELECT 2;"),
        ("", [], ""),
    ],
)
def test_a_text_is_split_at_its_semicolons(text: str, statements: list[str], rest: str) -> None:
    assert split_statements(text) == (statements, rest)


@pytest.mark.parametrize(("text", "expected"), [("SELECT 1", True), (" -- only\n/* words */ ", False), ("'", True)])
def test_comments_are_no_words(text: str, expected: bool) -> None:
    assert has_words(text) is expected


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (r"SELECT 'a\nb'", r"the statement contains \\"),
        ("FROM pairs |> LIMIT 1", r"the statement contains \|>"),
        ("SELECT /*+ BROADCAST(a) */ 1", r"the statement contains /\*\+"),
        ("SELECT :name, ?", r"the statement contains \?"),
        ("SELECT `a b`", "the statement contains `"),
        ("SELECT ! true", "the statement contains !"),
        ("DROP TABLE pairs", "the statement does not begin with SELECT or WITH"),
        ("SELECT FROM WHERE", "the statement is not parsed"),
        ("SELECT 1; SELECT 2", "the text is not one query"),
        ("WITH a AS (SELECT 1) INSERT INTO pairs SELECT * FROM a", "the text is not one query"),
        ("SELECT 'it''s'", "two texts stand next to each other"),
    ],
)
def test_what_spark_reads_otherwise_is_refused(statement: str, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        parse_query(statement)


def test_a_query_may_end_in_a_semicolon_and_a_comment() -> None:
    assert parse_query("SELECT 1; -- DELETE FROM pairs").sql(comments=False) == "SELECT 1"
