"""Decisions from the command line that the next run obeys, and `ndvr why` before and after."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from tests.support.lakes import read_rows, read_versions, run_night

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described

pytestmark = pytest.mark.usefixtures("spark")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run_command(app, arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def ask(capsys: pytest.CaptureFixture[str], lake: Path, *videos: str) -> dict[str, Any]:
    capsys.readouterr()  # drop the output of the run before
    code, out, _ = run(capsys, "why", *videos, "--lake", str(lake), "--json")
    assert code == 0
    answer: dict[str, Any] = json.loads(out)
    return answer


def together(lake: Path) -> list[set[str]]:
    members: dict[str, set[str]] = {}
    for row in read_rows(lake, "clusters"):
        members.setdefault(row["cluster_id"], set()).add(row["video_id"])
    return sorted(members.values(), key=sorted)


@pytest.mark.slow
def test_the_next_run_obeys_decisions_and_their_withdrawal(
    described: Described, lake_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = ("--lake", str(lake_copy))
    name = {row["video_id"]: row["cluster_id"] for row in read_rows(lake_copy, "clusters")}["checker"]
    file = tmp_path / "decisions.csv"
    file.write_text(
        "left_id,right_id,verdict,note\n"
        "checker-webm,checker,not_duplicate,another take\n"
        "glow,discs,duplicate,\n"
        "a-discs-small,,keep_this,\n",
        encoding="utf-8",
    )
    assert run(capsys, "decide", "--file", str(file), "--by", "ann", *lake)[:2] == (
        0,
        "3 written, 0 already in force\n",
    )
    assert run(capsys, "decide", "--file", str(file), "--by", "bob", *lake)[:2] == (
        0,
        "0 written, 3 already in force\n",
    )

    run_night(described.manifest, lake_copy, described.settings)
    clusters = together(lake_copy)
    assert {"a-discs-small", "discs", "glow"} in clusters
    assert [len(members & {"checker", "checker-webm"}) for members in clusters if "a-checker-caption" in members] == [1]
    kept = {row["video_id"]: row["keeper_reason"] for row in read_rows(lake_copy, "clusters") if row["is_keeper"]}
    assert kept["a-discs-small"] == "keep_this, decided by ann"
    assert ("glow", "a-discs-small", None) in {
        (row["video_id"], row["duplicate_of"], row["cosine_similarity"]) for row in read_rows(lake_copy, "duplicates")
    }
    assert name in {row["cluster_id"] for row in read_rows(lake_copy, "clusters")}
    events = {
        (row["cluster_id"], row["event"]) for row in read_rows(lake_copy, "cluster_events") if row["sequence"] == 2
    }
    assert (name, "shrunk") in events
    answer = ask(capsys, lake_copy, "checker", "checker-webm")
    assert not answer["is_together"]
    assert answer["because"] == "not together: a decision says that they are not duplicates"
    assert [row["note"] for row in answer["decided_apart"]] == ["another take"]

    before = read_versions(lake_copy)
    run_night(described.manifest, lake_copy, described.settings)
    assert read_versions(lake_copy) == before | {"runs": before["runs"] + 1}

    capsys.readouterr()
    withdrawn = run(capsys, "decide", "checker", "checker-webm", "--withdraw", "--by", "bob", *lake)
    assert withdrawn[:2] == (0, "withdrawn: checker checker-webm not_duplicate\n")
    listed = run(capsys, "decide", "--list", "--json", *lake)[1].splitlines()
    assert [(row["left_id"], row["verdict"], row["decided_by"]) for row in map(json.loads, listed)] == [
        ("a-discs-small", "keep_this", "ann"),
        ("discs", "duplicate", "ann"),
    ]
    assert len(read_rows(lake_copy, "decisions")) == 4
    run_night(described.manifest, lake_copy, described.settings)
    assert {"a-checker-caption", "checker", "checker-webm"} in together(lake_copy)


def test_invalid_decisions_exit_with_2_and_write_nothing(
    lake_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--by", "ann", "--lake", str(lake_copy))
    file = tmp_path / "decisions.jsonl"
    file.write_text(
        '{"left_id": "checker", "right_id": "glow", "verdict": "duplicate"}\n'
        '{"left_id": "glow", "right_id": "discs", "verdict": "duplicate"}\n'
        '{"left_id": "checker", "right_id": "discs", "verdict": "not_duplicate"}\n',
        encoding="utf-8",
    )
    code, _, error = run(capsys, "decide", "--file", str(file), *options)
    assert code == 2
    assert "other decisions make these videos duplicates" in error
    assert "  checker discs not_duplicate\n" in error
    code, _, error = run(capsys, "decide", "checker", "nobody", "duplicate", *options)
    assert (code, error) == (2, "ndvr: nothing was written: these videos are not in the manifest\n  nobody\n")
    code, _, error = run(capsys, "decide", "checker", "glow", "--withdraw", *options)
    message = "no decision about checker and glow is in force; ndvr decide --list prints the decisions in force"
    assert (code, error) == (2, f"ndvr: {message}\n")
    assert read_rows(lake_copy, "decisions") == []


def test_a_table_of_an_earlier_version_refuses_the_verdict_part_until_it_is_upgraded(
    spark: SparkSession, lake_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = ("--lake", str(lake_copy))
    assert run(capsys, "decide", "glow", "discs", "not_duplicate", "--by", "ann", *lake)[0] == 0
    table = f"delta.`{lake_copy / 'decisions'}`"
    spark.sql(f"ALTER TABLE {table} DROP CONSTRAINT verdict_is_known")
    rule = "verdict IN ('duplicate', 'not_duplicate', 'keep_this')"
    spark.sql(f"ALTER TABLE {table} ADD CONSTRAINT verdict_is_known CHECK ({rule})")
    part = ("decide", "checker", "discs", "part", "--by", "ann", *lake)
    code, _, error = run(capsys, *part)
    assert code == 2
    assert "without the verdict part; run `ndvr upgrade --lake" in error
    assert run(capsys, "upgrade", *lake)[0] == 0
    assert run(capsys, *part)[:2] == (0, "1 written, 0 already in force\n")


def test_why_prints_the_pair_and_its_segments(described: Described, capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(capsys, described.lake, "checker-webm", "checker")
    assert answer["is_together"]
    assert answer["because"] == "together: they form a pair"
    (step,) = answer["path"]
    assert (step["left_id"], step["right_id"], step["relation"]) == ("checker", "checker-webm", "copy")
    assert (step["left_start_seconds"], step["right_end_seconds"]) == (0.0, 2.0)
    assert answer["left"]["keeper_id"] == "checker"

    code, out, _ = run(capsys, "why", "checker", "discs", "--lake", str(described.lake))
    assert code == 0
    assert "not together: no path of at most 8 pairs connects them" in out
    assert "verified again: no similar segments, or no frames that agree" in out
    code, out, _ = run(capsys, "why", "a-checker-caption", "tiles", "--lake", str(described.lake))
    assert "; probability 0.0" in out.partition("verified again: ")[2]
    code, _, error = run(capsys, "why", "checker", "nobody", "--lake", str(described.lake))
    assert (code, error) == (2, "ndvr: not in the manifest: nobody; check the video_id\n")
