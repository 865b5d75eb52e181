from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobs.engine.run_stage import run_stage
from jobs.lake.lake import Lake
from jobs.pipeline import STAGES
from jobs.tables import attempts, quarantine
from tests.support.lakes import TINY, make_run, read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from jobs.contracts.run import Run

TRIED_DDL = "video_id STRING, uri STRING, error_code STRING, error_detail STRING"
SETTINGS = TINY | {"quarantine": {"retry_after_hours": 2.0, "max_attempts": 3}}
EARLIER = datetime(2024, 4, 30, 12)  # noqa: DTZ001 -- Spark's session is in UTC, and its times are naive
OF_RUN = datetime(2024, 5, 1, 12)  # noqa: DTZ001 -- as above; the clock of make_run


@pytest.fixture
def earlier(spark: SparkSession) -> DataFrame:
    """Return rows of a video tried once, one tried twice, and one that is not tried in this run."""
    rows = [
        ("once", "NOT_FOUND", 1, EARLIER, EARLIER, "/v/once.mp4", "gone", "run-0"),
        ("twice", "NOT_FOUND", 2, EARLIER, EARLIER, "/v/twice.mp4", "gone", "run-0"),
        ("waiting", "CORRUPT", 1, OF_RUN.replace(hour=13), EARLIER, "/v/waiting.mp4", "bits", "run-0"),
    ]
    return spark.createDataFrame(rows, quarantine.TABLE.schema)


def build(
    spark: SparkSession, folder: Path, earlier: DataFrame, tried: list[tuple[str, str | None, str | None]]
) -> dict[str, Any]:
    """Build the rows of a batch in which videos (video_id, uri, error_code) were tried."""
    rows = spark.createDataFrame([(*row, row[2] and "why") for row in tried], TRIED_DDL)
    built = quarantine.build(
        {"attempts": rows, "quarantine": earlier}, make_run(spark, folder / "m.csv", SETTINGS)
    ).collect()
    assert len(built) == len({row["video_id"] for row in built})
    return {row["video_id"]: row for row in built}


def test_described_videos_leave_and_videos_that_were_not_tried_stay(
    spark: SparkSession, tmp_path: Path, earlier: DataFrame
) -> None:
    """Another run writes `meanwhile` after this one has read the table."""
    lake = Lake(spark, str(tmp_path / "lake"))
    lake.create(quarantine.TABLE)
    lake.append(quarantine.TABLE, earlier)
    stage = next(stage for stage in STAGES if stage.builds is quarantine.TABLE)
    tried = [("once", "/v/once.mp4", None, None), ("twice", "/v/twice.mp4", "CORRUPT", "why")]
    lake.provide("attempts", spark.createDataFrame(tried, TRIED_DDL))
    lake.provide("quarantine", lake.read("quarantine").localCheckpoint())
    meanwhile = ("meanwhile", "CORRUPT", 1, OF_RUN, OF_RUN, "/v/meanwhile.mp4", "bits", "run-1")
    lake.append(quarantine.TABLE, spark.createDataFrame([meanwhile], quarantine.TABLE.schema))
    run_stage(stage, lake, make_run(spark, tmp_path / "m.csv", SETTINGS))
    stored = {row["video_id"]: (row["attempts"], row["run_id"]) for row in read_rows(tmp_path / "lake", "quarantine")}
    assert stored == {"twice": (3, "test-run"), "waiting": (1, "run-0"), "meanwhile": (1, "run-1")}


def test_the_wait_doubles_with_each_attempt_until_the_last(
    spark: SparkSession, tmp_path: Path, earlier: DataFrame
) -> None:
    failed = [
        ("new", "/v/new.mp4", "CORRUPT"),
        ("once", "/v/once.mp4", "CORRUPT"),
        ("twice", "/v/twice.mp4", "CORRUPT"),
    ]
    rows = build(spark, tmp_path, earlier, failed)
    assert {video_id: (rows[video_id]["attempts"], rows[video_id]["next_retry_at"]) for video_id in rows} == {
        "new": (1, OF_RUN.replace(hour=14)),
        "once": (2, OF_RUN.replace(hour=16)),
        "twice": (3, None),
    }
    assert (rows["once"]["error_code"], rows["once"]["error_detail"], rows["once"]["run_id"]) == (
        "CORRUPT",
        "why",
        "test-run",
    )
    assert rows["once"]["last_tried_at"] == OF_RUN


def test_a_new_uri_resets_the_number_of_attempts(spark: SparkSession, tmp_path: Path, earlier: DataFrame) -> None:
    rows = build(spark, tmp_path, earlier, [("twice", "/v/elsewhere.mp4", "CORRUPT")])
    assert (rows["twice"]["attempts"], rows["twice"]["uri"]) == (1, "/v/elsewhere.mp4")


def test_attempts_of_a_video_without_uri_are_counted_too(
    spark: SparkSession, tmp_path: Path, earlier: DataFrame
) -> None:
    once = build(spark, tmp_path, earlier, [("none", None, "MISSING_URI")])["none"]
    before = spark.createDataFrame([once], quarantine.TABLE.schema)
    assert build(spark, tmp_path, before, [("none", None, "MISSING_URI")])["none"]["attempts"] == 2


