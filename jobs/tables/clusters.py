"""clusters: groups of videos with the same footage, each with the one video that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.clustering.decisions import decisions_in_force, select_about
from jobs.clustering.links import cluster_links, make_links
from jobs.clustering.names import name_clusters
from jobs.contracts.presence import select_present
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
        cluster_id STRING NOT NULL COMMENT 'id of the cluster; it is stable across runs, see cluster_events',
        is_keeper BOOLEAN NOT NULL COMMENT 'true for the one video of the cluster that is kept',
        keeper_reason STRING NOT NULL COMMENT 'the rule that chose the keeper',
        joined_by STRING COMMENT 'next video on the path of pairs and decisions to the keeper; null for the keeper',
        run_id STRING NOT NULL COMMENT 'the run that last changed this row'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Cluster videos by their pairs, choose keepers, and assign cluster ids. Grain: one row per video of a cluster.

    The members of a cluster depend only on pairs, decisions, dates and sizes; the cluster's id also depends on the
    journal `cluster_events`. A decision counts while its videos are present: see `jobs.contracts.presence`. Runs on:
    driver; large catalogues on executors.
    """
    of_model = F.col("model_id") == run.model.model_id
    config = run.config.clusters
    present = select_present(inputs["manifest"], inputs["quarantine"])
    decisions = select_about(decisions_in_force(inputs["decisions"]), present)
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
