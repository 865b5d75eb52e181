"""Runs the commands of README.md and docs/ as they are written, on a small lake, if no other test runs them.

The lake is that of docs/sql.md; paths below /data are put below a scratch folder, A and B are two of its videos.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.sharing.views import storable_views
from tests.support.documented import find_ndvr, read_blocks

if TYPE_CHECKING:
    from pathlib import Path

VIDEOS = {"A": "rome", "B": "rome-again", "C": "graphs-1", "D": "my-cat"}
DECISIONS = "left_id,right_id,verdict,note\ngraphs-1,graphs-2,not_duplicate,other slides\n"
TRUTH = (
    "left_id,right_id,relation,transform,left_start_seconds,left_end_seconds,right_start_seconds,right_end_seconds\n"
)
COMMANDS = dict.fromkeys(
    tuple(find_ndvr(line) or ())
    for block in read_blocks("sh")
    if not block.run_by and not block.is_not_run
    for line in block.commands
)


@pytest.fixture(scope="module")
def data(written_lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the files at /data and in the working folder of the commands."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copytree(written_lake, folder / "lake")
    (folder / "decisions.csv").write_text(DECISIONS, encoding="utf-8")
    (folder / "truth.csv").write_text(TRUTH + "rome,rome-again,copy,crop,,,,\n", encoding="utf-8")
    return folder


def fill_in(arguments: tuple[str, ...], data: Path) -> list[str]:
    placed = [str(data / word.removeprefix("/data/")) if word.startswith("/data/") else word for word in arguments]
    return [VIDEOS.get(word, word) for word in placed]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_documented_command_succeeds(
    arguments: tuple[str, ...], data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is that of the pages: a later command withdraws an earlier decision."""
    monkeypatch.chdir(data)
    assert run_command(app, fill_in(arguments, data)) == 0
    printed = capsys.readouterr()
    assert printed.out
    assert "\x1b" not in printed.out + printed.err, "neither is a terminal"


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[Any]:
    assert run_command(app, list(arguments)) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_only_json_is_printed_and_has_the_documented_fields(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = ("--lake", str(data / "lake"), "--json")
    assert ask(capsys, "sql", "SELECT count(*) AS n FROM manifest", *lake) == [{"n": 10}]
    about = ("decide", "graphs-1", "my-cat")
    assert ask(capsys, *about, "duplicate", "--by", "ann", *lake) == [{"num_written": 1, "num_held": 0}]
    decision = {"left_id": "graphs-1", "right_id": "my-cat", "verdict": "duplicate", "note": None}
    assert ask(capsys, *about, "--withdraw", "--by", "ann", *lake) == [{"withdrawn": decision}]
    (statements,) = ask(capsys, "views", "--print", *lake)
    assert len(statements) == len(storable_views())
    fields = {"video_id", "error_code", "attempts", "next_retry_at", "last_tried_at", "uri", "error_detail"}
    assert [set(row) for row in ask(capsys, "quarantine", *lake)] == [fields, fields]
    (answer,) = ask(capsys, "why", "rome", "rome-again", *lake)
    assert answer["is_together"] is True


@pytest.mark.parametrize("query", ["SELEC 1", "SELECT nope FROM pairs", "SELECT * FROM nowhere"])
def test_the_error_of_a_wrong_query_is_one_line(query: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(app, ["sql", query, "--lake", str(data / "lake")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
