"""`ndvr sql`: the tables as views, printed in three ways."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.pipeline import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.spark.conftest import Described

QUERY = "SELECT video_id, published_at, attributes FROM manifest WHERE video_id LIKE 'checker%' ORDER BY video_id"


def ask(query: str, lake: Path, *options: str) -> int:
    return run_command(app, ["sql", query, "--lake", str(lake), *options])


def test_a_table_is_printed_by_default(described: Described, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("SELECT video_id, duplicate_of FROM duplicates ORDER BY video_id", described.lake) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "video_id" in lines[1]
    assert [cell.strip() for cell in lines[3].strip("│").split("│")] == ["a-checker-caption", "checker"]
    assert len(lines) == 3 + 4 + 1


def test_csv_can_be_read_back(described: Described, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(QUERY, described.lake, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["video_id"] for row in rows] == ["checker", "checker-webm"]
    assert rows[0]["published_at"] == "2024-01-02 00:00:00"
    assert json.loads(rows[1]["attributes"]) == {"title": 'the "same"'}


def test_json_has_one_object_per_line(described: Described, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(QUERY, described.lake, "--format", "json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == {
        "video_id": "checker",
        "published_at": "2024-01-02T00:00:00",
        "attributes": {"title": "Schachbrett, groß"},
    }


def test_bytes_are_printed_as_hexadecimal(described: Described, capsys: pytest.CaptureFixture[str]) -> None:
    query = "SELECT left(frame_descriptors, 2) AS head FROM descriptors ORDER BY video_id LIMIT 1"
    assert ask(query, described.lake, "--format", "json") == 0
    assert len(bytes.fromhex(json.loads(capsys.readouterr().out)["head"])) == 2


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_every_table_can_be_queried(table: str, described: Described, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(f"FROM {table} |> AGGREGATE count(*) AS n", described.lake, "--format", "json") == 0
    # people make decisions; a run makes none
    assert (json.loads(capsys.readouterr().out)["n"] > 0) == (table != "decisions")


@pytest.mark.parametrize(
    ("query", "named"),
    [("SELEC 1", "SELEC"), ("SELECT nope FROM pairs", "nope"), ("SELECT * FROM nowhere", "nowhere"), ("", "")],
)
def test_an_invalid_query_is_a_usage_error(
    query: str, named: str, described: Described, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(query, described.lake) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("ndvr: invalid query: ")
    assert named in printed.err
    assert printed.out == ""


@pytest.mark.usefixtures("spark")
def test_a_folder_without_tables_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("SELECT 1", tmp_path) == 2
    message = f"ndvr: no tables in '{tmp_path}'; pass the lake of a nightly run to --lake\n"
    assert capsys.readouterr().err == message


def test_an_unknown_format_is_a_usage_error(described: Described) -> None:
    assert ask(QUERY, described.lake, "--format", "xml") == 2
