"""Names of clusters that last over nights, read from the journal that `cluster_events` is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame, Row

_NAME_DIGITS = 20  # 80 bits: of ten million names two are the same once in 2 * 10^10 catalogues


def read_journal(events: DataFrame) -> DataFrame:
    """Replay one model's `cluster_events`: (video_id, cluster_id), which videos are in which cluster now.

    The newest word on a video counts. One that moved was lost by one cluster and gained by another in one change: there
    the gain counts.
    """
    gained = events.select(
        F.explode("gained_ids").alias("video_id"), "sequence", F.lit(True).alias("is_in"), "cluster_id"
    )
    lost = events.select(F.explode("lost_ids").alias("video_id"), "sequence", F.lit(False).alias("is_in"), "cluster_id")
    newest = F.max(F.struct("sequence", "is_in", "cluster_id")).alias("newest")
    known = gained.unionAll(lost).groupBy("video_id").agg(newest)
    return known.where("newest.is_in").select("video_id", "newest.cluster_id")


def next_sequence(events: DataFrame) -> int:
    """Return the number of one model's next change."""
    row = events.agg(F.max("sequence").alias("last")).collect()[0]
    return int(row["last"] or 0) + 1


def name_clusters(members: DataFrame, events: DataFrame, old_keepers: DataFrame) -> DataFrame:
    """Give each cluster the name of the old cluster that it continues, or a new one.

    Old and new clusters are matched by the number of videos they share, most first; of equal ones the pair that holds
    the old keeper, then the older name, the smaller name, and the new cluster with the smaller video. So the largest
    part of a cluster that is split goes on under its name, and of several that are merged the one that gives most.
    A new name is a hash of the cluster's smallest video and the number of the change, which no two clusters share:
    a name is never used again.

    Args:
        members: video_id, keeper_id: which cluster each is in, by its keeper.
        events: `cluster_events` of this model.
        old_keepers: video_id: keepers of the clusters stored now; they only break ties.

    Returns:
        (keeper_id, cluster_id), one row per cluster. Runs on: driver; of clusters, those that were split or merged come
        to it.
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
    """Match new clusters and old names one to one, the best pair first.

    Args:
        shared: keeper_id, cluster_id, num_shared, has_keeper, born, first_id of each pair that shares videos.
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
