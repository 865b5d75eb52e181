"""clusters: groups of videos with the same footage, and the one of each that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from jobs.components import connected_components
from jobs.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.run import Run

TABLE = Table(
    name="clusters",
    grain="A video in a cluster of two or more x model_id",
    key=("video_id", "model_id"),
    is_replaced=True,
    ddl="""
        video_id STRING NOT NULL COMMENT 'id in the manifest',
        model_id STRING NOT NULL COMMENT 'the model whose pairs made the cluster',
        cluster_id STRING NOT NULL COMMENT 'the smallest video_id in the cluster',
        is_keeper BOOLEAN NOT NULL COMMENT 'true for the one video of the cluster that is kept',
        keeper_reason STRING NOT NULL COMMENT 'by which rule the keeper was chosen',
        run_id STRING NOT NULL COMMENT 'the run that last changed this row'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Join pairs to clusters and choose keepers. Grain: one row per video that has a pair.

    The edges come to the driver (two ids each). Runs on: driver.
    """
    pairs = inputs["pairs"].where((F.col("relation") == "copy") & (F.col("model_id") == run.model.model_id))
    edges = pairs.select("left_id", "right_id").toPandas()
    members = connected_components(edges["left_id"].to_numpy(), edges["right_id"].to_numpy())
    spark = inputs["pairs"].sparkSession
    clusters = spark.createDataFrame(members.items(), "video_id STRING, cluster_id STRING")
    facts = inputs["descriptors"].where(F.col("descriptor_id") == run.model.descriptor_id)
    known = clusters.join(inputs["manifest"].select("video_id", "published_at"), "video_id", "left").join(
        facts.select("video_id", (F.col("width_px") * F.col("height_px")).alias("num_pixels")),
        "video_id",
        "left",
    )
    return _choose_keepers(known).select(
        "video_id",
        F.lit(run.model.model_id).alias("model_id"),
        "cluster_id",
        "is_keeper",
        "keeper_reason",
        F.lit(run.run_id).alias("run_id"),
    )


def _choose_keepers(members: DataFrame) -> DataFrame:
    """Mark one keeper per cluster: published first; then most pixels; then smallest video_id.

    The reason names the first rule in which the keeper beats the runner-up. A video without published_at comes
    after those that have one.
    """
    cluster = Window.partitionBy("cluster_id")
    order = cluster.orderBy(F.asc_nulls_last("published_at"), F.desc_nulls_last("num_pixels"), "video_id")
    ranked = members.withColumn("rank", F.row_number().over(order))
    for name in ("published_at", "num_pixels"):
        for rank in (1, 2):
            value = F.max(F.when(F.col("rank") == rank, F.col(name))).over(cluster)
            ranked = ranked.withColumn(f"{name}_{rank}", value)
    is_earlier = ~F.col("published_at_1").eqNullSafe(F.col("published_at_2"))
    has_more_pixels = ~F.col("num_pixels_1").eqNullSafe(F.col("num_pixels_2"))
    reason = (
        F.when(is_earlier, F.lit("published first"))
        .when(has_more_pixels, F.lit("highest resolution of those published first"))
        .otherwise(F.lit("smallest video_id of those published first in the highest resolution"))
    )
    return ranked.withColumn("is_keeper", F.col("rank") == 1).withColumn("keeper_reason", reason)
