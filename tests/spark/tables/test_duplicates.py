from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.tables import decisions, duplicates
from tests.support.lakes import TINY, make_run

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

PAIRS = (
    "left_id STRING, right_id STRING, match_probability DOUBLE, cosine_similarity DOUBLE, relation STRING, "
    "left_coverage DOUBLE, right_coverage DOUBLE"
)


CLUSTERS = "video_id STRING, cluster_id STRING, is_keeper BOOLEAN, joined_by STRING"
AT = datetime(2024, 1, 1, tzinfo=UTC)


def test_a_member_names_the_keeper_by_their_own_pair_or_else_by_the_next_on_its_way(
    spark: SparkSession, tmp_path: Path
) -> None:
    """b-a and b-c are pairs, a is kept, and d was decided to be a duplicate of c."""
    run = make_run(spark, tmp_path / "m.csv", TINY)
    model_id = run.model.model_id
    inputs = {
        "clusters": spark.createDataFrame(
            [
                ("a", "1", True, None, model_id),
                ("b", "1", False, "a", model_id),
                ("c", "1", False, "b", model_id),
                ("d", "1", False, "c", model_id),
                ("a", "1", False, "x", "other model"),
                ("x", "1", True, None, "other model"),
            ],
            f"{CLUSTERS}, model_id STRING",
        ),
        "decisions": spark.createDataFrame([("c", "d", "duplicate", False, "ann", AT, None)], decisions.TABLE.ddl),
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
    assert found == {"b": ("a", True, 0.7, 0.91), "c": ("a", False, 0.8, 0.92), "d": ("a", False, 1.0, None)}
    assert {row["model_id"] for row in rows.values()} == {model_id}


def test_a_clip_names_the_keepers_that_contain_it_and_a_member_that_is_none_is_not_told(
    spark: SparkSession, tmp_path: Path
) -> None:
    run = make_run(spark, tmp_path / "m.csv", TINY)
    inputs = {
        "clusters": spark.createDataFrame([("a", "1", True, None), ("b", "1", False, "a")], CLUSTERS).withColumn(
            "model_id", F.lit(run.model.model_id)
        ),
        "decisions": spark.createDataFrame(
            [("clip", "refused", "not_duplicate", False, "ann", AT, None)], decisions.TABLE.ddl
        ),
        "pairs": spark.createDataFrame(
            [
                ("a", "b", 0.7, 0.91, "copy", 1.0, 1.0),
                ("a", "clip", 0.7, 0.4, "contained", 0.2, 1.0),
                ("b", "clip", 0.8, 0.4, "contained", 0.2, 1.0),
                ("b", "long", 0.8, 0.4, "contained", 1.0, 0.5),
                ("clip", "long", 0.9, 0.3, "contained", 0.9, 0.1),
                ("clip", "other", 0.9, 0.3, "overlap", 0.5, 0.5),
                ("clip", "refused", 0.9, 0.3, "contained", 0.9, 0.1),
            ],
            PAIRS,
        ).withColumn("model_id", F.lit(run.model.model_id)),
    }
    rows = duplicates.build(inputs, run).where("relation = 'contained'").collect()
    assert {(row["video_id"], row["duplicate_of"], row["cluster_id"], row["match_probability"]) for row in rows} == {
        ("clip", "a", "1", 0.7),
        ("clip", "long", "long", 0.9),
    }
