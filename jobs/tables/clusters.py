"""clusters: groups of videos with the same footage, and the one of each that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.clustering.decisions import decisions_in_force
from jobs.clustering.links import cluster_links, make_links
from jobs.clustering.names import name_clusters
from jobs.contracts.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run

TABLE = Table(
    name="clusters",
    grain="A video in a cluster of two or more x model_id",
    key=("video_id", "model_id"),
    is_replaced=True,
    ddl="""
        video_id STRING NOT NULL COMMENT 'id in the manifest',
        model_id STRING NOT NULL COMMENT 'the model whose pairs made the cluster',
        cluster_id STRING NOT NULL COMMENT 'stays the same from night to night; see cluster_events',
        is_keeper BOOLEAN NOT NULL COMMENT 'true for the one video of the cluster that is kept',
        keeper_reason STRING NOT NULL COMMENT 'by which rule the keeper was chosen',
        joined_by STRING COMMENT 'the next video on the way to the keeper, by pair or decision; null for the keeper',
        run_id STRING NOT NULL COMMENT 'the run that last changed this row'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Join pairs to clusters that hold, choose keepers, and name them. Grain: one row per video of a cluster.

    The videos that are together depend on pairs, decisions, dates and sizes alone; their cluster's name also on the
    journal `cluster_events`. Runs on: driver; large catalogues on executors.
    """
    of_model = F.col("model_id") == run.model.model_id
    config = run.config.clusters
    decisions = decisions_in_force(inputs["decisions"])
    pairs = inputs["pairs"].where(of_model & F.col("relation").isin(*config.relations))
    facts = inputs["descriptors"].where(F.col("descriptor_id") == run.model.descriptor_id)
    videos = (
        inputs["manifest"]
        .select("video_id", F.unix_micros("published_at").cast("double").alias("published_micros"))
        .join(
            facts.select(
                "video_id",
                (F.col("width_px").cast("double") * F.col("height_px")).alias("num_pixels"),
                "duration_seconds",
            ),
            "video_id",
            "left",
        )
    )
    members = run.checkpoint("members", cluster_links(make_links(pairs, decisions, videos), config, run.checkpoint))
    events = inputs["cluster_events"].where(of_model)
    names = name_clusters(members, events, inputs["clusters"].where(of_model & F.col("is_keeper")))
    return members.join(names, "keeper_id").select(
        "video_id",
        F.lit(run.model.model_id).alias("model_id"),
        "cluster_id",
        (F.col("video_id") == F.col("keeper_id")).alias("is_keeper"),
        "keeper_reason",
        "joined_by",
        F.lit(run.run_id).alias("run_id"),
    )
