from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jobs.cli import app
from jobs.clustering.decisions import Decision, find_contradictions, make_decision, read_decisions
from jobs.commands.command_line import run_command
from jobs.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_decision_sorts_its_videos() -> None:
    assert make_decision(["b", "a"], "duplicate", "why") == Decision("a", "b", "duplicate", "why")
    assert make_decision(["a"], "keep_this") == Decision("a", "a", "keep_this")
    assert str(make_decision(["a"], "keep_this")) == "a keep_this"


@pytest.mark.parametrize(
    ("video_ids", "verdict", "message"),
    [
        (["a", "b"], "perhaps", "the verdict must be one of duplicate, not_duplicate, part, keep_this, got 'perhaps'"),
        (["a"], "duplicate", "duplicate needs two videos, got a"),
        (["a", "a"], "not_duplicate", "not_duplicate needs two videos, got a a"),
        (["a", "b"], "keep_this", "keep_this needs one video, got a b"),
        ([], "keep_this", "keep_this needs one video, got none"),
    ],
)
def test_an_invalid_decision_is_refused(video_ids: list[str], verdict: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_decision(video_ids, verdict)


def test_csv_and_json_lines_give_equal_decisions(tmp_path: Path) -> None:
    table, lines = tmp_path / "d.csv", tmp_path / "d.jsonl"
    table.write_text('left_id,right_id,verdict,note\nb,a,duplicate,"x, y"\nc,,keep_this,\n', encoding="utf-8")
    lines.write_text(
        '{"left_id": "a", "right_id": "b", "verdict": "duplicate", "note": "x, y"}\n\n'
        '{"left_id": "c", "verdict": "keep_this"}\n',
        encoding="utf-8",
    )
    expected = [Decision("a", "b", "duplicate", "x, y"), Decision("c", "c", "keep_this")]
    assert read_decisions(table) == expected
    assert read_decisions(lines) == expected


def test_a_decision_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Only the line ends of the format end a row: RFC 4180 for CSV, LF for JSON lines."""
    table, lines = tmp_path / "d.csv", tmp_path / "d.jsonl"
    odd = "first line\r\nsecond\nthird\u2028\x85\x0b\x1c end "
    table.write_bytes(f'left_id,right_id,verdict,note\r\n"b\nb",a,duplicate,"{odd}"\r\nc,,keep_this,\r\n'.encode())
    rows = [
        {"left_id": "b\nb", "right_id": "a", "verdict": "duplicate", "note": odd},
        {"left_id": "c", "verdict": "keep_this"},
    ]
    lines.write_bytes("\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode())
    expected = [Decision("a", "b\nb", "duplicate", odd), Decision("c", "c", "keep_this")]
    assert read_decisions(table) == expected
    assert read_decisions(lines) == expected


def test_every_fault_of_a_file_is_listed_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_text(
        '{"left_id": "a", "right_id": "b", "verdict": "duplicate"}\n'
        "nonsense\n"
        '{"left_id": "b", "right_id": "a", "verdict": "not_duplicate"}\n'
        '{"left_id": "c", "right_id": 3, "verdict": "duplicate"}\n',
        encoding="utf-8",
    )
    with pytest.raises(UsageError) as raised:
        read_decisions(file)
    assert str(raised.value).splitlines()[1:] == [
        "  line 2: no JSON (Expecting value at character 1): 'nonsense'",
        "  line 3: a and b: already in line 1",
        "  line 4: every value must be text, got {'left_id': 'c', 'right_id': 3, 'verdict': 'duplicate'}",
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "does not exist"),
        ("d.txt", b"", r"must end in \.csv, \.json, \.jsonl or \.ndjson"),
        ("d.csv", b"\xff", "is not UTF-8"),
        ("d.csv", b"left_id,right_id,verdict\na,b,duplicate,more\n", "line 2: 4 values, but the header has 3: 'a,b,du"),
        ("d.csv", b"left_id,right_id,verdict\na,b\n", "line 2: 2 values, but the header has 3: 'a,b'"),
        ("d.csv", b"left_id,left_id,verdict\na,b,duplicate\n", "line 1: a column occurs twice in the header 'left_id,"),
        ("d.csv", b'left_id,right_id,verdict\na,"b,duplicate\n', "line 2: a quote opens a value, and no quote closes"),
        ("d.csv", b"left_id,right_id,verdict\na,b\xe9,duplicate\n", "line 2: the byte 0xe9 is not UTF-8"),
        ("d.json", b'\n{"left_id": "a", "left_id": "b"}\n', "line 2: the name 'left_id' occurs twice"),
        (
            "d.json",
            b'{"left_id": "\\ud800", "right_id": "b", "verdict": "duplicate"}',
            "line 1: text with half of a surr",
        ),
    ],
)
def test_unreadable_files_are_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_decisions(tmp_path / name)


def test_contradictions_are_found_through_chains_of_duplicates() -> None:
    duplicates = [make_decision(list(ends), "duplicate") for ends in ("ab", "bc", "xy")]
    for verdict in ("not_duplicate", "part"):
        apart = [make_decision(list(ends), verdict) for ends in ("ac", "ax")]
        assert find_contradictions([*apart, *duplicates]) == [apart[0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "pass one of: videos and a verdict, --file, --list"),
        (["a", "b", "duplicate", "--list"], "pass one of: videos and a verdict, --file, --list"),
        (["a", "b", "duplicate"], "pass the name of the person who decides: --by NAME"),
        (["--file", "d.csv", "--withdraw", "--by", "ann"], "--withdraw withdraws one decision"),
        (["a", "duplicate", "--by", "ann"], "duplicate needs two videos, got a"),
    ],
)
def test_bad_usage_exits_with_2_before_spark_starts(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(app, ["decide", *arguments, "--lake", "/nowhere"]) == 2
    assert message in capsys.readouterr().err
