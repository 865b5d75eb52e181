"""duplicates: the videos that duplicate another; the table that people query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.clustering.decisions import decisions_in_force
from jobs.contracts.table import Table
from udfs.clustering.containment import CONTAINER_RANK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run

TABLE = Table(
    name="duplicates",
    grain="A video that duplicates the keeper of its cluster, or is contained in another video x model_id",
    key=("video_id", "duplicate_of", "model_id"),
    is_replaced=True,
    checks={
        "is_not_its_own_duplicate": "video_id <> duplicate_of",
        "probability_is_in_range": "match_probability BETWEEN 0 AND 1",
        "relation_is_known": "relation IN ('copy', 'contained', 'overlap')",
    },
    ddl="""
        video_id STRING NOT NULL COMMENT 'the duplicate',
        duplicate_of STRING NOT NULL COMMENT 'the keeper of its cluster, or the longer video that contains it',
        model_id STRING NOT NULL COMMENT 'the model whose pairs made the cluster',
        cluster_id STRING NOT NULL COMMENT 'the cluster of duplicate_of; duplicate_of itself if it is in none',
        relation STRING NOT NULL COMMENT 'relation of the pair that is the evidence; copy if it is a decision',
        match_probability DOUBLE NOT NULL COMMENT 'probability of that pair, in [0, 1]; 1 if it is a decision',
        cosine_similarity DOUBLE COMMENT 'similarity of that pair, in [-1, 1]; null if it is a decision',
        is_direct BOOLEAN NOT NULL COMMENT 'true if that pair includes duplicate_of; false if it includes joined_by',
        run_id STRING NOT NULL COMMENT 'the run that last changed this row'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """List the members of clusters that are not kept, and videos contained in a longer video of another cluster.

    Grain: one row per member that is not the keeper, and one per video and cluster that contains it.
    Runs on: driver.
    """
    clusters = inputs["clusters"].where(F.col("model_id") == run.model.model_id)
    pairs = inputs["pairs"].where(F.col("model_id") == run.model.model_id)
    decisions = decisions_in_force(inputs["decisions"])
    copies = _select_copies(clusters, pairs.where(F.col("relation").isin(*run.config.clusters.relations)), decisions)
    refused = decisions.where("verdict = 'not_duplicate'").select("left_id", "right_id")
    parts = pairs.where("relation = 'contained'").join(refused, ["left_id", "right_id"], "left_anti")
    contained = _select_contained(clusters, parts)
    return copies.unionByName(contained).withColumns(
        {"model_id": F.lit(run.model.model_id), "run_id": F.lit(run.run_id)}
    )


def _select_copies(clusters: DataFrame, pairs: DataFrame, decisions: DataFrame) -> DataFrame:
    """Select the members of clusters that are not keepers, with the pair that is the evidence.

    It is the pair with `joined_by`: the keeper, or the next video on the path to it. A decision counts as a pair.
    """
    keepers = clusters.where("is_keeper").select("cluster_id", F.col("video_id").alias("duplicate_of"))
    others = clusters.where("NOT is_keeper").select("video_id", "cluster_id", "joined_by").join(keepers, "cluster_id")
    known = pairs.select("left_id", "right_id", "match_probability", "cosine_similarity", "relation")
    decided = decisions.where("verdict = 'duplicate'").select(
        "left_id",
        "right_id",
        F.lit(1.0).alias("match_probability"),
        F.lit(None).cast("double").alias("cosine_similarity"),
        F.lit("copy").alias("relation"),
    )
    links = known.unionByName(decided.join(known, ["left_id", "right_id"], "left_anti"))
    is_direct = F.col("joined_by") == F.col("duplicate_of")
    return (
        others.withColumns(
            {"left_id": F.least("video_id", "joined_by"), "right_id": F.greatest("video_id", "joined_by")}
        )
        .join(links, ["left_id", "right_id"])
        .select(
            "video_id",
            "duplicate_of",
            "cluster_id",
            "relation",
            "match_probability",
            "cosine_similarity",
            is_direct.alias("is_direct"),
        )
    )


def _select_contained(clusters: DataFrame, pairs: DataFrame) -> DataFrame:
    """Select the videos that a longer video of another cluster contains, one row for each such cluster.

    Containment is reported for videos without a cluster and for keepers only. If several videos of a cluster contain
    the video, the row names the cluster's keeper, else the video with the highest probability.
    """
    is_left = F.col("left_coverage") >= F.col("right_coverage")
    sides = pairs.select(
        F.when(is_left, F.col("left_id")).otherwise(F.col("right_id")).alias("video_id"),
        F.when(is_left, F.col("right_id")).otherwise(F.col("left_id")).alias("longer_id"),
        "match_probability",
        "cosine_similarity",
    )
    inner = clusters.select("video_id", F.col("cluster_id").alias("inner_cluster_id"), "is_keeper")
    outer = clusters.select(
        F.col("video_id").alias("longer_id"),
        F.col("cluster_id").alias("outer_cluster_id"),
        F.col("is_keeper").alias("is_longer_keeper"),
    )
    names = {"is_keeper": "is_longer_keeper", "video_id": "longer_id"}
    rank = F.struct(*[F.col(names.get(name, name)).alias(name) for name in CONTAINER_RANK])
    return (
        sides.join(inner, "video_id", "left")
        .join(outer, "longer_id", "left")
        .where("inner_cluster_id IS NULL OR (is_keeper AND NOT inner_cluster_id <=> outer_cluster_id)")
        .groupBy("video_id", F.coalesce("outer_cluster_id", "longer_id").alias("cluster_id"))
        .agg(F.max(rank).alias("chosen"))
        .select(
            "video_id",
            F.col("chosen.video_id").alias("duplicate_of"),
            "cluster_id",
            F.lit("contained").alias("relation"),
            "chosen.match_probability",
            "chosen.cosine_similarity",
            F.lit(True).alias("is_direct"),
        )
    )
