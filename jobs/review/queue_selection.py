"""Selects the pairs of a report: those of the view `review_queue`, then others of its clusters. Runs on the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs.review.cluster_selection import (
    LINK_COLUMNS,
    MAX_ILLUSTRATED_PAIRS,
    choose_illustrated,
    select_clusters,
    select_contained,
)
from jobs.review.report_data import QueuedPair, ReviewedPair
from jobs.views.queries import read_views

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyspark.sql import DataFrame, Row

    from jobs.review.report_data import ReviewedCluster

MAX_QUEUED_PAIRS = 2000
"""Rows of `review_queue` on a page: weeks of work for a person. The next report shows those that follow."""
REASONS = {
    "uncertain": "uncertain",
    "separated": "joins nothing",
    "chain": "chain",
    "large_cluster": "large cluster",
}
"""Reason in `review_queue` -> its words on the page."""


def select_queue(tables: Mapping[str, DataFrame], max_clusters: int) -> list[QueuedPair]:
    """Select the pairs to review, the least probable first, and then other pairs of clusters and contained videos.

    Decided pairs stay in the queue, so that a reviewer sees what was decided. The others have no reason: the page shows
    them on request.

    Args:
        tables: `pairs`, `clusters` and `duplicates`, all of one model; `decisions` and `manifest`; and the rows of
            `runs` of the run that published them.
        max_clusters: limit of the clusters, and of the contained videos.
    """
    queue = _read_queue(tables)
    of_model = {name: tables[name] for name in ("clusters", "pairs", "decisions")}
    shown = select_clusters(**of_model, max_clusters=max_clusters)
    shown += select_contained(tables["duplicates"], **of_model, max_videos=max_clusters)
    return merge_pairs([*queue, *_list_links(shown)])[:MAX_ILLUSTRATED_PAIRS]


def merge_pairs(found: Iterable[QueuedPair]) -> list[QueuedPair]:
    """Return the first of equal pairs, in their order."""
    merged: dict[tuple[str, str], QueuedPair] = {}
    for queued in found:
        merged.setdefault(queued.pair.ids, queued)
    return list(merged.values())


def _read_queue(tables: Mapping[str, DataFrame]) -> list[QueuedPair]:
    """Read the first rows of `review_queue` over these tables, decided pairs included."""
    (view,) = (view for view in read_views() if view.name == "review_queue")
    rows: dict[str, Any] = {name: tables[name] for name in view.tables} | {"decisions": tables["decisions"].limit(0)}
    queue = tables["runs"].sparkSession.sql(view.query, **rows)
    first = queue.limit(MAX_QUEUED_PAIRS).select(
        "left_id", "right_id", "reason", "match_probability", "relation", "cluster_id"
    )
    pairs = tables["pairs"].select("left_id", "right_id", F.struct(*LINK_COLUMNS).alias("row"))
    facts = (
        tables["clusters"]
        .groupBy("cluster_id")
        .agg(
            F.count("*").alias("num_members"),
            F.max(F.when(F.col("is_keeper"), F.col("video_id"))).alias("keeper_id"),
        )
    )
    found = first.join(pairs, ["left_id", "right_id"], "left").join(facts, "cluster_id", "left")
    queued = [_make_queued(row) for row in found.collect()]
    return sorted(queued, key=lambda queued: (queued.probability, queued.pair.ids))


def _make_queued(row: Row) -> QueuedPair:
    """Make a pair from a row of the queue. The two of a chain have no row of `pairs`."""
    values = row.asDict(recursive=True)
    pair = ReviewedPair(values["left_id"], values["right_id"], values["row"], None)
    return QueuedPair(
        pair,
        (REASONS[values["reason"]],),
        values["match_probability"],
        values["relation"],
        values["cluster_id"],
        values["num_members"] or 0,
        values["keeper_id"],
    )


def _list_links(shown: list[ReviewedCluster]) -> Iterable[QueuedPair]:
    """List the pairs of clusters and of contained videos: the first pair of each, then the second."""
    clusters = {pair.ids: cluster for cluster in shown for pair in cluster.pairs}
    for pair in choose_illustrated(shown):
        cluster = clusters[pair.ids]
        relation = "decision" if pair.row is None else pair.row["relation"]
        queued = QueuedPair(pair, (), pair.probability, relation)
        if not cluster.is_contained:
            queued.cluster_id, queued.keeper_id = cluster.cluster_id, cluster.keeper_id
            queued.num_members = cluster.num_members
        yield queued
