"""The check of one video agrees with the nightly job, with the index that the job publishes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

import ndvr
from jobs.demo.editing.edits import EDITS
from jobs.demo.editing.transcode import apply_edit
from jobs.lake.lake import Lake
from jobs.one_video.index.index_card import IndexCard
from jobs.one_video.index.publish import INDEXED_TABLES, publish_index
from jobs.tables import manifest
from tests.support.catalogue import CATALOGUE, Video, make_scene, write_manifest
from tests.support.lakes import make_run, read_rows, run_night
from udfs.clustering.containment import name_relation_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described


def read_card(lake: Path) -> IndexCard:
    (file,) = lake.glob("_index/*/current.json")
    return IndexCard.from_json(file.read_bytes())


def index_files(lake: Path) -> dict[str, int]:
    return {str(file.relative_to(lake)): file.stat().st_mtime_ns for file in lake.glob("_index/**/*") if file.is_file()}


def pairs_of(lake: Path, video_id: str) -> dict[str, dict[str, Any]]:
    """Rows of `pairs` of a video, by the id of the other video."""
    rows = [row for row in read_rows(lake, "pairs") if video_id in (row["left_id"], row["right_id"])]
    return {row["right_id" if row["left_id"] == video_id else "left_id"]: row for row in rows}


def assert_agrees(answer: ndvr.Answer, lake: Path, video_id: str) -> None:
    """Assert that the answer has the pairs of a video with equal numbers, and the original of `duplicates`.

    Of identical files, `pairs` has only the pairs of the first one with other videos.
    """
    first_id = min(answer.exact_match or video_id, video_id)
    expected_pairs = pairs_of(lake, first_id)
    if first_id != video_id:
        expected_pairs[first_id] = expected_pairs.pop(video_id)
    sure = {m.video_id: m for m in answer.matches if m.match_probability >= answer.min_match_probability}
    assert sure.keys() == expected_pairs.keys()
    for other, match in sure.items():
        pair = expected_pairs[other]
        mine, theirs = ("left", "right") if pair["left_id"] in {video_id, first_id} - {other} else ("right", "left")
        expected = [pair[name] for name in ("match_probability", "cosine_similarity", "alignment_similarity")]
        expected += [
            pair[f"{side}_{n}"] for side in (mine, theirs) for n in ("start_seconds", "end_seconds", "coverage")
        ]
        found = [match.match_probability, match.cosine_similarity, match.alignment_similarity]
        found += [match.start_seconds, match.end_seconds, match.coverage]
        found += [match.match_start_seconds, match.match_end_seconds, match.match_coverage]
        assert found == pytest.approx(expected, abs=1e-6)
        assert match.relation == name_relation_to(pair["relation"], match.coverage, match.match_coverage)
    originals = {row["duplicate_of"] for row in read_rows(lake, "duplicates") if row["video_id"] == video_id}
    assert answer.is_duplicate == bool(originals)
    assert answer.original in (originals or {None})


@pytest.fixture(scope="module")
def lake(described: Described) -> Iterator[ndvr.Lake]:
    with ndvr.open(described.lake) as opened:
        yield opened


@pytest.mark.parametrize("video", CATALOGUE, ids=lambda video: video.video_id)
def test_the_answer_about_a_video_of_the_lake_equals_the_run(
    video: Video, lake: ndvr.Lake, described: Described
) -> None:
    answer = lake.query(described.manifest.parent / video.path, video.video_id)
    assert_agrees(answer, described.lake, video.video_id)


def test_the_run_records_its_index(described: Described) -> None:
    card = read_card(described.lake)
    (row,) = [row for row in read_rows(described.lake, "runs") if row["stage"] == "index"]
    assert (row["status"], row["num_rows"]) == ("done", len(CATALOGUE))
    assert dict(row["input_versions"]) == card.tables
    assert (card.version, card.num_videos) == (row["run_id"], len(CATALOGUE))


@pytest.mark.slow
def test_the_answer_about_an_upload_equals_the_next_run(lake_copy: Path, described: Described, tmp_path: Path) -> None:
    uploads = (tmp_path / "m-upload-mirrored.mp4", tmp_path / "m-upload-longer.mp4", tmp_path / "m-upload-same.mp4")
    apply_edit(described.manifest.parent / "discs.mp4", uploads[0], EDITS["mirror"])
    make_scene(uploads[1], "tiles", seconds=7)
    shutil.copy(described.manifest.parent / "copies" / "checker caption.mp4", uploads[2])
    with ndvr.open(lake_copy) as lake:
        answers = {path.stem: lake.query(path, path.stem) for path in uploads}
        assert lake.query(uploads[0]).original == answers["m-upload-mirrored"].original == "discs"
        same = answers["m-upload-same"]
        assert (same.exact_match, same.original) == ("a-checker-caption", "checker")
        assert {match.video_id for match in same.matches if match.is_duplicate} == {
            *("a-checker-caption", "checker", "checker-webm"),
        }
        before = index_files(lake_copy)
        added = write_manifest(tmp_path / "manifest.csv", [Video(path.stem, path.name) for path in uploads])
        run_night(added, lake_copy, described.settings)
        for video_id, answer in answers.items():
            assert_agrees(answer, lake_copy, video_id)
        card = read_card(lake_copy)
        assert before.items() - index_files(lake_copy).items() <= {
            item for item in before.items() if item[0].endswith("current.json")
        }
        assert (len(card.shards), card.num_videos) == (2, len(CATALOGUE) + len(uploads))
        assert lake.refresh()
        assert not lake.refresh()
        assert lake.query(uploads[0]).match_probability == 1.0

        after = index_files(lake_copy)
        outcome = run_night(added, lake_copy, described.settings)
        assert index_files(lake_copy) == after
        assert [record.status for record in outcome.records if record.stage == "index"] == ["skipped"]


def test_removed_videos_are_left_out_and_a_mostly_dead_shard_is_rewritten(
    spark: SparkSession, lake_copy: Path, described: Described
) -> None:
    lake = Lake(spark, str(lake_copy))
    run = make_run(spark, described.manifest, described.settings)
    before = read_card(lake_copy)
    with ndvr.open(lake_copy) as opened:
        for night, removed in enumerate((["glow"], ["glow", "tiles", "stripes-low", "stripes"])):
            gone = {"removed_at": F.lit(run.started_at)}
            lake.update(manifest.TABLE, F.col("video_id").isin(removed), gone)
            record = publish_index(lake, run, dict.fromkeys(INDEXED_TABLES, 100 + night))
            card = read_card(lake_copy)
            assert card.num_videos == len(CATALOGUE) - len(removed)
            assert card.listing != before.listing
            if night == 0:
                assert (card.shards, record.num_rows) == (before.shards, 0)
            else:
                assert not card.shards.keys() & before.shards.keys()
                assert (record.num_rows, sum(card.shards.values())) == (card.num_videos, card.num_segments)
            assert opened.refresh()
            found = opened.query(described.manifest.parent / "glow.mp4")
            assert "glow" not in {match.video_id for match in found.matches}
            assert opened.query(described.manifest.parent / "discs.mp4", "discs").matches
            run = replace(run, run_id=f"{run.run_id}-again")
    assert publish_index(lake, run, dict.fromkeys(INDEXED_TABLES, 101)).status == "skipped"
