"""duplicates: the videos that duplicate another; the table that people query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.clustering.decisions import decisions_in_force
from jobs.contracts.table import Table
from udfs.clustering.containment import CONTAINER_RANK, write_relation_to
from udfs.clustering.evidence import CLAIM_DDL, WANTED_DDL, claim_batches

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
        "relation_is_known": "relation IN ('copy', 'contained', 'contains', 'overlap')",
    },
    ddl="""
        video_id STRING NOT NULL COMMENT 'the duplicate',
        duplicate_of STRING NOT NULL COMMENT 'the keeper of its cluster, or the longer video that contains it',
        model_id STRING NOT NULL COMMENT 'the model whose pairs made the cluster',
        cluster_id STRING NOT NULL COMMENT 'the cluster of duplicate_of; duplicate_of itself if it is in none',
        relation STRING NOT NULL COMMENT 'of video_id to duplicate_of: copy, contained, contains or overlap',
        match_probability DOUBLE NOT NULL COMMENT 'probability of that, in [0, 1]; 1 if only a decision says so',
        cosine_similarity DOUBLE COMMENT 'similarity of the two, in [-1, 1]; null if their contents form no pair',
        is_direct BOOLEAN NOT NULL COMMENT 'true if the two form a pair or were decided; false if by a path of pairs',
        is_exact BOOLEAN COMMENT 'true if the two files are identical; null in rows of earlier versions',
        run_id STRING NOT NULL COMMENT 'the run that last changed this row'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """List the members of clusters that are not kept, and videos contained in a longer video of another cluster.

    Grain: one row per member that is not the keeper, and one per video and cluster that contains it. No row claims more
    than the pairs that it rests on: see `udfs.clustering.evidence`. Identical files share their pairs, because only one
    of them is searched. Runs on: driver; paths are followed on executors.
    """
    of_model = F.col("model_id") == run.model.model_id
    clusters, pairs = inputs["clusters"].where(of_model), inputs["pairs"].where(of_model)
    contents = inputs["embeddings"].where(of_model & (F.col("segment_index") == 0)).select("video_id", "content_sha256")
    decisions = decisions_in_force(inputs["decisions"])
    keepers = clusters.where("is_keeper").select("cluster_id", F.col("video_id").alias("duplicate_of"))
    others = clusters.where("NOT is_keeper").select("video_id", "cluster_id", "joined_by").join(keepers, "cluster_id")
    copies = _select_copies(others, pairs, contents, decisions)
    contained = _select_contained(clusters, others, pairs, contents, decisions)
    return copies.unionByName(contained).withColumns(
        {"model_id": F.lit(run.model.model_id), "run_id": F.lit(run.run_id)}
    )


def _select_copies(others: DataFrame, pairs: DataFrame, contents: DataFrame, decisions: DataFrame) -> DataFrame:
    """Select the members of clusters that are not keepers, with what is known of them and their keepers.

    Args:
        others: video_id, cluster_id, joined_by and duplicate_of, the keeper, of the members.
        pairs: rows of `pairs`, of any relation.
        contents: video_id and content_sha256.
        decisions: those in force.
    """
    wanted = others.withColumn("other_id", F.explode(F.array_distinct(F.array("duplicate_of", "joined_by"))))
    decided = decisions.where("verdict = 'duplicate'").select("left_id", "right_id", F.lit(True).alias("is_decided"))
    ends = {"left_id": F.least("video_id", "other_id"), "right_id": F.greatest("video_id", "other_id")}
    rows = (
        wanted.withColumns(ends)
        .join(decided, ["left_id", "right_id"], "left")
        .join(_rename(contents, "video_id", "own_content"), "video_id", "left")
        .join(_rename(contents, "other_id", "other_content"), "other_id", "left")
        .join(_list_by_content(pairs, contents), ["own_content", "other_content"], "left")
        .withColumn("is_exact", F.coalesce(F.col("own_content") == F.col("other_content"), F.lit(False)))
        .withColumn("is_decided", F.coalesce("is_decided", F.lit(False)))
    )
    columns = [column.split()[0] for column in WANTED_DDL.split(", ")]
    return rows.select(*columns).repartition("cluster_id").mapInPandas(claim_batches, CLAIM_DDL)


