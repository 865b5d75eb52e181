"""Changes of pairs and clusters by a switch to another model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.config.settings import Config
from jobs.engine.backfill_run import run_backfill
from jobs.engine.budget import BackfillBudget
from jobs.evaluation.model_comparison import _match_clusters, _match_pairs
from tests.support.lakes import make_run, read_versions

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described

BLIND: dict[str, Any] = {"embeddings": {"method": "averaged"}, "pairs": {"min_cosine_similarity": 0.9999}}
"""Settings of a model that finds hardly any copies."""


def pair(left: str, right: str, probability: float, relation: str = "copy") -> tuple[str, str, float, float, str]:
    return left, right, probability, probability, relation


def test_pairs_are_matched_by_their_videos(spark: SparkSession) -> None:
    ddl = "left_id STRING, right_id STRING, match_probability DOUBLE, cosine_similarity DOUBLE, relation STRING"
    old = [pair("a", "b", 0.9), pair("a", "c", 0.8, "overlap"), pair("d", "e", 0.7)]
    new = [pair("a", "b", 0.6), pair("a", "c", 0.8, "copy"), pair("f", "g", 0.95)]
    rows = _match_pairs(spark.createDataFrame(old, ddl), spark.createDataFrame(new, ddl)).collect()
    assert {(r["left_id"], r["right_id"]): (r["change"], r["is_altered"], r["probability"]) for r in rows} == {
        ("a", "b"): ("both", False, 0.6),
        ("a", "c"): ("both", True, 0.8),
        ("d", "e"): ("lost", False, 0.7),
        ("f", "g"): ("gained", False, 0.95),
    }


def test_clusters_are_equal_if_they_have_the_same_videos(spark: SparkSession) -> None:
    ddl = "cluster_id STRING, video_id STRING, is_keeper BOOLEAN"

    def members(**clusters: str) -> list[tuple[str, str, bool]]:
        """Rows of clusters. Each is a list of videos with the keeper first."""
        return [(name, video, video == videos[0]) for name, videos in clusters.items() for video in videos]

    old = members(same="ab", turned="cd", grown="ef", gone="gh", of_one="i")
    new = members(other_name="ab", turned="dc", grown="efx", fresh="jk")
    rows = _match_clusters(spark.createDataFrame(old, ddl), spark.createDataFrame(new, ddl)).collect()
    assert {"".join(row["video_ids"]): (row["change"], row["is_altered"], row["keeper_id"]) for row in rows} == {
        "ab": ("both", False, "a"),
        "cd": ("both", True, "d"),
        "ef": ("lost", False, "e"),
        "efx": ("gained", False, "e"),
        "gh": ("lost", False, "g"),
        "jk": ("gained", False, "j"),
    }


@pytest.mark.slow
def test_a_model_is_compared_with_the_model_in_use_and_nothing_is_published(
    described: Described, lake_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spark: SparkSession
) -> None:
    config = tmp_path / "new.yaml"
    config.write_text(json.dumps(BLIND), encoding="utf-8")
    command = ["compare-models", "--lake", str(lake_copy), "--new", str(config)]
    assert run_command(app, command) == 2
    assert "first run `ndvr backfill` with the config of --new" in capsys.readouterr().err
    run_backfill(str(lake_copy), None, Config(**BLIND), BackfillBudget(max_videos=8))
    capsys.readouterr()

    before = read_versions(lake_copy)
    assert run_command(app, [*command, "--json", "--out", str(tmp_path / "out"), "--samples", "1"]) == 0
    assert read_versions(lake_copy) == before
    assert list((lake_copy / "_staging").iterdir()) == []
    content = json.loads(capsys.readouterr().out)
    assert content["old_id"] == make_run(spark, described.manifest, described.settings).model.model_id
    assert content["new_id"] == make_run(spark, described.manifest, BLIND).model.model_id
    assert (content["num_videos"], content["num_missing"]) == (8, 1)
    assert content["pairs"]["num_new"] == content["pairs"]["num_gained"] == 0
    assert content["pairs"]["num_lost"] == content["pairs"]["num_old"] > 0
    (lost,) = content["pairs"]["lost"]
    assert lost["old"]["match_probability"] > 0.9
    assert lost["left_title"]
    assert content["clusters"]["num_lost"] == content["clusters"]["num_old"] > 0
    written = pq.read_table(tmp_path / "out" / "pairs").to_pylist()
    assert len(written) == content["pairs"]["num_lost"]
    assert {row["change"] for row in written} == {"lost"}

    assert run_command(app, [*command, "--old", content["old_id"]]) == 0
    out = capsys.readouterr().out
    assert "over 8 videos; 1 videos that the new model has not embedded are excluded" in out
    assert "pairs lost, most probable first" in out
    assert run_command(app, [*command, "--old", str(config)]) == 2
    assert "the old and the new model are both averaged-" in capsys.readouterr().err
    assert run_command(app, [*command, "--old", "no-such-model"]) == 2
    assert "nor a model of this lake; models: averaged-" in capsys.readouterr().err
