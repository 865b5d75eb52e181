"""`ndvr maintain`: what it deletes, what it keeps, and that it causes no work in the next run."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.config.settings import Config
from jobs.lake.lake import Lake
from jobs.lake.leftovers import StagingArea
from jobs.maintenance.apply import maintain_lake
from jobs.maintenance.plan import choose_retention
from jobs.tables import clusters, descriptors, embeddings, pairs, runs, thumbnails
from tests.support.lakes import TINY, make_run, read_rows, read_versions, run_night
from tests.support.written_lake import FIRST, MODEL, SECOND, append_rows

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described

OLD = {"model_id": "averaged-old-v1", "run_id": "20230101T000000Z-cccccc"}
EAGER = {"maintenance": {"retention_hours": 1e-6}}


def maintain(capsys: pytest.CaptureFixture[str], lake: Path, *options: str) -> dict[str, Any]:
    assert run_command(app, ["maintain", "--lake", str(lake), "--json", *options]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def write_old_rows(lake: Lake) -> None:
    """Append small files with rows of a model last used in 2023, and of one that `keep_models` names."""
    pair = {"left_id": "a", "right_id": "b", "relation": "copy", "match_probability": 1.0}
    for number in range(3):
        append_rows(lake, pairs.TABLE, [OLD | pair | {"left_id": f"a{number}"}])
    append_rows(lake, pairs.TABLE, [OLD | pair | {"model_id": "averaged-kept-v1"}])
    append_rows(lake, clusters.TABLE, [OLD | {"video_id": "a", "cluster_id": "c"}])
    append_rows(lake, embeddings.TABLE, [OLD | {"video_id": "a", "start_seconds": 0.0, "end_seconds": 1.0}])
    described = [OLD | {"video_id": "a", "descriptor_id": name} for name in ("old-v1", "kept-v1", "tiny-v1")]
    append_rows(lake, descriptors.TABLE, described)
    append_rows(lake, thumbnails.TABLE, described)
    append_rows(
        lake, runs.TABLE, [OLD | {"stage": "run", "status": "done", "started_at": datetime(2023, 1, 1, tzinfo=UTC)}]
    )


def leave_behind(lake: Path, run_id: str, modified_at: datetime) -> Path:
    folder = lake / "_staging" / run_id / "pairs"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(b"rows")
    for path in (folder / "part-0.parquet", folder, folder.parent):
        os.utime(path, (modified_at.timestamp(), modified_at.timestamp()))
    return folder.parent


@pytest.mark.slow
def test_expired_rows_and_files_are_deleted_and_others_are_kept(
    spark: SparkSession, written_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written_copy
    lake = Lake(spark, str(folder))
    write_old_rows(lake)
    now = datetime.now(UTC)
    dead = leave_behind(folder, "20240101T000000Z-dddddd", now - timedelta(days=2))
    started = now - timedelta(hours=200)
    going = leave_behind(folder, f"{started:%Y%m%dT%H%M%SZ}-eeeeee", now)
    log = folder / "_logs" / f"{FIRST}.jsonl"
    log.parent.mkdir()
    log.write_text("{}\n", encoding="utf-8")
    os.utime(log, (0, 0))
    config = tmp_path / "config.yaml"
    config.write_text("maintenance: {keep_models: [averaged-kept-v1]}\n", encoding="utf-8")

    before = read_versions(folder)
    planned = maintain(capsys, folder, "--config", str(config), "--dry-run")
    assert read_versions(folder) == before
    assert dead.exists()
    report = maintain(capsys, folder, "--config", str(config))
    assert [one["expired"] for one in report["tables"]] == [one["expired"] for one in planned["tables"]]
    assert report["going"] == planned["going"] == [going.name]
    assert [uri.rpartition("/")[2] for uri in report["removed"]] == [dead.name, log.name]
    assert (dead.exists(), log.exists(), going.exists()) == (False, False, True)

    tables = {one["table"]: one for one in report["tables"]}
    assert tables["pairs"]["expired"] == ["rows of averaged-old-v1"]
    assert tables["descriptors"]["expired"] == tables["thumbnails"]["expired"] == ["rows of old-v1"]
    assert tables["runs"]["expired"] == ["5 records of old runs"]
    assert (tables["pairs"]["before"]["num_files"], tables["pairs"]["after"]["num_files"]) == (5, 1)
    assert 200 < tables["pairs"]["retention_hours"] < 202, (
        "longer than a week, because a run started 200 hours ago is active"
    )
    assert tables["pairs"]["num_vacuumed_files"] == 0
    assert {row["model_id"] for row in read_rows(folder, "pairs")} == {MODEL, "averaged-kept-v1"}
    assert {row["model_id"] for row in read_rows(folder, "clusters")} == {MODEL}
    assert {row["model_id"] for row in read_rows(folder, "embeddings")} == {MODEL}
    for table in ("descriptors", "thumbnails"):
        assert {row["descriptor_id"] for row in read_rows(folder, table)} == {"tiny-v1", "kept-v1"}
    assert {row["run_id"] for row in read_rows(folder, "runs")} == {SECOND}
    assert lake.version(pairs.TABLE) == 5, "commits of maintenance change no rows that a run reads"
    assert DeltaTable(str(folder / "pairs")).version() > 5

    before = read_versions(folder)
    again = maintain(capsys, folder, "--config", str(config))
    assert [one["table"] for one in again["tables"] if one["before"] != one["after"] or one["expired"]] == []
    assert read_versions(folder) == before


@pytest.mark.slow
def test_the_next_run_skips_the_same_stages_after_maintenance(
    described: Described, lake_copy: Path, spark: SparkSession
) -> None:
    """Files are compacted and vacuumed immediately; stages are still skipped, and rows do not change."""
    lake = Lake(spark, str(lake_copy))
    for table in (embeddings.TABLE, pairs.TABLE):  # in several files, as many runs leave them
        lake.read(table.name).repartition(3).write.format("delta").mode("overwrite").option(
            "dataChange", "false"
        ).option("userMetadata", '{"is_upkeep": true}').save(lake.path(table.name))
    rows = {name: read_rows(lake_copy, name) for name in ("embeddings", "pairs", "duplicates")}
    run = make_run(spark, described.manifest, described.settings | EAGER)
    report = maintain_lake(lake, replace(run, started_at=datetime.now(UTC)), is_dry=False)
    tables = {one.table: one for one in report.tables}
    assert (tables["embeddings"].before.num_files, tables["embeddings"].after.num_files) == (3, 1)
    assert tables["embeddings"].num_vacuumed_files > 0
    assert tables["embeddings"].after.num_stored_bytes < tables["embeddings"].before.num_stored_bytes
    assert {name: read_rows(lake_copy, name) for name in rows} == rows

    before = read_versions(lake_copy)
    outcome = run_night(described.manifest, lake_copy, described.settings)
    assert read_versions(lake_copy) == before | {"runs": before["runs"] + 1}
    skipped = {record.stage for record in outcome.records if record.status == "skipped"}
    searched = {"embeddings", "fingerprints", "search_cells", "segment_codes", "pairs"}
    assert skipped == {*searched, "clusters", "cluster_events", "duplicates", "index"}
    seen = lake.read_version(embeddings.TABLE, 1)
    assert seen is not None, "the newest version with the same rows is read instead"
    assert seen.count() == len(rows["embeddings"])


def test_embeddings_that_the_next_search_compares_with_are_kept(spark: SparkSession, tmp_path: Path) -> None:
    """The last search of pairs read version 1; version 2 was committed later and not yet searched."""
    lake = Lake(spark, str(tmp_path / "lake"))
    for table in (embeddings.TABLE, runs.TABLE):
        lake.create(table)
    row = {"video_id": "a", "model_id": MODEL, "start_seconds": 0.0, "end_seconds": 1.0, "run_id": FIRST}
    append_rows(lake, embeddings.TABLE, [row])
    searched = {"run_id": FIRST, "stage": "pairs", "status": "done", "output_version": 1}
    append_rows(
        lake,
        runs.TABLE,
        [searched | {"started_at": datetime(2024, 1, 1, tzinfo=UTC), "input_versions": {"embeddings": 1}}],
    )
    run = replace(make_run(spark, tmp_path / "m.csv", TINY), config=Config(**(TINY | EAGER)))
    nobody, config = StagingArea({}, []), run.config.maintenance
    assert choose_retention(lake, embeddings.TABLE, nobody, config) == 1e-6
    append_rows(lake, embeddings.TABLE, [row | {"video_id": "b"}])
    assert 1 < choose_retention(lake, embeddings.TABLE, nobody, config) < 1.1, (
        "an hour longer than the time since they were replaced"
    )
    assert choose_retention(lake, pairs.TABLE, nobody, config) == 1e-6


@pytest.mark.usefixtures("spark")
def test_a_folder_without_tables_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(app, ["maintain", "--lake", str(tmp_path / "nowhere")]) == 2
    assert "ndvr: no tables in " in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
