"""Selects the pairs of a report's queue. Runs on the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.review.cluster_selection import LINK_COLUMNS, select_clusters, select_contained
from jobs.review.report_data import QueuedPair, ReviewedPair

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame

    from jobs.review.report_data import ReviewedCluster

_CLUSTER_REASON = "doubtful, large or new cluster"
_CONTAINED_REASON = "contained"


def select_queue(
    clusters: DataFrame, pairs: DataFrame, duplicates: DataFrame, decisions: DataFrame, max_clusters: int
) -> list[QueuedPair]:
    """Select the pairs to review, the least certain first.

    Args:
        clusters: rows of one model.
        pairs: rows of the same model.
        duplicates: rows of the same model.
        decisions: the table.
        max_clusters: limit of clusters, of contained videos and of uncertain pairs.
    """
    shown = select_clusters(clusters, pairs, decisions, max_clusters)
    shown += select_contained(duplicates, clusters, pairs, decisions, max_clusters)
    return merge_pairs([*_select_uncertain(clusters, pairs, max_clusters), *_list_links(shown)])


def merge_pairs(found: Iterable[QueuedPair]) -> list[QueuedPair]:
    """Merge the reasons of equal pairs, and sort the pairs by their probability. The first of equal pairs is kept."""
    merged: dict[tuple[str, str], QueuedPair] = {}
    for queued in found:
        kept = merged.setdefault(queued.pair.ids, queued)
        kept.reasons = tuple(dict.fromkeys((*kept.reasons, *queued.reasons)))
    return sorted(merged.values(), key=lambda queued: (queued.pair.probability, queued.pair.ids))


def _select_uncertain(clusters: DataFrame, pairs: DataFrame, max_pairs: int) -> list[QueuedPair]:
    """Read the least probable pairs, also those that join no cluster."""
    found = pairs.where("relation <> 'common'").orderBy("match_probability", "left_id", "right_id").limit(max_pairs)
    rows = found.select("left_id", "right_id", F.struct(*LINK_COLUMNS).alias("row"))
    for side in ("left", "right"):
        rows = rows.join(
            clusters.select(F.col("video_id").alias(f"{side}_id"), F.col("cluster_id").alias(f"{side}_cluster")),
            f"{side}_id",
            "left",
        )
    facts = clusters.groupBy("cluster_id").agg(
        F.count("*").alias("num_members"),
        F.max(F.when(F.col("is_keeper"), F.col("video_id"))).alias("keeper_id"),
    )
    shared = F.when(F.col("left_cluster") == F.col("right_cluster"), F.col("left_cluster"))
    rows = rows.withColumn("cluster_id", shared).join(facts, "cluster_id", "left")
    return [
        QueuedPair(
            ReviewedPair(row["left_id"], row["right_id"], row["row"].asDict(recursive=True), None),
            ("near the threshold", *(() if row["cluster_id"] else ("joins nothing",))),
            row["cluster_id"],
            row["num_members"] or 0,
            row["keeper_id"],
        )
        for row in rows.collect()
    ]


def _list_links(shown: Iterable[ReviewedCluster]) -> list[QueuedPair]:
    """List the pairs of clusters and of contained videos."""
    return [
        QueuedPair(pair, (_CONTAINED_REASON,))
        if cluster.is_part
        else QueuedPair(
            pair,
            (_CLUSTER_REASON, *(() if cluster.keeper_id in pair.ids else ("chain",))),
            cluster.cluster_id,
            cluster.num_members,
            cluster.keeper_id,
        )
        for cluster in shown
        for pair in cluster.pairs
    ]
