"""`ndvr sql` with statements from standard input, NDVR_LAKE and a choice of engines."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command

if TYPE_CHECKING:
    from pathlib import Path

STATEMENTS = "SELECT count(*) AS n FROM pairs;\n-- a comment; with a semicolon\nSELECT ';' AS text"


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch, written_lake: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("NDVR_LAKE", str(written_lake))
    return monkeypatch


def run(feed: pytest.MonkeyPatch, text: str, *options: str) -> int:
    feed.setattr(sys, "stdin", io.StringIO(text))
    return run_command(app, ["sql", *options])


def test_statements_are_read_from_standard_input(feed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(feed, STATEMENTS, "--json") == 0
    assert capsys.readouterr().out == '{"n": 5}\n{"text": ";"}\n'
    assert run(feed, STATEMENTS, "--format", "csv") == 0
    assert capsys.readouterr().out.splitlines() == ["n", "5", "", "text", ";"]


def test_the_first_statement_that_fails_ends_the_command(
    feed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(feed, "SELECT 1 AS a; SELECT nope FROM pairs; SELECT 2 AS b;", "--json") == 2
    printed = capsys.readouterr()
    assert printed.out == '{"a": 1}\n'
    assert printed.err.startswith("ndvr: invalid query: ")
    assert "nope" in printed.err


def test_input_without_a_statement_is_a_usage_error(
    feed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(feed, " ;-- nothing\n") == 2
    message = "standard input has no statement; pass a query as an argument, or statements that end in ;"
    assert capsys.readouterr().err == f"ndvr: {message}\n"


@pytest.mark.parametrize("engine", ["auto", "duckdb", "spark"])
def test_each_engine_gives_the_same(engine: str, feed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    query = (
        "SELECT other_id, relation, start_seconds FROM shared_footage WHERE video_id = 'cup-final' ORDER BY other_id"
    )
    assert run(feed, query, "--json", "--engine", engine) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"other_id": "cup-final-hd", "relation": "copy", "start_seconds": 0.0},
        {"other_id": "cup-goal", "relation": "contains", "start_seconds": 3120.0},
    ]


def test_duckdb_alone_says_what_it_does_not_answer(
    feed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(feed, "EXPLAIN SELECT 1", "--engine", "duckdb") == 2
    message = "DuckDB does not answer this: the statement does not begin with SELECT or WITH; leave out --engine duckdb"
    assert capsys.readouterr().err == f"ndvr: {message}, so that Spark answers\n"


def test_a_struct_with_two_fields_of_one_name_is_refused(
    feed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "several fields of a struct in s are called a; give them names of their own with named_struct"
    for query in ("SELECT struct(1 AS a, 2 AS a) AS s", "SELECT map(1, array(struct(1 AS a, 2 AS a))) AS s"):
        assert run(feed, query, "--format", "csv") == 2
        assert capsys.readouterr() == ("", f"ndvr: {message}\n")


def test_views_are_answered_without_the_modules_of_spark(feed: pytest.MonkeyPatch) -> None:
    del feed
    code = """
import sys
from jobs.cli import main
sys.argv = ["ndvr", "sql", "--json", "SELECT count(*) AS n FROM review_queue"]
assert main() == 0
print(sorted({"pyspark", "delta", "pandas", "numpy", "torch", "prompt_toolkit"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == '{"n": 2}\n[]\n'
