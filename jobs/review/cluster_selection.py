"""Selects the clusters that a report shows, up to a limit. Runs on the driver."""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from pyspark.sql import Window
from pyspark.sql import functions as F

from jobs.clustering.decisions import decisions_in_force
from jobs.contracts.times import as_utc_text
from jobs.lake.file_skipping import covers
from jobs.review.report_data import ReviewedCluster, ReviewedPair, ReviewedVideo
from udfs.registering.look_batches import LOOK_COLUMNS
from udfs.verifying.verify_batches import BOUND_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame, Row

    from jobs.lake.lake import Lake

MAX_PAIRS_PER_CLUSTER = 20
MAX_ILLUSTRATED_PAIRS = 4000
"""Pairs of a report with pictures; with `udfs.illustrating.pictures.MAX_STRIP_BYTES` it takes 200 MB at most."""
ORDERS = {
    "least-certain": ("min_probability", "cluster_id"),
    "largest": ("-num_members", "cluster_id"),
    "newest": ("-changed_in", "cluster_id"),
}
"""Order of clusters -> its sort columns; a minus means descending."""
CONTAINED = "contained"
"""The order of contained videos, besides the orders of clusters: the least certain first."""
LINK_COLUMNS = (
    "match_probability",
    "cosine_similarity",
    "alignment_similarity",
    "relation",
    *BOUND_COLUMNS,
    *LOOK_COLUMNS,
)
"""Columns of `pairs` that a report shows."""


def select_clusters(
    clusters: DataFrame, pairs: DataFrame, decisions: DataFrame, max_clusters: int
) -> list[ReviewedCluster]:
    """Read the clusters that come first in any of ORDERS, with their least certain pairs.

    Args:
        clusters: rows of one model.
        pairs: rows of the same model.
        decisions: the table.
        max_clusters: limit of the result, at least 1.
    """
    links = _link_members(clusters, pairs, decisions_in_force(decisions))
    summaries = _summarise(clusters, links).cache()
    try:
        chosen = _choose(summaries, max_clusters)
    finally:
        summaries.unpersist()
    found = {row["cluster_id"]: ReviewedCluster(**row.asDict()) for row in chosen}
    ids = clusters.sparkSession.createDataFrame([(cluster_id,) for cluster_id in found], "cluster_id STRING")
    by_doubt = Window.partitionBy("cluster_id").orderBy("probability", "video_id")
    shown = (
        links.join(F.broadcast(ids), "cluster_id")
        .withColumn("place", F.row_number().over(by_doubt))
        .where(F.col("place") <= MAX_PAIRS_PER_CLUSTER)
    )
    for row in sorted(shown.collect(), key=lambda row: (row["cluster_id"], row["place"])):
        found[row["cluster_id"]].pairs.append(_read_pair(row))
    return list(found.values())


def select_contained(
    duplicates: DataFrame, clusters: DataFrame, pairs: DataFrame, decisions: DataFrame, max_videos: int
) -> list[ReviewedCluster]:
    """Read the videos that are contained in longer ones without being their copies, the least certain first.

    Args:
        duplicates: rows of one model.
        clusters: rows of the same model; a member of the longer video's cluster is left out, whatever its relation.
        pairs: rows of the same model.
        decisions: the table.
        max_videos: limit of the result, at least 1.
    """
    contained = duplicates.where(F.col("relation") == "contained").join(
        clusters, ["video_id", "cluster_id"], "left_anti"
    )
    members = (
        contained.orderBy("match_probability", "video_id", "duplicate_of")
        .limit(max_videos)
        .select(
            "cluster_id",
            "video_id",
            F.col("duplicate_of").alias("joined_by"),
            F.lit(False).alias("is_keeper"),
            "run_id",
        )
    )
    found = []
    for row in _link_members(members, pairs, decisions_in_force(decisions), "run_id").collect():
        pair = _read_pair(row)
        found.append(
            ReviewedCluster(
                row["cluster_id"], 2, pair.probability, row["run_id"], pair.joined_by, "", [pair], is_contained=True
            )
        )
    return sorted(found, key=lambda one: (one.min_probability, one.pairs[0].ids))


