"""Each due video is claimed by one run, also if several runs claim at the same time."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from jobs.engine.claims import Claims
from jobs.engine.heartbeat import LEASE_SECONDS, Heartbeat
from jobs.lake.lake import Lake
from jobs.tables import claims, descriptors, quarantine
from tests.support.lakes import TINY, make_run, read_rows
from tests.support.written_lake import append_rows

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from jobs.contracts.run import Run

VIDEOS = [f"v{number}" for number in range(8)]


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    made = Lake(spark, str(tmp_path / "lake"))
    for table in (descriptors.TABLE, quarantine.TABLE, claims.TABLE):
        made.create(table)
    return made


@pytest.fixture
def run(spark: SparkSession, tmp_path: Path) -> Run:
    return make_run(spark, tmp_path / "m.csv", TINY)


def ids(spark: SparkSession, names: list[str]) -> DataFrame:
    return spark.createDataFrame([(name,) for name in names], "video_id STRING")


def write_claims(lake: Lake, run: Run, run_id: str, names: list[str]) -> None:
    """Write the claims of another run."""
    row = {"descriptor_id": run.model.descriptor_id, "run_id": run_id, "claimed_at": datetime.now(UTC)}
    append_rows(lake, claims.TABLE, [row | {"video_id": name} for name in names])


def claimed(tmp_path: Path) -> dict[str, str]:
    return {row["video_id"]: row["run_id"] for row in read_rows(tmp_path / "lake", "claims")}


@pytest.mark.slow
def test_simultaneous_runs_claim_different_videos_until_all_are_claimed(
    lake: Lake, run: Run, spark: SparkSession, tmp_path: Path
) -> None:
    runs = [replace(run, run_id=f"2024050{day}T000000Z-aaaaaa") for day in (1, 2)]
    takers = [Claims(Lake(spark, lake.root), each) for each in runs]
    with ThreadPoolExecutor(2) as pool:
        taken = list(pool.map(lambda taker: taker.claim_batch(lambda: ids(spark, VIDEOS), 4), takers))
    assert sorted(row["video_id"] for rows in taken for row in rows) == VIDEOS
    assert claimed(tmp_path) == {
        row["video_id"]: each.run_id for each, rows in zip(runs, taken, strict=True) for row in rows
    }
    assert takers[0].claim_batch(lambda: ids(spark, [row["video_id"] for row in taken[1]]), 4) == []
    for taker in takers:
        taker.close()


@pytest.mark.slow
def test_only_the_claims_of_active_runs_count(lake: Lake, run: Run, spark: SparkSession, tmp_path: Path) -> None:
    """`ended` has no heartbeat, the last beat of `silent` is too old, and the process of `killed` has ended."""
    now = datetime.now(UTC).timestamp()
    for name, file, age_seconds in (
        ("alive", "_alive.elsewhere.7", 0.0),
        ("silent", "_alive.elsewhere.8", LEASE_SECONDS + 60.0),
        ("killed", f"{Heartbeat(lake, 'x')._file.rpartition('.')[0]}.{2**22 + 1}", 0.0),
    ):
        path = tmp_path / "lake" / "_staging" / name / file
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (now - age_seconds, now - age_seconds))
    for number, owner in enumerate(("alive", "silent", "killed", "ended")):
        write_claims(lake, run, owner, [VIDEOS[number], f"done by {owner}"])
    taker = Claims(lake, run)
    taken = taker.claim_batch(lambda: ids(spark, VIDEOS), 100)
    assert sorted(row["video_id"] for row in taken) == VIDEOS[1:]
    expected = dict.fromkeys(VIDEOS[1:], run.run_id) | {VIDEOS[0]: "alive", "done by alive": "alive"}
    assert claimed(tmp_path) == expected

    assert [row["video_id"] for row in taker.claim_batch(lambda: ids(spark, ["next"]), 100)] == ["next"]
    assert claimed(tmp_path) == {VIDEOS[0]: "alive", "done by alive": "alive", "next": run.run_id}
    taker.close()


def test_a_video_that_another_run_finished_while_a_batch_was_chosen_is_not_tried_again(
    lake: Lake, run: Run, spark: SparkSession
) -> None:
    """The other run has claimed `v0`, described it and ended after the tables were read."""
    calls: list[int] = []

    def select() -> DataFrame:
        due = ids(spark, [name for name in VIDEOS if not (calls and name == "v0")])
        if not calls:
            append_rows(lake, descriptors.TABLE, [{"video_id": "v0", "frame_seconds": [0.0]}])
        calls.append(1)
        return due

    taker = Claims(lake, run)
    assert sorted(row["video_id"] for row in taker.claim_batch(select, 100)) == VIDEOS[1:]
    assert len(calls) == 2
    taker.close()


def test_a_run_waits_for_a_table_that_another_run_is_creating(spark: SparkSession, tmp_path: Path) -> None:
    """For a short time its folder has a log without a commit."""
    made = Lake(spark, str(tmp_path / "made"))
    made.create(claims.TABLE)
    log = tmp_path / "lake" / "claims" / "_delta_log"
    log.mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        created = pool.submit(Lake(spark, str(tmp_path / "lake")).create, claims.TABLE)
        time.sleep(1.0)
        shutil.copy(next((tmp_path / "made").glob("claims/_delta_log/*.json")), log)
        created.result()
    assert read_rows(tmp_path / "lake", "claims") == []
    assert len(list(log.glob("*.json"))) == 1


def test_nothing_is_written_without_due_videos(lake: Lake, run: Run, spark: SparkSession, tmp_path: Path) -> None:
    taker = Claims(lake, run)
    assert taker.claim_batch(lambda: ids(spark, VIDEOS).limit(0), 100) == []
    taker.close()
    assert lake.version(claims.TABLE) == 0
    assert not (tmp_path / "lake" / "_staging").exists()
