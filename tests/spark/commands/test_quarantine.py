"""`ndvr quarantine` lists and releases videos, and an active run loses no release."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.commands.quarantine import release_videos
from jobs.lake import commits
from jobs.lake.lake import Lake
from jobs.tables import quarantine
from tests.support.lakes import TINY, make_run, read_rows, read_versions
from tests.support.written_lake import append_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TRIED_DDL = "video_id STRING, uri STRING, error_code STRING, error_detail STRING"
LONG_AGO = datetime(2024, 4, 1, tzinfo=UTC)


def failure(video_id: str, code: str, tries: int, next_retry_at: datetime | None) -> dict[str, Any]:
    return {
        "video_id": video_id,
        "error_code": code,
        "attempts": tries,
        "next_retry_at": next_retry_at,
        "last_tried_at": LONG_AGO,
        "uri": f"/v/{video_id}.mp4",
        "error_detail": "why",
        "run_id": "20240401T000000Z-aaaaaa",
    }


def lake_folder(lake: Lake) -> Path:
    return Path(lake.root)


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    made = Lake(spark, str(tmp_path / "lake"))
    made.create(quarantine.TABLE)
    rows = [
        failure("cut", "TRUNCATED", 2, datetime(2200, 1, 1, tzinfo=UTC)),
        failure("lost", "NOT_FOUND", 5, None),
        failure("lost-too", "NOT_FOUND", 1, datetime(2200, 1, 1, tzinfo=UTC)),
    ]
    append_rows(made, quarantine.TABLE, rows)
    return made


def listed(capsys: pytest.CaptureFixture[str], lake: Lake, *options: str) -> list[dict[str, Any]]:
    assert run_command(app, ["quarantine", "--lake", lake.root, "--json", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_videos_are_listed_by_code_and_released_by_video_or_code(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [(row["error_code"], row["video_id"], row["next_retry_at"]) for row in listed(capsys, lake)] == [
        ("NOT_FOUND", "lost", None),
        ("NOT_FOUND", "lost-too", "2200-01-01T00:00:00Z"),
        ("TRUNCATED", "cut", "2200-01-01T00:00:00Z"),
    ]
    assert [row["video_id"] for row in listed(capsys, lake, "--code", "TRUNCATED")] == ["cut"]
    assert run_command(app, ["quarantine", "--lake", lake.root]) == 0
    assert "TRUNCATED" in capsys.readouterr().out

    before = datetime.now(UTC)
    (row,) = listed(capsys, lake, "--release", "lost")
    assert (row["video_id"], row["attempts"]) == ("lost", 0)
    assert before - timedelta(seconds=1) <= datetime.fromisoformat(row["next_retry_at"]) <= datetime.now(UTC)
    assert [row["video_id"] for row in listed(capsys, lake, "--release-code", "NOT_FOUND")] == ["lost", "lost-too"]
    assert {row["video_id"]: row["attempts"] for row in read_rows(lake_folder(lake), "quarantine")} == {
        "cut": 2,
        "lost": 0,
        "lost-too": 0,
    }


def test_an_unknown_video_or_code_releases_nothing(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    before = read_versions(lake_folder(lake))
    options = ["--release", "lost", "--release", "nobody", "--release-code", "CORRUPT"]
    assert run_command(app, ["quarantine", "--lake", lake.root, *options]) == 2
    assert capsys.readouterr().err == "ndvr: nothing was released; not in quarantine: nobody, CORRUPT\n"
    assert run_command(app, ["quarantine", "--lake", lake.root, "--release", "lost", "--code", "NOT_FOUND"]) == 2
    assert read_versions(lake_folder(lake)) == before


def test_a_run_that_started_earlier_neither_uses_nor_loses_a_release(
    lake: Lake, spark: SparkSession, tmp_path: Path
) -> None:
    """The run has tried `cut` and built its rows; then all videos are released, and then the run commits."""
    run = make_run(spark, tmp_path / "m.csv", TINY)
    tried = spark.createDataFrame([("cut", "/v/cut.mp4", "TRUNCATED", "again")], TRIED_DDL)
    built = quarantine.build({"attempts": tried, "quarantine": lake.read("quarantine")}, run).localCheckpoint()
    release_videos(lake, ["lost"])
    lake.merge(quarantine.TABLE, built, run, within=tried)
    rows = {row["video_id"]: row for row in read_rows(lake_folder(lake), "quarantine")}
    assert (rows["cut"]["attempts"], rows["cut"]["error_detail"]) == (3, "again")
    assert rows["lost"]["attempts"] == 0
    assert rows["lost"]["next_retry_at"] > run.started_at


def test_a_video_released_while_it_is_tried_is_due_in_the_next_run(
    lake: Lake, spark: SparkSession, tmp_path: Path
) -> None:
    run = make_run(spark, tmp_path / "m.csv", TINY)
    release_videos(lake, ["cut"])
    tried = spark.createDataFrame([("cut", "/v/cut.mp4", "TRUNCATED", "again")], TRIED_DDL)
    released = lake.read("quarantine")
    (row,) = quarantine.build({"attempts": tried, "quarantine": released}, run).where("video_id = 'cut'").collect()
    (before,) = released.where("video_id = 'cut'").collect()
    assert (row["attempts"], row["next_retry_at"]) == (1, before["next_retry_at"])


def test_no_release_of_simultaneous_writers_is_lost(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows are in one file: one writer replaces it first, and the others retry."""
    met: list[str] = []
    monkeypatch.setattr(commits.log, "info", lambda message, **_: met.append(message))
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda video_id: release_videos(lake, [video_id]), ["cut", "lost", "lost-too"]))
    assert [row["attempts"] for row in read_rows(lake_folder(lake), "quarantine")] == [0, 0, 0]
    assert "commit conflict" in met