def sort_clusters(clusters: Iterable[ReviewedCluster], order: str) -> list[ReviewedCluster]:
    """Return the clusters in one of ORDERS, or the contained videos for CONTAINED, sorted like the least certain."""
    ordered = [cluster for cluster in clusters if cluster.is_contained == (order == CONTAINED)]
    for column in reversed(ORDERS.get(order, ORDERS["least-certain"])):
        name = column.removeprefix("-")
        ordered.sort(key=lambda cluster: getattr(cluster, name), reverse=column.startswith("-"))
    return ordered


def choose_illustrated(clusters: Iterable[ReviewedCluster]) -> list[ReviewedPair]:
    """Choose the pairs that get pictures: the first pair of each cluster, then the second, up to the limit."""
    turns = zip_longest(*(cluster.pairs for cluster in clusters))
    return [pair for pair in chain.from_iterable(turns) if pair is not None][:MAX_ILLUSTRATED_PAIRS]


def read_videos(lake: Lake, video_ids: Iterable[str]) -> dict[str, ReviewedVideo]:
    """Read the facts of videos that a reviewer sees."""
    named = sorted(video_ids)
    rows = lake.spark.createDataFrame([(video_id,) for video_id in named], "video_id STRING")
    known = (
        lake.read("manifest")
        .where(covers("video_id", named))
        .select(
            "video_id",
            F.col("attributes")["title"].alias("title"),
            "owner_id",
            as_utc_text(F.col("published_at")).alias("published_at"),
        )
    )
    newest = F.max_by(F.struct("uri", "duration_seconds", "width_px", "height_px"), "described_at")
    described = lake.read("descriptors").where(covers("video_id", named)).groupBy("video_id").agg(newest.alias("file"))
    found = (
        rows.join(known, "video_id", "left")
        .join(described, "video_id", "left")
        .select(*known.columns, "file.*")
        .collect()
    )
    return {row["video_id"]: ReviewedVideo(**row.asDict()) for row in found}


def _link_members(clusters: DataFrame, pairs: DataFrame, decisions: DataFrame, *kept_columns: str) -> DataFrame:
    """Return the members that are not keepers, with the pair and the decision that link each to `joined_by`."""
    ends = {"left_id": F.least("video_id", "joined_by"), "right_id": F.greatest("video_id", "joined_by")}
    members = (
        clusters.where("NOT is_keeper").select("cluster_id", "video_id", "joined_by", *kept_columns).withColumns(ends)
    )
    rows = pairs.select("left_id", "right_id", F.struct(*LINK_COLUMNS).alias("row"))
    decided = decisions.select("left_id", "right_id", F.struct("verdict", "decided_by", "note").alias("decision"))
    return (
        members.join(rows, ["left_id", "right_id"], "left")
        .join(decided, ["left_id", "right_id"], "left")
        .withColumn("probability", F.coalesce("row.match_probability", F.lit(1.0)))
    )


def _summarise(clusters: DataFrame, links: DataFrame) -> DataFrame:
    """Return one row for each cluster, with the columns of `ReviewedCluster` except its pairs."""
    doubt = links.groupBy("cluster_id").agg(F.min("probability").alias("min_probability"))
    keepers = clusters.where("is_keeper").select("cluster_id", F.col("video_id").alias("keeper_id"), "keeper_reason")
    sizes = clusters.groupBy("cluster_id").agg(F.count("*").alias("num_members"), F.max("run_id").alias("changed_in"))
    return sizes.join(doubt, "cluster_id").join(keepers, "cluster_id")


def _choose(summaries: DataFrame, max_clusters: int) -> list[Row]:
    """Choose the first cluster of each order in turn, then the second, up to the limit."""
    firsts = []
    for columns in ORDERS.values():
        keys = [F.desc(c.removeprefix("-")) if c.startswith("-") else F.asc(c) for c in columns]
        firsts.append(summaries.orderBy(*keys).limit(max_clusters).collect())
    chosen: dict[str, Row] = {}
    for row in chain.from_iterable(zip_longest(*firsts)):
        if row is not None and len(chosen) < max_clusters:
            chosen.setdefault(row["cluster_id"], row)
    return list(chosen.values())


def _read_pair(row: Row) -> ReviewedPair:
    """Make a pair from a row of links."""
    values: dict[str, Any] = row.asDict(recursive=True)
    return ReviewedPair(values["video_id"], values["joined_by"], values["row"], values["decision"])