def make_inputs(spark: SparkSession, earlier: DataFrame, run: Run) -> dict[str, DataFrame]:
    """Make tables with one video for each reason why a video is due or not."""
    descriptor_id = run.model.descriptor_id
    given_up = [("given-up", "CORRUPT", 3, None, EARLIER, "/v/given-up.mp4", "bits", "run-0")]
    tried_now = [("tried-now", "CORRUPT", 1, EARLIER, OF_RUN, "/v/tried-now.mp4", "bits", run.run_id)]
    done = ("done", "moved", "other", "resized", "rewritten", "ahead", "removed", "older", "restored", "again", "lost")
    described = [(name, "/v/old.mp4" if name == "moved" else f"/v/{name}.mp4", 9, EARLIER, "run-0") for name in done]
    looked_at = {
        "resized": (8, EARLIER),
        "rewritten": (9, EARLIER.replace(hour=13)),
        "ahead": (9, OF_RUN.replace(hour=13)),
        "waiting": (9, EARLIER.replace(hour=13)),
        "tried-now": (9, OF_RUN),
    }
    # Files that a run found lost, back or changed at OF_RUN; "restored" is in quarantine, with its descriptors.
    changed_at = dict.fromkeys(("older", "restored"), OF_RUN)
    held = [("restored", "NOT_FOUND", 1, None, EARLIER, "/v/restored.mp4", "gone", "run-0")]
    held += [("again", "NOT_FOUND", 1, EARLIER, EARLIER, "/v/again.mp4", "gone", "run-0")]
    held += [("lost", "NOT_FOUND", 1, None, EARLIER, "/v/lost.mp4", "gone", "run-0")]
    names = ("new", *done, "once", "waiting", "given-up", "tried-now")
    rows = [(name, f"/v/{name}.mp4", OF_RUN if name == "removed" else None) for name in names]
    return {
        "manifest": spark.createDataFrame(
            [
                (*row, *looked_at.get(row[0], (9, EARLIER)), changed_at.get(row[0]))
                for row in [*rows, ("without", None, None)]
            ],
            "video_id STRING, uri STRING, removed_at TIMESTAMP, size_bytes BIGINT, modified_at TIMESTAMP, "
            "file_changed_at TIMESTAMP",
        ),
        "descriptors": spark.createDataFrame(
            [(*row, f"sha of {row[0]}", "another" if row[0] == "other" else descriptor_id) for row in described],
            "video_id STRING, uri STRING, size_bytes BIGINT, described_at TIMESTAMP, run_id STRING, "
            "content_sha256 STRING, descriptor_id STRING",
        ),
        "thumbnails": spark.createDataFrame(
            [(name, f"sha of {name}", descriptor_id, None) for name in ("moved", "older")]  # of an earlier version
            + [(name, f"sha of {name}", descriptor_id, True) for name in ("restored", "again")]
            + [("rewritten", "sha of rewritten", descriptor_id, False)],
            "video_id STRING, content_sha256 STRING, descriptor_id STRING, has_pictures BOOLEAN",
        ),
        "quarantine": earlier.unionByName(spark.createDataFrame(given_up + tried_now + held, quarantine.TABLE.schema)),
    }


def test_present_videos_that_are_neither_described_nor_waiting_are_due(
    spark: SparkSession, tmp_path: Path, earlier: DataFrame
) -> None:
    run = make_run(spark, tmp_path / "m.csv", SETTINGS)
    inputs = make_inputs(spark, earlier, run)
    due = {row["video_id"]: row for row in attempts.select_due(inputs, run).collect()}
    files = {"moved", "resized", "rewritten", "older", "restored", "again"}
    assert due.keys() == {"new", "other", "once", "waiting", "without"} | files
    # "resized" and "rewritten" have no pictures, so they are described again whatever their content.
    described_content = {name: (row["described_bytes"], row["described_sha256"]) for name, row in due.items()}
    assert {name for name, content in described_content.items() if content != (None, None)} == {
        "moved",
        "older",
        "restored",
        "again",
    }
    assert described_content["restored"] == (9, "sha of restored")


@pytest.mark.parametrize(
    ("since_hour", "now_hour", "found"),
    [(-24, 0, {"rewritten", "waiting"}), (0, 2, {"ahead"}), (2, 3, set())],
    ids=["a file gets its date and a wait ends", "a file had a date in the future", "nothing happens"],
)
def test_videos_that_time_alone_makes_due_are_found_without_a_search(
    spark: SparkSession, tmp_path: Path, earlier: DataFrame, since_hour: int, now_hour: int, found: set[str]
) -> None:
    run = make_run(spark, tmp_path / "m.csv", SETTINGS)
    inputs = make_inputs(spark, earlier, run)
    runs = [replace(run, started_at=run.started_at + timedelta(hours=hour)) for hour in (since_hour, now_hour)]
    then, now = ({row["video_id"] for row in attempts.select_due(inputs, one).collect()} for one in runs)
    by_time = attempts.select_due_by_time(inputs, runs[1], runs[0].started_at).collect()
    assert now - then == found
    assert found <= {row["video_id"] for row in by_time}
