"""The prompt of `ndvr sql`, with typed keys."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NoReturn

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from jobs.commands.sql_prompt import is_complete, list_statements, open_history, run_prompt
from jobs.querying.session import Engine, QuerySession
from tests.support.plain_lake import RUN_1, record_run, write_plain_lake

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.querying.answer import AnswerRows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", False),
        ("SELECT 1;", True),
        ("SELECT ';", False),
        ("quit", True),
        ("", True),
        ("SELECT 1; SELECT", False),
    ],
)
def test_enter_runs_a_complete_entry(text: str, expected: bool) -> None:
    assert is_complete(text) is expected


def test_an_entry_may_hold_several_statements() -> None:
    assert list_statements("SELECT 1; SELECT 2") == ["SELECT 1", " SELECT 2"]


def test_the_history_is_private_and_in_memory_where_it_cannot_be_written(tmp_path: Path) -> None:
    open_history({"XDG_STATE_HOME": str(tmp_path)})
    assert stat.S_IMODE((tmp_path / "ndvr" / "sql_history").stat().st_mode) == 0o600
    (tmp_path / "file").touch()
    assert isinstance(open_history({"XDG_STATE_HOME": str(tmp_path / "file")}), InMemoryHistory)


def refuse(_: str) -> NoReturn:
    raise AssertionError("Spark starts")


def test_statements_are_answered_until_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    lake = write_plain_lake(tmp_path / "lake", {"runs": record_run(RUN_1, 0)})
    session = QuerySession(str(lake), refuse, Engine.DUCKDB)
    shown: list[AnswerRows] = []
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("SELECT count(*)\rFROM runs;\rSELECT rand();\rSELECT 7;\rexit\r")
        run_prompt(session, shown.append)
    assert [answer.rows for answer in shown] == [[[2]], [[7]]]
    assert "DuckDB does not answer this: " in capsys.readouterr().err
    assert "FROM runs" in (tmp_path / "state" / "ndvr" / "sql_history").read_text()
