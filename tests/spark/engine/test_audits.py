"""A run with tripped audits publishes nothing, until the cause is fixed or --publish-anyway is passed."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.contracts.stage import Stage
from jobs.engine import runner
from jobs.engine.summary import RunSummary
from jobs.lake.lake import Lake
from jobs.tables import clusters, runs
from tests.support.catalogue import Video, write_manifest
from tests.support.lakes import read_rows, read_versions
from tests.support.written_lake import append_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from jobs.contracts.run import Run
    from tests.spark.conftest import Described

pytestmark = pytest.mark.slow

PUBLISHED = ("pairs", "clusters", "cluster_events", "duplicates")
STRICT = """
quality: {min_attempts: 3, max_failed_fraction: 0.5, min_videos: 1, max_cluster_fraction: 0.1,
          max_pairs_per_new_video: 0.5}
"""
USUAL = {"failed_fraction": 0.02, "clustered_fraction": 0.02, "pairs_per_video": 6.0}
TRIPPED = {
    "failed_fraction": "2 of 3 videos failed (NOT_FOUND 2); quality.max_failed_fraction is 0.5. Look at the quarantine",
    "largest_cluster_fraction": "3 of 10 videos are in one cluster",
    "pairs_per_new_video": "1 new videos have 1 pairs; quality.max_pairs_per_new_video is 0.5.",
    "without_keeper_fraction": "2 of 9 rows of clusters have no keeper or several",
    "drift_of_failed_fraction": "failed_fraction is 0.667; its median over the last 4 published runs is 0.02",
    "drift_of_clustered_fraction": "clustered_fraction is 0.9; its median over the last 4 published runs is 0.02",
    "drift_of_pairs_per_video": "pairs_per_video is 0.6; its median over the last 4 published runs is 6;",
}


@dataclass(frozen=True)
class Night:
    """The result of a run: exit code, standard error, output of --json, and the versions of the tables after it."""

    code: int
    error: str
    summary: dict[str, Any]
    versions: dict[str, int]


@dataclass(frozen=True)
class Nights:
    """A lake before, after a rejected run, after its repetition, and after a run with --publish-anyway."""

    lake: Path
    before: dict[str, int]
    first: Night
    again: Night
    overruled: Night


def lose_keeper(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Build clusters without one keeper, as a bug may do."""
    is_forgotten = F.col("video_id") == "discs"
    return clusters.build(inputs, run).withColumn("is_keeper", F.col("is_keeper") & ~is_forgotten)


def run_strictly(folder: Path, manifest: Path, *options: str) -> Night:
    lake = folder / "lake"
    arguments = ["--manifest", str(manifest), "--lake", str(lake), "--config", str(folder / "strict.yaml"), "--json"]
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as error:
        code = run_command(app, ["nightly", *arguments, *options])
    return Night(code, error.getvalue(), json.loads(out.getvalue()), read_versions(lake))


@pytest.fixture(scope="module")
def nights(spark: SparkSession, described: Described, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nights]:
    """Run nights that add a copy and two missing files to a lake whose last runs differed, and that lose a keeper."""
    folder = tmp_path_factory.mktemp("audits")
    lake = shutil.copytree(described.lake, folder / "lake")
    videos = described.manifest.parent
    shutil.copy(videos / "glow.mp4", videos / "glow-again.mp4")
    new = (Video("glow-again", "glow-again.mp4"), Video("lost-1", "lost-1.mp4"), Video("lost-2", "lost-2.mp4"))
    manifest = write_manifest(videos / "manifest-of-losses.csv", new)
    (folder / "strict.yaml").write_text(STRICT, encoding="utf-8")
    earlier = {"stage": "run", "status": "done", "run_date": date(2024, 1, 1), "audit_values": USUAL}
    earlier |= {"started_at": datetime(2024, 1, 1, tzinfo=UTC)}
    rows = [earlier | {"run_id": f"2024010{day}T020000Z-aaaaaa"} for day in (1, 2, 3)]
    append_rows(Lake(spark, str(lake)), runs.TABLE, rows)
    before = read_versions(lake)
    faulty = tuple(
        replace(step, build=lose_keeper) if isinstance(step, Stage) and step.builds is clusters.TABLE else step
        for step in runner.PIPELINE
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "PIPELINE", faulty)
        yield Nights(lake, before, *(run_strictly(folder, manifest, *o) for o in ((), (), ("--publish-anyway",))))


def test_the_message_lists_every_tripped_audit_with_numbers_limit_and_remedy(nights: Nights) -> None:
    assert nights.first.code == 4
    assert "ndvr: 7 audits tripped:\n" in nights.first.error
    lines = {line.split()[0]: line for line in nights.first.error.splitlines() if line.startswith("  ")}
    assert lines.keys() >= TRIPPED.keys()
    assert [name for name, what in TRIPPED.items() if what not in lines[name]] == []
    assert (
        "Nothing was published; queries see the last published run. Fix the cause and run again. " in nights.first.error
    )
    assert nights.first.error.endswith("If the result is right, raise the limit or pass --publish-anyway\n")


