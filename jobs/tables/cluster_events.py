"""cluster_events: a journal of all changes of clusters, from which cluster ids are read. Rows are only added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.clustering.names import next_sequence, read_journal
from jobs.contracts.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column, DataFrame

    from jobs.contracts.run import Run

TABLE = Table(
    name="cluster_events",
    grain="An event of a cluster in a change x model_id",
    key=("model_id", "sequence", "cluster_id", "event"),
    num_indexed_columns=7,
    checks={"event_is_known": "event IN ('created', 'split', 'grown', 'shrunk', 'merged', 'dissolved')"},
    ddl="""
        model_id STRING NOT NULL COMMENT 'the model whose pairs made the cluster',
        sequence BIGINT NOT NULL COMMENT 'number of the change; it increases with every run that changes clusters',
        cluster_id STRING NOT NULL COMMENT 'the cluster that changed',
        event STRING NOT NULL COMMENT 'created, split (from another), grown, shrunk, merged (into another), dissolved',
        other_cluster_id STRING COMMENT 'the cluster that it was split from or merged into; null for other events',
        num_members_before BIGINT NOT NULL COMMENT 'number of videos before the change',
        num_members_after BIGINT NOT NULL COMMENT 'number of videos after the change',
        run_id STRING NOT NULL COMMENT 'the run that made the change',
        gained_ids ARRAY<STRING> NOT NULL COMMENT 'video_ids that joined, sorted',
        lost_ids ARRAY<STRING> NOT NULL COMMENT 'video_ids that left, sorted'
    """,
)
_MIN_SHARED_OF_SPLIT = 2  # a new cluster that shares a single video with an old one is not a part of it


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Compare the clusters with the journal. Grain: one row per cluster and event of this change.

    The journal is committed before the clusters. If a run is killed between the two commits, the next run builds the
    same clusters and adds no event: no change is lost or recorded twice. Runs on: driver.
    """
    events = inputs["cluster_events"].where(F.col("model_id") == run.model.model_id)
    now = inputs["clusters"].where(F.col("model_id") == run.model.model_id)
    moves = (
        read_journal(events)
        .withColumnRenamed("cluster_id", "old_id")
        .join(now.select("video_id", F.col("cluster_id").alias("new_id")), "video_id", "full_outer")
    )
    changes = (
        _count(moves, "old_id", "new_id", "num_members_before", "lost")
        .join(_count(moves, "new_id", "old_id", "num_members_after", "gained"), "cluster_id", "full_outer")
        .join(_find_partners(moves, "new_id", "old_id", "source"), "cluster_id", "left")
        .join(_find_partners(moves, "old_id", "new_id", "heir"), "cluster_id", "left")
    )
    event = F.col("event")
    none = F.array().cast("array<string>")
    return changes.withColumn("event", F.explode(_name_events())).select(
        F.lit(run.model.model_id).alias("model_id"),
        F.lit(next_sequence(events)).cast("bigint").alias("sequence"),
        "cluster_id",
        "event",
        F.when(event == "split", F.col("source.id"))
        .when(event == "merged", F.col("heir.id"))
        .alias("other_cluster_id"),
        F.coalesce("num_members_before", F.lit(0)).cast("bigint").alias("num_members_before"),
        F.coalesce("num_members_after", F.lit(0)).cast("bigint").alias("num_members_after"),
        F.lit(run.run_id).alias("run_id"),
        F.when(event.isin("created", "split", "grown"), F.col("gained")).otherwise(none).alias("gained_ids"),
        F.when(event.isin("shrunk", "merged", "dissolved"), F.col("lost")).otherwise(none).alias("lost_ids"),
    )


def _name_events() -> Column:
    """Return the events of a cluster as an array: empty if nothing changed, at most grown and shrunk together."""
    is_new, is_gone = F.col("num_members_before").isNull(), F.col("num_members_after").isNull()
    has_source = F.col("source.num_shared") >= _MIN_SHARED_OF_SPLIT
    grown = F.when(F.size("gained") > 0, F.lit("grown"))
    shrunk = F.when(F.size("lost") > 0, F.lit("shrunk"))
    return (
        F.when(is_new, F.array(F.when(has_source, F.lit("split")).otherwise(F.lit("created"))))
        .when(is_gone, F.array(F.when(F.col("heir").isNotNull(), F.lit("merged")).otherwise(F.lit("dissolved"))))
        .otherwise(F.array_compact(F.array(grown, shrunk)))
    )


def _count(moves: DataFrame, side: str, other_side: str, count: str, moved: str) -> DataFrame:
    """Count the videos of each cluster on one side of the change, and list those that are elsewhere on the other."""
    is_moved = ~F.col(side).eqNullSafe(F.col(other_side))
    return (
        moves.where(F.col(side).isNotNull())
        .groupBy(F.col(side).alias("cluster_id"))
        .agg(
            F.count("*").alias(count),
            F.sort_array(F.collect_list(F.when(is_moved, F.col("video_id")))).alias(moved),
        )
    )


def _find_partners(moves: DataFrame, side: str, other_side: str, name: str) -> DataFrame:
    """Find the other cluster that each shares most videos with across the change; ties go to the smallest id."""
    best = F.min_by(F.struct("num_shared", F.col(other_side).alias("id")), F.struct(-F.col("num_shared"), other_side))
    return (
        moves.where(F.col(side) != F.col(other_side))
        .groupBy(side, other_side)
        .agg(F.count("*").alias("num_shared"))
        .groupBy(F.col(side).alias("cluster_id"))
        .agg(best.alias(name))
    )
