from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.errors import UsageError
from jobs.estimation.answer_files import PairAnswer, read_answers, write_list

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [{"sample_id": "s", "left_id": "a", "right_id": "b", "match_probability": 0.9, "stratum": "in pairs only"}]


def test_the_list_hides_what_was_found_and_is_read_once_it_is_filled_in(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    write_list(ROWS, {"a": "/videos/a.mp4"}, file)
    text = file.read_text(encoding="utf-8")
    assert text == "sample_id,left_id,right_id,verdict,note,left_uri,right_uri\ns,a,b,,,/videos/a.mp4,\n"
    assert read_answers(file) == []
    file.write_text(text.replace("s,a,b,,,", "s,a,b,part,same intro,"), encoding="utf-8")
    assert read_answers(file) == [PairAnswer("s", "a", "b", "part", "same intro")]


def test_the_file_of_the_pages_is_read(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text(
        '{"sample_id": "s", "left_id": "b", "right_id": "a", "verdict": "not_duplicate", "note": ""}\n',
        encoding="utf-8",
    )
    assert read_answers(file) == [PairAnswer("s", "a", "b", "not_duplicate")]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("s,a,b,keep_this", "the verdict must be one of duplicate, part, not_duplicate, or empty, got 'keep_this'"),
        ("s,a,,part", "a row must have sample_id, left_id, right_id, verdict and optionally note"),
        ("s,a,b,part\ns,b,a,part", "line 3: a and b: already in line 2"),
    ],
)
def test_a_fault_refuses_the_file(tmp_path: Path, line: str, fault: str) -> None:
    file = tmp_path / "answers.csv"
    file.write_text(f"sample_id,left_id,right_id,verdict\n{line}\n", encoding="utf-8")
    with pytest.raises(UsageError, match=fault) as raised:
        read_answers(file)
    assert "nothing was written" in str(raised.value)


def test_a_list_that_excel_saved_is_read(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    lines = [
        "sample_id,left_id,right_id,verdict,note,left_uri,right_uri",
        's,b,a, part ,"a ""note""",x,y',
        "s,c,d,,,x,y",
    ]
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n")
    assert read_answers(file) == [PairAnswer("s", "a", "b", "part", 'a "note"')]


def test_a_file_in_which_every_pair_is_skipped_is_refused_before_spark_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("sample_id,left_id,right_id,verdict\ns,a,b,\n", encoding="utf-8")
    assert run_command(app, ["estimate", "--lake", str(tmp_path), "--answers", str(file), "--by", "ann"]) == 2
    assert "has no answer: every pair is skipped; fill in verdict" in capsys.readouterr().err


def test_a_missing_file_and_values_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"file of answers '.*' does not exist"):
        read_answers(tmp_path / "answers.csv")
    file = tmp_path / "answers.jsonl"
    file.write_text('{"sample_id": "s", "left_id": "a", "right_id": "b", "verdict": 1}\n', encoding="utf-8")
    with pytest.raises(UsageError, match="every value must be text"):
        read_answers(file)
