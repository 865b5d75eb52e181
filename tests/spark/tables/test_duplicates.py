from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.tables import duplicates
from tests.support.lakes import TINY, make_run

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

PAIRS = (
    "left_id STRING, right_id STRING, match_probability DOUBLE, cosine_similarity DOUBLE, relation STRING, "
    "left_coverage DOUBLE, right_coverage DOUBLE"
)


def test_a_member_names_the_keeper_by_their_own_pair_or_else_by_its_surest(spark: SparkSession, tmp_path: Path) -> None:
    """b-a and b-c are pairs and a is kept: b has a pair with it, c has not."""
    run = make_run(spark, tmp_path / "m.csv", TINY)
    model_id = run.model.model_id
    inputs = {
        "clusters": spark.createDataFrame(
            [
                ("a", "a", True, model_id),
                ("b", "a", False, model_id),
                ("c", "a", False, model_id),
                ("a", "a", False, "other model"),
                ("x", "a", True, "other model"),
            ],
            "video_id STRING, cluster_id STRING, is_keeper BOOLEAN, model_id STRING",
        ),
        "pairs": spark.createDataFrame(
            [
                ("a", "b", 0.7, 0.91, "copy", 1.0, 1.0),
                ("b", "c", 0.8, 0.92, "copy", 1.0, 1.0),
                ("a", "c", 0.6, 0.5, "contained", 0.3, 1.0),
            ],
            PAIRS,
        ).withColumn("model_id", F.lit(model_id)),
    }
    rows = {row["video_id"]: row for row in duplicates.build(inputs, run).collect()}
    found = {
        video_id: (row["duplicate_of"], row["is_direct"], row["match_probability"], row["cosine_similarity"])
        for video_id, row in rows.items()
    }
    assert found == {"b": ("a", True, 0.7, 0.91), "c": ("a", False, 0.8, 0.92)}
    assert {row["model_id"] for row in rows.values()} == {model_id}


def test_a_clip_names_the_keepers_that_contain_it_and_a_member_that_is_none_is_not_told(
    spark: SparkSession, tmp_path: Path
) -> None:
    run = make_run(spark, tmp_path / "m.csv", TINY)
    inputs = {
        "clusters": spark.createDataFrame(
            [("a", "a", True), ("b", "a", False)], "video_id STRING, cluster_id STRING, is_keeper BOOLEAN"
        ).withColumn("model_id", F.lit(run.model.model_id)),
        "pairs": spark.createDataFrame(
            [
                ("a", "b", 0.7, 0.91, "copy", 1.0, 1.0),
                ("a", "clip", 0.7, 0.4, "contained", 0.2, 1.0),
                ("b", "clip", 0.8, 0.4, "contained", 0.2, 1.0),
                ("b", "long", 0.8, 0.4, "contained", 1.0, 0.5),
                ("clip", "long", 0.9, 0.3, "contained", 0.9, 0.1),
                ("clip", "other", 0.9, 0.3, "overlap", 0.5, 0.5),
            ],
            PAIRS,
        ).withColumn("model_id", F.lit(run.model.model_id)),
    }
    rows = duplicates.build(inputs, run).where("relation = 'contained'").collect()
    assert {(row["video_id"], row["duplicate_of"], row["cluster_id"], row["match_probability"]) for row in rows} == {
        ("clip", "a", "a", 0.7),
        ("clip", "long", "long", 0.9),
    }
