"""A nightly run from manifest to duplicates, on real videos, with the default backbone and model."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from delta.tables import DeltaTable

from jobs.config.settings import DescribeConfig
from jobs.tables.attempts import DUE_READS
from models.embedding_models import find_model
from tests.support.catalogue import BROKEN, CATALOGUE
from tests.support.lakes import read_metadata, read_rows, read_versions, run_night

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described

MAX_IDLE_JOBS = 40
"""Spark jobs of a run that finds nothing to do, after such a run."""
COPIES = {
    ("a-checker-caption", "checker"),
    ("a-checker-caption", "checker-webm"),
    ("checker", "checker-webm"),
    ("a-discs-small", "discs"),
    ("stripes", "stripes-low"),
}


def test_every_row_of_the_manifest_is_described_or_quarantined(described: Described) -> None:
    assert {row["video_id"] for row in read_rows(described.lake, "manifest")} == {
        video.video_id for video in (*CATALOGUE, *BROKEN)
    }
    assert [row["video_id"] for row in read_rows(described.lake, "descriptors")] == sorted(
        video.video_id for video in CATALOGUE
    )
    assert [row["video_id"] for row in read_rows(described.lake, "quarantine")] == [
        "broken-directory",
        "broken-empty",
        "broken-missing",
        "broken-text",
    ]


def test_descriptors_have_the_facts_about_the_file(described: Described) -> None:
    row = {row["video_id"]: row for row in read_rows(described.lake, "descriptors")}["a-discs-small"]
    assert (row["width_px"], row["height_px"], row["video_codec"]) == (80, 60, "h264")
    assert row["num_frames"] == 20
    assert row["duration_seconds"] == 2.0
    assert row["uri"] == str(described.manifest.parent / "copies" / "discs-small.mp4")
    assert row["size_bytes"] == (described.manifest.parent / "copies" / "discs-small.mp4").stat().st_size
    assert len(row["frame_seconds"]) == 8
    assert len(row["video_descriptor"]) == 3088
    assert len(row["frame_descriptors"]) == 8 * 3088 * 2


def test_quarantine_has_the_reason_and_the_time_of_the_next_attempt(described: Described) -> None:
    rows = {row["video_id"]: row for row in read_rows(described.lake, "quarantine")}
    assert {video_id: row["error_code"] for video_id, row in rows.items()} == {
        "broken-directory": "NOT_A_FILE",
        "broken-empty": "EMPTY_FILE",
        "broken-missing": "NOT_FOUND",
        "broken-text": "NOT_A_VIDEO",
    }
    missing = rows["broken-missing"]
    assert str(described.manifest.parent / "missing.mp4") in missing["error_detail"]
    assert missing["attempts"] == 1
    assert round((missing["next_retry_at"] - missing["last_tried_at"]).total_seconds() / 3600) == 24


def test_the_pairs_are_exactly_the_copies(described: Described) -> None:
    pairs = read_rows(described.lake, "pairs")
    assert {(pair["left_id"], pair["right_id"]) for pair in pairs} == COPIES
    assert len(pairs) == len(COPIES)


def test_a_copy_is_aligned_over_its_whole_length(described: Described) -> None:
    for pair in read_rows(described.lake, "pairs"):
        assert pair["left_id"] < pair["right_id"]
        assert pair["relation"] == "copy"
        assert 0.5 <= pair["alignment_similarity"] <= 1.0
        assert (pair["left_start_seconds"], pair["left_end_seconds"]) == (0.0, 2.0)
        assert (pair["left_coverage"], pair["right_coverage"]) == (1.0, 1.0)
        assert 0.7 <= pair["cosine_similarity"] <= 1.0
        assert 0.85 <= pair["match_probability"] <= 1.0


def test_pairs_are_not_all_equally_likely(described: Described) -> None:
    assert len({pair["match_probability"] for pair in read_rows(described.lake, "pairs")}) > 1


def test_each_cluster_has_one_keeper_by_the_first_rule_that_decides(described: Described) -> None:
    clusters = read_rows(described.lake, "clusters")
    keepers = {row["cluster_id"]: row["video_id"] for row in clusters if row["is_keeper"]}
    assert {(row["video_id"], row["keeper_reason"]) for row in clusters if row["is_keeper"]} == {
        ("checker", "published first"),
        ("discs", "highest resolution of those published first"),
        ("stripes", "smallest video_id of those published first in the highest resolution"),
    }
    assert Counter(keepers[row["cluster_id"]] for row in clusters) == {"checker": 3, "discs": 2, "stripes": 2}
    assert all(row["joined_by"] == (None if row["is_keeper"] else keepers[row["cluster_id"]]) for row in clusters)


def test_the_journal_records_each_created_cluster(described: Described) -> None:
    clusters = {row["cluster_id"] for row in read_rows(described.lake, "clusters")}
    events = read_rows(described.lake, "cluster_events")
    assert {(row["cluster_id"], row["event"], row["sequence"]) for row in events} == {
        (cluster_id, "created", 1) for cluster_id in clusters
    }
    assert sorted(row["num_members_after"] for row in events) == [2, 2, 3]


def test_duplicates_have_the_keeper_of_every_other_member(described: Described) -> None:
    rows = read_rows(described.lake, "duplicates")
    assert {(row["video_id"], row["duplicate_of"]) for row in rows} == {
        ("a-checker-caption", "checker"),
        ("checker-webm", "checker"),
        ("a-discs-small", "discs"),
        ("stripes-low", "stripes"),
    }
    assert all(row["is_direct"] for row in rows)
    assert {row["relation"] for row in rows} == {"copy"}


def test_the_evidence_of_a_duplicate_is_that_of_its_pair(described: Described) -> None:
    pairs = {(pair["left_id"], pair["right_id"]): pair for pair in read_rows(described.lake, "pairs")}
    for row in read_rows(described.lake, "duplicates"):
        pair = pairs[min(row["video_id"], row["duplicate_of"]), max(row["video_id"], row["duplicate_of"])]
        assert row["cosine_similarity"] == pair["cosine_similarity"]
        assert row["match_probability"] == pair["match_probability"]


def test_runs_records_each_stage_with_its_rows(described: Described) -> None:
    runs = {row["stage"]: row for row in read_rows(described.lake, "runs")}
    assert {stage: (row["status"], row["num_rows"]) for stage, row in runs.items()} == {
        "manifest": ("done", 13),
        "attempts": ("done", 13),
        "thumbnails": ("done", 9),
        "descriptors": ("done", 9),
        "quarantine": ("done", 4),
        "embeddings": ("done", 9),
        "fingerprints": ("done", 9),
        "search_cells": ("done", 0),
        "segment_codes": ("done", 0),
        "pairs": ("done", 5),
        "clusters": ("done", 7),
        "cluster_events": ("done", 3),
        "duplicates": ("done", 4),
        "index": ("done", 9),
        "run": ("done", 9),
    }
    assert dict(runs["duplicates"]["input_versions"]) == {"clusters": 1, "embeddings": 1, "pairs": 1, "decisions": 0}
    assert runs["duplicates"]["output_version"] == 1
    assert dict(runs["run"]["error_counts"]) == {"NOT_A_FILE": 1, "EMPTY_FILE": 1, "NOT_FOUND": 1, "NOT_A_VIDEO": 1}
    assert json.loads(runs["run"]["config"])["describe"]["backbone"] == "efficientnet_lite0_ndvr"


def test_every_row_and_commit_has_its_run_id(described: Described) -> None:
    (run_id,) = {row["run_id"] for row in read_rows(described.lake, "runs")}
    for table in (
        "manifest",
        "thumbnails",
        "descriptors",
        "quarantine",
        "embeddings",
        "fingerprints",
        "pairs",
        "clusters",
        "cluster_events",
        "duplicates",
    ):
        assert {row["run_id"] for row in read_rows(described.lake, table)} == {run_id}
        assert read_metadata(described.lake, table)["run_id"] == run_id


def test_rows_that_depend_on_a_model_have_its_id(described: Described) -> None:
    (model_id,) = {row["model_id"] for row in read_rows(described.lake, "runs")}
    shipped = find_model("auto", "efficientnet_lite0_ndvr", DescribeConfig().descriptor_id)
    assert shipped.verifier is not None
    assert model_id == f"{shipped.model_id}-w4h2"
    for table in ("embeddings", "fingerprints", "pairs", "clusters", "cluster_events", "duplicates"):
        assert {row["model_id"] for row in read_rows(described.lake, table)} == {model_id}


def test_the_staging_area_is_removed(described: Described) -> None:
    assert [path for path in described.lake.glob("_staging/*") if any(path.rglob("*.parquet"))] == []


def test_each_line_of_the_log_is_a_json_object_with_the_run_id(described: Described) -> None:
    (run_id,) = {row["run_id"] for row in read_rows(described.lake, "runs")}
    lines = (described.lake / "_logs" / f"{run_id}.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    assert {event["run_id"] for event in events} == {run_id}
    assert events[0]["message"] == "run started"
    assert events[-1]["message"] == "run done"
    assert {event["stage"] for event in events if event["message"] == "stage done"} >= {"pairs", "duplicates"}


def test_a_repeated_run_changes_no_table_except_runs(described: Described, lake_copy: Path) -> None:
    before = read_versions(lake_copy)
    outcome = run_night(described.manifest, lake_copy, described.settings)
    assert read_versions(lake_copy) == before | {"runs": before["runs"] + 1}
    assert {record.stage: record.status for record in outcome.records} == {
        "manifest": "done",
        "attempts": "done",
        "embeddings": "skipped",
        "fingerprints": "skipped",
        "search_cells": "skipped",
        "segment_codes": "skipped",
        "pairs": "skipped",
        "clusters": "skipped",
        "cluster_events": "skipped",
        "duplicates": "skipped",
        "index": "skipped",
    }
    assert (outcome.num_described, outcome.error_counts.total()) == (0, 0)


def test_a_run_after_an_idle_run_does_not_search_for_videos_until_one_is_due(
    spark: SparkSession, described: Described, lake_copy: Path
) -> None:
    for _ in range(2):
        run_night(described.manifest, lake_copy, described.settings)
    rows = [row for row in read_rows(lake_copy, "runs") if row["stage"] == "attempts"]
    _, idle, last = sorted(rows, key=lambda row: str(row["run_id"]))
    assert dict(last["input_versions"]) == dict(idle["input_versions"])
    assert {name for name, _ in last["input_versions"]} == set(DUE_READS)
    jobs = [len(spark.sparkContext.statusTracker().getJobIdsForGroup(row["run_id"])) for row in (idle, last)]
    assert jobs[1] < jobs[0]
    assert jobs[1] <= MAX_IDLE_JOBS
    table = DeltaTable.forPath(spark, str(lake_copy / "quarantine"))
    table.update("error_code = 'EMPTY_FILE'", {"next_retry_at": "last_tried_at"})
    assert run_night(described.manifest, lake_copy, described.settings).error_counts == {"EMPTY_FILE": 1}
