from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.tables import duplicates
from tests.support.lakes import TINY, make_run

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


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
            [("a", "b", 0.7, 0.91), ("b", "c", 0.8, 0.92)],
            "left_id STRING, right_id STRING, match_probability DOUBLE, cosine_similarity DOUBLE",
        ).selectExpr("*", "'copy' AS relation", f"'{model_id}' AS model_id"),
    }
    rows = {row["video_id"]: row for row in duplicates.build(inputs, run).collect()}
    found = {
        video_id: (row["duplicate_of"], row["is_direct"], row["match_probability"], row["cosine_similarity"])
        for video_id, row in rows.items()
    }
    assert found == {"b": ("a", True, 0.7, 0.91), "c": ("a", False, 0.8, 0.92)}
    assert {row["model_id"] for row in rows.values()} == {model_id}