def test_nothing_is_published_and_described_videos_are_kept(nights: Nights) -> None:
    after = nights.first.versions
    assert {name: after[name] for name in PUBLISHED} == {name: nights.before[name] for name in PUBLISHED}
    assert after["descriptors"] == nights.before["descriptors"] + 1
    assert not any(path.is_file() for path in nights.lake.glob("_staging/**/*"))


def test_a_repeated_run_is_rejected_again_although_no_video_is_due(nights: Nights) -> None:
    assert nights.again.code == 4
    assert nights.again.summary["num_described"] == 0
    audits = [audit["audit"] for audit in nights.again.summary["audits"] if audit["is_tripped"]]
    assert audits == list(TRIPPED)
    assert nights.again.versions == nights.first.versions | {"runs": nights.first.versions["runs"] + 1}


def test_publish_anyway_publishes_the_run(nights: Nights) -> None:
    assert nights.overruled.code == 0
    assert "published although 7 audits tripped:" in nights.overruled.error
    assert nights.overruled.summary["is_overruled"]
    after = nights.overruled.versions
    assert nights.overruled.summary["published"] == {name: after[name] for name in PUBLISHED}
    assert [after[name] - nights.before[name] for name in PUBLISHED] == [1, 1, 1, 1]
    assert ("glow-again", "glow") in {
        (row["video_id"], row["duplicate_of"]) for row in read_rows(nights.lake, "duplicates")
    }


def test_runs_records_audit_values_and_errors(nights: Nights) -> None:
    of_runs = {row["run_id"]: row for row in read_rows(nights.lake, "runs") if row["stage"] == "run"}
    first, overruled = (of_runs[night.summary["run_id"]] for night in (nights.first, nights.overruled))
    assert first["status"] == "failed"
    assert first["error_detail"].startswith("QualityError: 7 audits tripped:\n  failed_fraction 0.6667: 2 of 3 videos")
    assert dict(first["error_counts"]) == {"NOT_FOUND": 2}
    assert overruled["status"] == "done"
    assert overruled["error_detail"].startswith("7 audits tripped:")
    assert dict(first["audit_values"]) == {
        "failed_fraction": pytest.approx(2 / 3),
        "largest_cluster_fraction": 0.3,
        "pairs_per_new_video": 1.0,
        "without_keeper_fraction": pytest.approx(2 / 9),
        "clustered_fraction": 0.9,
        "pairs_per_video": 0.6,
    }


def test_the_summary_of_a_rejected_run_is_printed_and_written(nights: Nights) -> None:
    summary = nights.first.summary
    (file,) = nights.lake.glob(f"_logs/{summary['run_id']}.summary.json")
    assert json.loads(file.read_text(encoding="utf-8")) == summary
    assert RunSummary.model_validate(summary).model_dump(mode="json") == summary
    assert (summary["status"], summary["exit_code"], summary["published"]) == ("failed", 4, {})
    assert summary["error"].startswith("QualityError: 7 audits tripped:")
    stages = {stage["stage"]: stage for stage in summary["stages"]}
    assert list(stages) == [stage.name for stage in runner.STAGES]
    assert stages["manifest"]["input_rows"] == {"manifest_source": 3}
    assert stages["thumbnails"]["input_rows"] == stages["descriptors"]["input_rows"] == {"attempts": 3}
    assert stages["pairs"]["input_rows"] == {
        "manifest": 16,
        "quarantine": 6,
        "embeddings": 10,
        "fingerprints": 10,
        "search_cells": 0,
        "segment_codes": 0,
        "thumbnails": 10,
        "descriptors": 10,
    }
    assert stages["clusters"]["input_rows"] == {
        "manifest": 16,
        "quarantine": 6,
        "descriptors": 10,
        "pairs": 6,
        "decisions": 0,
        "cluster_events": 3,
    }
    assert stages["pairs"]["rows_per_second"] == pytest.approx(6 / stages["pairs"]["seconds"], rel=0.01)


def test_the_jobs_in_the_spark_ui_are_named_by_stage(spark: SparkSession, nights: Nights) -> None:
    """The names are read from the store of the UI and its REST API."""
    named: dict[str, int] = {}
    jobs = spark.sparkContext._jsc.sc().statusStore().jobsList(None)  # type: ignore[union-attr]
    for job in (jobs.apply(i) for i in range(jobs.size())):
        if job.jobGroup().isDefined() and job.jobGroup().get() == nights.overruled.summary["run_id"]:
            what = job.description().get().splitlines()[0]
            named[what] = named.get(what, 0) + 1
    night = nights.overruled.summary["run_date"]
    assert {f"{night} {what}" for what in ("pairs: build", "pairs: check", "audit", "publish pairs", "record")} <= set(
        named
    )
    assert [what for what in named if not what.removeprefix("Delta: ").removeprefix("Delta: ").startswith(night)] == []
    assert spark.sparkContext.getLocalProperty("spark.job.description") is None
