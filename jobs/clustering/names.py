"""Assigns cluster ids that are stable across runs, from the journal `cluster_events`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame, Row

_NAME_DIGITS = 20  # 80 bits: among ten million ids, two collide once in 2 * 10^10 catalogues


def read_journal(events: DataFrame) -> DataFrame:
    """Replay the `cluster_events` of one model: (video_id, cluster_id), the current members of each cluster.

    The newest event of a video counts. A video that moved was lost by one cluster and gained by another in the same
    change; the gain counts.
    """
    gained = events.select(
        F.explode("gained_ids").alias("video_id"), "sequence", F.lit(True).alias("is_in"), "cluster_id"
    )
    lost = events.select(F.explode("lost_ids").alias("video_id"), "sequence", F.lit(False).alias("is_in"), "cluster_id")
    newest = F.max(F.struct("sequence", "is_in", "cluster_id")).alias("newest")
    known = gained.unionAll(lost).groupBy("video_id").agg(newest)
    return known.where("newest.is_in").select("video_id", "newest.cluster_id")


def next_sequence(events: DataFrame) -> int:
    """Return the sequence number of the next change of one model."""
    row = events.agg(F.max("sequence").alias("last")).collect()[0]
    return int(row["last"] or 0) + 1


def name_clusters(members: DataFrame, events: DataFrame, old_keepers: DataFrame) -> DataFrame:
    """Give each cluster the id of the old cluster that it continues, or a new id.

    Old and new clusters are matched by the number of shared videos, highest first. Ties are broken by: the pair with
    the old keeper, the older id, the smaller id, the new cluster with the smaller video_id. So the largest part of a
    split cluster keeps its id, and a merged cluster keeps the id of the cluster that contributes most. A new id is a
    hash of the cluster's smallest video_id and the sequence number of the change. No two clusters share both, so an id
    is never used again.

    Args:
        members: video_id, keeper_id: the cluster of each video, identified by its keeper.
        events: `cluster_events` of this model.
        old_keepers: video_id: keepers of the stored clusters; they only break ties.

    Returns:
        (keeper_id, cluster_id), one row per cluster. Runs on: driver, which collects the clusters that were split or
        merged.
    """
    spark = members.sparkSession
    old = read_journal(events)
    ages = events.groupBy("cluster_id").agg(F.min("sequence").alias("born"))
    shared = (
        members.join(old, "video_id")
        .join(old_keepers.select("video_id", F.lit(True).alias("was_keeper")).distinct(), "video_id", "left")
        .groupBy("keeper_id", "cluster_id")
        .agg(F.count("*").alias("num_shared"), F.max(F.coalesce("was_keeper", F.lit(False))).alias("has_keeper"))
    )
    first = members.groupBy("keeper_id").agg(F.min("video_id").alias("first_id"))
    rivals = [F.count("*").over(Window.partitionBy(name)) for name in ("keeper_id", "cluster_id")]
    matched = shared.withColumn("is_plain", (rivals[0] == 1) & (rivals[1] == 1))
    contested = matched.where("NOT is_plain").join(ages, "cluster_id").join(first, "keeper_id")
    chosen = match_greedily(contested.collect())
    plain = matched.where("is_plain").select("keeper_id", "cluster_id")
    if chosen:
        plain = plain.unionAll(spark.createDataFrame(chosen, "keeper_id STRING, cluster_id STRING"))
    fresh = F.sha2(F.concat(F.lit(f"{next_sequence(events)}/"), "first_id"), 256).substr(1, _NAME_DIGITS)
    return first.join(plain, "keeper_id", "left").select(
        "keeper_id", F.coalesce("cluster_id", fresh).alias("cluster_id")
    )


def match_greedily(shared: Iterable[Row]) -> list[tuple[str, str]]:
    """Match new clusters and old ids one to one, best pair first.

    Args:
        shared: keeper_id, cluster_id, num_shared, has_keeper, born, first_id of each pair with shared videos.
    """

    def rank(row: Row) -> tuple[int, bool, int, str, str]:
        return -row["num_shared"], not row["has_keeper"], row["born"], row["cluster_id"], row["first_id"]

    taken: set[str] = set()
    names: dict[str, str] = {}
    for row in sorted(shared, key=rank):
        if row["keeper_id"] not in names and row["cluster_id"] not in taken:
            names[row["keeper_id"]] = row["cluster_id"]
            taken.add(row["cluster_id"])
    return sorted(names.items())
