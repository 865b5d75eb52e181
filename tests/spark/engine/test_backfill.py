"""A backfill writes the tables of nightly runs: within its budget, from where it stopped, and beside a nightly run."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.config.settings import Config, MaintenanceConfig
from jobs.engine.backfill_run import read_progress, run_backfill
from jobs.engine.budget import BackfillBudget, BackfillProgress
from jobs.errors import QualityError, UsageError
from jobs.lake.lake import Lake
from jobs.maintenance.expiry import expire_models
from jobs.tables import manifest
from tests.support.catalogue import BROKEN, CATALOGUE, Video, write_manifest
from tests.support.lakes import TINY, make_run, read_rows, read_versions, run_night
from tests.support.written_lake import append_rows

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described

pytestmark = pytest.mark.slow

SETTINGS = {"describe": {"videos_per_commit": 4}}
NEWEST = {"tiles", "glow", "discs", "a-discs-small"}
OTHER_MODEL: dict[str, Any] = {"embeddings": {"method": "averaged"}, "pairs": {"min_cosine_similarity": 0.93}}


OF_A_RUN = {"run_id", "described_at", "cluster_id", "last_tried_at", "next_retry_at", "sequence"}
"""Columns that depend on when a row was written, and names of clusters, which depend on earlier runs."""


def rows_of(lake: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table without the columns that depend on when they were written."""
    rows = [{name: row[name] for name in row.keys() - OF_A_RUN} for row in read_rows(lake, table)]
    return sorted(rows, key=lambda row: sorted((name, str(value)) for name, value in row.items()))


def partition_of(lake: Path) -> set[frozenset[str]]:
    """Return the clusters as sets of videos."""
    clusters = defaultdict(set)
    for row in read_rows(lake, "clusters"):
        clusters[row["cluster_id"]].add(row["video_id"])
    return {frozenset(members) for members in clusters.values()}


@dataclass(frozen=True)
class Filled:
    """A lake after a backfill, a nightly run over half of the videos beside a second backfill, and a run over all.

    Attributes:
        lake: its folder.
        first: how far the first backfill came, whose budget was four videos.
        described_first: what it described.
        versions: of the tables after it.
        last: how far the second came.
    """

    lake: Path
    first: BackfillProgress
    described_first: set[str]
    versions: dict[str, int]
    last: BackfillProgress


def fill(past: Path, lake: Path, budget: BackfillBudget, settings: dict[str, Any] = SETTINGS) -> BackfillProgress:
    return run_backfill(str(lake), str(past), Config(**settings), budget)