def _rename(contents: DataFrame, video_id: str, content: str) -> DataFrame:
    """Rename the columns of `contents`."""
    return contents.select(F.col("video_id").alias(video_id), F.col("content_sha256").alias(content))


def _list_by_content(pairs: DataFrame, contents: DataFrame) -> DataFrame:
    """List the pairs of two contents, once for each of the two as `own_content`."""
    named = pairs.join(_rename(contents, "left_id", "left_content"), "left_id")
    named = named.join(_rename(contents, "right_id", "right_content"), "right_id")
    sides = [
        named.select(
            F.col(f"{own}_content").alias("own_content"),
            F.col(f"{other}_content").alias("other_content"),
            F.struct(
                "match_probability",
                "cosine_similarity",
                "relation",
                F.col(f"{own}_coverage").alias("own_coverage"),
                F.col(f"{other}_coverage").alias("other_coverage"),
            ).alias("pair"),
        )
        for own, other in (("left", "right"), ("right", "left"))
    ]
    # Two contents have one pair, unless the search of an earlier run chose other representatives: the weakest counts.
    weakest = sides[0].unionAll(sides[1]).groupBy("own_content", "other_content").agg(F.min("pair").alias("pair"))
    return weakest.select("own_content", "other_content", "pair.*")


def _select_contained(
    clusters: DataFrame, others: DataFrame, pairs: DataFrame, contents: DataFrame, decisions: DataFrame
) -> DataFrame:
    """Select the videos that a longer video of another cluster contains, one row for each such cluster.

    Containment is reported for videos without a cluster and for keepers only. A keeper has the pairs of the files that
    are identical to it. If several videos of a cluster contain the video, the row names the cluster's keeper, else the
    video with the highest probability.
    """
    refused = decisions.where("verdict = 'not_duplicate'").select("left_id", "right_id")
    parts = pairs.where("relation = 'contained'").join(refused, ["left_id", "right_id"], "left_anti")
    is_left = F.expr(write_relation_to("relation", "left_coverage", "right_coverage")) == "contained"
    sides = parts.select(
        F.when(is_left, F.col("left_id")).otherwise(F.col("right_id")).alias("video_id"),
        F.when(is_left, F.col("right_id")).otherwise(F.col("left_id")).alias("longer_id"),
        "match_probability",
        "cosine_similarity",
    )
    sides = _name_keepers(sides, _select_identical(others, contents))
    ends = {"left_id": F.least("video_id", "longer_id"), "right_id": F.greatest("video_id", "longer_id")}
    sides = sides.withColumns(ends).join(refused, ["left_id", "right_id"], "left_anti")
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
            F.lit(False).alias("is_exact"),
        )
    )


def _select_identical(others: DataFrame, contents: DataFrame) -> DataFrame:
    """Select the members that are identical to their keeper: video_id and keeper_id."""
    own, kept = _rename(contents, "video_id", "content"), _rename(contents, "keeper_id", "content")
    members = others.select("video_id", F.col("duplicate_of").alias("keeper_id"))
    return members.join(own, "video_id").join(kept, ["keeper_id", "content"]).select("video_id", "keeper_id")


def _name_keepers(sides: DataFrame, identical: DataFrame) -> DataFrame:
    """Name the keeper instead of a member that is identical to it, on both sides."""
    for side in ("video_id", "longer_id"):
        named = identical.select(F.col("video_id").alias(side), F.col("keeper_id").alias(f"keeper_of_{side}"))
        keeper = F.col(f"keeper_of_{side}")
        sides = sides.join(named, side, "left").withColumn(side, F.coalesce(keeper, side)).drop(f"keeper_of_{side}")
    return sides
