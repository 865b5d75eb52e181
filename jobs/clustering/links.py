"""What `clusters` is made of, as rows that can be clustered anywhere; and where that is done, by their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from jobs.clustering.components import connected_components
from jobs.clustering.star import label_components
from udfs.clustering.cluster_videos import LINK_DDL, MEMBER_DDL, cluster_videos, make_video_clusterer
from udfs.clustering.rules import ClusterRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    from jobs.config.settings import ClustersConfig

_BINS_PER_LOGIT = 4
_LINK_COLUMNS = tuple(column.split()[0] for column in LINK_DDL.split(", "))
_MAX_BIN = 80  # of a probability of 1 - 2e-9 and above


def make_links(pairs: DataFrame, decisions: DataFrame, videos: DataFrame) -> DataFrame:
    """Make rows of LINK_DDL: pairs and decisions of two videos, and what is known of the videos that have any.

    Args:
        pairs: left_id, right_id, match_probability.
        decisions: left_id, right_id, verdict, decided_by; those that hold now.
        videos: video_id, published_micros, num_pixels, duration_seconds.
    """
    links = pairs.select(F.lit("pair").alias("kind"), "left_id", "right_id", "match_probability").unionByName(
        decisions.where("verdict <> 'keep_this'").select(F.col("verdict").alias("kind"), "left_id", "right_id"),
        allowMissingColumns=True,
    )
    kept = decisions.where("verdict = 'keep_this'").select(
        F.col("left_id").alias("video_id"), F.col("decided_by").alias("kept_by")
    )
    ids = links.where("kind <> 'not_duplicate'").select(F.explode(F.array("left_id", "right_id")).alias("video_id"))
    facts = ids.distinct().join(videos, "video_id", "left").join(kept, "video_id", "left")
    described = facts.select(
        F.lit("video").alias("kind"),
        F.col("video_id").alias("left_id"),
        "published_micros",
        "num_pixels",
        "duration_seconds",
        "kept_by",
    )
    return links.unionByName(described, allowMissingColumns=True).select(*_LINK_COLUMNS)


def make_rules(config: ClustersConfig) -> ClusterRules:
    """Pick from the config what executors need."""
    return ClusterRules(
        min_path_probability=config.min_path_probability,
        max_hops=config.max_hops,
        min_bridge_probability=config.min_bridge_probability,
        same_time_seconds=config.same_time_seconds,
        same_size_ratio=config.same_size_ratio,
    )


def cluster_links(
    links: DataFrame, config: ClustersConfig, checkpoint: Callable[[str, DataFrame], DataFrame]
) -> DataFrame:
    """Cluster rows of LINK_DDL to rows of MEMBER_DDL.

    Few are clustered on the driver. More are cut into connected components first, on the driver up to
    `max_driver_pairs` and by Spark above, and whole components are clustered side by side on executors. Whichever way
    it is, the answer is the same. A component with more than `max_component_pairs` pairs keeps its surest alone: see
    `thin_components`.
    """
    rules = make_rules(config)
    num_links = links.where("kind <> 'video'").count()
    spark = links.sparkSession
    if num_links <= config.pairs_per_task:
        members = cluster_videos(links.toPandas(), rules)
        return spark.createDataFrame(list(members.itertuples(index=False, name=None)), MEMBER_DDL)
    joining = links.where("kind IN ('pair', 'duplicate')").select("left_id", "right_id")
    if num_links <= config.max_driver_pairs:
        ends = joining.toPandas()
        labels = connected_components(ends["left_id"].to_numpy(), ends["right_id"].to_numpy())
        components = spark.createDataFrame(list(labels.items()), "video_id STRING, component STRING")
    else:
        components = label_components(joining, checkpoint)
    placed = _place(links, components)
    num_tasks = -(-num_links // config.pairs_per_task)
    tasks = thin_components(placed, config.max_component_pairs).withColumn(
        "task", F.pmod(F.xxhash64("component"), F.lit(num_tasks))
    )
    return tasks.drop("component").groupBy("task").applyInPandas(make_video_clusterer(rules), MEMBER_DDL)


def _place(links: DataFrame, components: DataFrame) -> DataFrame:
    """Add the component of each row; a decision that keeps two components apart has nothing left to do."""
    left = components.withColumnRenamed("video_id", "left_id")
    right = components.select(F.col("video_id").alias("right_id"), F.col("component").alias("right_component"))
    return (
        links.join(left, "left_id")
        .join(right, "right_id", "left")
        .where("kind <> 'not_duplicate' OR component = right_component")
        .drop("right_component")
    )


def thin_components(placed: DataFrame, max_component_pairs: int) -> DataFrame:
    """Take from components with too many pairs the least sure ones, down to a bar that leaves few enough.

    The bar is the lowest of the steps of a quarter of a logit that does; the highest step is kept whatever its number.
    Decisions stay. So memory per task is bounded unless that many pairs are all but certain.

    Args:
        placed: rows of LINK_DDL with their component.
        max_component_pairs: how many are few enough.
    """
    logit = F.ln(F.try_divide("match_probability", 1 - F.col("match_probability")))  # null where it is certain
    step = F.floor(F.least(F.coalesce(logit, F.lit(_MAX_BIN / _BINS_PER_LOGIT)) * _BINS_PER_LOGIT, F.lit(_MAX_BIN)))
    counts = placed.where("kind = 'pair'").groupBy("component", step.alias("step")).agg(F.count("*").alias("num_pairs"))
    whole = Window.partitionBy("component")
    sums = (
        counts.withColumn("num_in_all", F.sum("num_pairs").over(whole))
        .where(F.col("num_in_all") > max_component_pairs)
        .withColumn("num_above", F.sum("num_pairs").over(whole.orderBy(F.desc("step"))))
    )
    few_enough = F.when(F.col("num_above") <= max_component_pairs, F.col("step"))
    bars = sums.groupBy("component").agg(F.coalesce(F.min(few_enough), F.max("step")).alias("bar"))
    bars = F.broadcast(bars)
    return (
        placed.withColumn("step", step)
        .join(bars, "component", "left")
        .where("bar IS NULL OR kind <> 'pair' OR step >= bar")
        .drop("bar", "step")
    )