@pytest.fixture(scope="module")
def filled(described: Described, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    lake = tmp_path_factory.mktemp("filled") / "lake"
    first = fill(described.manifest, lake, BackfillBudget(max_videos=4))
    found = {row["video_id"] for row in read_rows(lake, "descriptors")}
    versions = read_versions(lake)
    videos = [*CATALOGUE, *BROKEN]
    random.Random(1).shuffle(videos)
    portion = write_manifest(described.manifest.with_name("portion.csv"), videos[::2])
    with ThreadPoolExecutor(2) as pool:
        night = pool.submit(run_night, portion, lake, SETTINGS)
        backfill = pool.submit(fill, described.manifest, lake, BackfillBudget())
        night.result()
        last = backfill.result()
    run_night(described.manifest, lake, SETTINGS)
    return Filled(lake, first, found, versions, last)


def test_it_stops_at_its_budget_with_the_newest_videos_done(filled: Filled) -> None:
    assert filled.described_first == NEWEST
    assert (filled.first.num_videos, filled.first.num_done, filled.first.num_left) == (13, 4, 9)
    assert filled.first.rate is not None


def test_it_publishes_nothing(filled: Filled) -> None:
    published = ("pairs", "clusters", "cluster_events", "duplicates")
    assert {filled.versions[table] for table in published} == {0}


def test_its_record_differs_from_that_of_a_nightly_run(filled: Filled) -> None:
    runs = [row for row in read_rows(filled.lake, "runs") if row["stage"] == "backfill"]
    first = min(runs, key=lambda row: row["run_id"])
    assert (first["status"], first["num_rows"]) == ("done", 4)
    assert json.loads(first["config"])["describe"]["videos_per_commit"] == 4
    of_first = [row for row in read_rows(filled.lake, "runs") if row["run_id"] == first["run_id"]]
    assert {row["stage"]: row["num_rows"] for row in of_first if row["stage"] != "backfill"} == {
        "manifest": 4,
        "attempts": 4,
        "thumbnails": 4,
        "descriptors": 4,
        "quarantine": 0,
        "embeddings": 4,
    }
    assert {row["output_version"] for row in of_first} == {None}


@pytest.mark.parametrize(
    "table", ["manifest", "thumbnails", "descriptors", "quarantine", "embeddings", "pairs", "clusters", "duplicates"]
)
def test_runs_over_portions_and_backfills_end_in_the_tables_of_one_run_over_all(
    table: str, filled: Filled, described: Described
) -> None:
    assert rows_of(filled.lake, table) == rows_of(described.lake, table)
    assert partition_of(filled.lake) == partition_of(described.lake)


def test_no_video_is_tried_twice_by_a_night_and_a_backfill_at_the_same_time(filled: Filled) -> None:
    tried = [row["num_rows"] for row in read_rows(filled.lake, "runs") if row["stage"] == "attempts"]
    assert sum(tried) == len(CATALOGUE) + len(BROKEN)
    assert (filled.last.num_done, filled.last.num_failed, filled.last.num_left) == (9, 4, 0)


def test_it_does_not_change_the_rows_that_a_nightly_run_wrote_of_a_video(spark: SparkSession, tmp_path: Path) -> None:
    """The nightly run adds `new` too, after the backfill has read the tables and before it commits."""
    lake, run = Lake(spark, str(tmp_path / "lake")), make_run(spark, tmp_path / "m.csv", TINY)
    lake.create(manifest.TABLE)

    def rows(run_id: str, *names: str) -> list[dict[str, Any]]:
        return [{"video_id": name, "uri": f"/{run_id}", "run_id": run_id, "attributes": {}} for name in names]

    append_rows(lake, manifest.TABLE, rows("night", "known", "new"))
    past = spark.createDataFrame(rows("past", "known", "new", "old"), manifest.TABLE.schema)
    lake.merge(manifest.TABLE, past, run, is_insert_only=True)
    stored = {row["video_id"]: row["uri"] for row in read_rows(tmp_path / "lake", "manifest")}
    assert stored == {"known": "/night", "new": "/night", "old": "/past"}


def test_a_finished_backfill_does_nothing_and_reports_it(filled: Filled, capsys: pytest.CaptureFixture[str]) -> None:
    before = read_versions(filled.lake)
    assert run_command(app, ["backfill", "--lake", str(filled.lake), "--status"]) == 0
    assert capsys.readouterr().out == "done 9 of 13 videos (69.2 %), 4 in quarantine, 0 to go\n"
    assert run_command(app, ["backfill", "--lake", str(filled.lake), "--status", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [printed[name] for name in ("num_done", "num_failed", "num_left")] == [9, 4, 0]
    assert run_command(app, ["backfill", "--lake", str(filled.lake), "--max-hours", "0.1"]) == 0
    assert read_versions(filled.lake) == before | {"runs": before["runs"] + 1}
    assert "done 9 of 13 videos (69.2 %)" in capsys.readouterr().err


def test_another_model_is_filled_beside_the_model_in_use(
    described: Described, lake_copy: Path, spark: SparkSession
) -> None:
    """It uses the same descriptors, so no video is opened again. The budget still applies."""
    config = Config(**OTHER_MODEL)
    assert read_progress(str(lake_copy), None, config) == BackfillProgress(13, 0, 4)
    before = read_versions(lake_copy)
    assert run_backfill(str(lake_copy), None, config, BackfillBudget(max_videos=5)).num_left == 4
    assert run_backfill(str(lake_copy), None, config, BackfillBudget()).num_left == 0
    after = read_versions(lake_copy)
    assert {name for name in before if before[name] != after[name]} == {"embeddings", "claims", "runs"}
    lake, run = Lake(spark, str(lake_copy)), make_run(spark, described.manifest, OTHER_MODEL)
    embedded = {row["video_id"] for row in read_rows(lake_copy, "embeddings") if row["model_id"] == run.model.model_id}
    assert embedded == {video.video_id for video in CATALOGUE}

    run_night(described.manifest, lake_copy, described.settings)
    again = [row["video_id"] for row in read_rows(lake_copy, "embeddings") if row["model_id"] == run.model.model_id]
    assert sorted(again) == sorted(embedded), "a night of the model in use leaves the other's rows alone"
    used = make_run(spark, described.manifest, described.settings).model
    now, policy = datetime.now(UTC), MaintenanceConfig()
    assert expire_models(lake, used, policy, now + timedelta(days=89)) == []
    (gone,) = expire_models(lake, used, policy, now + timedelta(days=91))
    assert (gone.table.name, gone.what) == ("embeddings", f"rows of {run.model.model_id}")


def test_videos_of_the_lake_are_described_again_if_their_location_is_given(
    described: Described, lake_copy: Path
) -> None:
    settings: dict[str, Any] = TINY | {"describe": {"backbone": "tiny"}}
    with pytest.raises(
        UsageError, match=r"2 videos must be described for tiny-.*, but no folder is allowed: .*manifest\.roots"
    ):
        run_backfill(str(lake_copy), None, Config(**settings), BackfillBudget(max_videos=4))
    (failed,) = [row for row in read_rows(lake_copy, "runs") if row["stage"] == "backfill"]
    assert (failed["status"], failed["num_rows"]) == ("failed", 0)
    roots = {"manifest": {"roots": (str(described.manifest.parent),)}}
    standing = run_backfill(str(lake_copy), None, Config(**(settings | roots)), BackfillBudget(max_videos=4))
    assert standing.num_done == 4
    kinds = {row["descriptor_id"].partition("-")[0] for row in read_rows(lake_copy, "descriptors")}
    assert kinds == {"efficientnet_lite0_ndvr", "tiny"}


def test_a_backfill_of_failures_stops(described: Described, tmp_path: Path) -> None:
    strict = TINY | {"quality": {"min_attempts": 2, "max_failed_fraction": 0.5}}
    settings = strict | {"describe": {"backbone": "tiny", "videos_per_commit": 2}}
    lost = [Video(f"lost-{number}", f"lost-{number}.mp4") for number in range(6)]
    past = write_manifest(described.manifest.with_name("past.csv"), lost)
    with pytest.raises(QualityError, match=r"the backfill stops: (.|\n)*2 of 2 videos failed \(NOT_FOUND 2\)"):
        fill(past, tmp_path / "lake", BackfillBudget(), settings)
    assert len(read_rows(tmp_path / "lake", "manifest")) == 2, "the others were not brought in"


def test_a_missing_lake_has_no_stored_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spark: SparkSession
) -> None:
    del spark  # the command uses the running session
    assert run_command(app, ["backfill", "--lake", str(tmp_path / "nowhere")]) == 2
    assert "no manifest in" in capsys.readouterr().err
    assert run_command(app, ["backfill", "--lake", str(tmp_path / "nowhere"), "--status"]) == 2
    assert "no table manifest in" in capsys.readouterr().err
