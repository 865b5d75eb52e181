"""Makes the links between videos, and clusters them on the driver or on executors, depending on their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from jobs.clustering.components import connected_components
from jobs.clustering.decisions import is_apart
from jobs.clustering.distributed_components import label_components
from udfs.clustering.cluster_videos import LINK_DDL, MEMBER_DDL, cluster_videos, make_video_clusterer
from udfs.clustering.rules import ClusterRules

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    from jobs.config.settings import ClustersConfig

_BINS_PER_LOGIT = 4
_LINK_COLUMNS = tuple(column.split()[0] for column in LINK_DDL.split(", "))
_MAX_BIN = 80  # for probabilities of 1 - 2e-9 and above


def make_links(pairs: DataFrame, decisions: DataFrame, videos: DataFrame) -> DataFrame:
    """Make rows of LINK_DDL: pairs, decisions about two videos, and the facts of the videos in them.

    Args:
        pairs: left_id, right_id, match_probability.
        decisions: left_id, right_id, verdict, decided_by; only those in force.
        videos: video_id, published_micros, num_pixels, duration_seconds.
    """
    kind = F.when(is_apart(), "not_duplicate").otherwise(F.col("verdict"))
    links = pairs.select(F.lit("pair").alias("kind"), "left_id", "right_id", "match_probability").unionByName(
        decisions.where("verdict <> 'keep_this'").select(kind.alias("kind"), "left_id", "right_id"),
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
    """Select the settings that executors need."""
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

    Up to `pairs_per_task` links are clustered on the driver. More links are split into connected components first, on
    the driver up to `max_driver_pairs` and by Spark above; executors then cluster whole components in parallel. The
    result does not depend on the way. A component with more than `max_component_pairs` pairs keeps only its most
    probable pairs: see `thin_components`.
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
    placed = _add_components(links, components)
    num_tasks = -(-num_links // config.pairs_per_task)
    tasks = thin_components(placed, config.max_component_pairs).withColumn(
        "task", F.pmod(F.xxhash64("component"), F.lit(num_tasks))
    )
    return tasks.drop("component").groupBy("task").applyInPandas(make_video_clusterer(rules), MEMBER_DDL)


def _add_components(links: DataFrame, components: DataFrame) -> DataFrame:
    """Add the component of each row, without decisions between two components, which are separate anyway."""
    left = components.withColumnRenamed("video_id", "left_id")
    right = components.select(F.col("video_id").alias("right_id"), F.col("component").alias("right_component"))
    return (
        links.join(left, "left_id")
        .join(right, "right_id", "left")
        .where("kind <> 'not_duplicate' OR component = right_component")
        .drop("right_component")
    )


def thin_components(placed: DataFrame, max_component_pairs: int) -> DataFrame:
    """Remove the least probable pairs from components with too many pairs.

    The threshold is the lowest multiple of a quarter of a logit that leaves at most `max_component_pairs` pairs. Pairs
    in the highest step are always kept, and so are decisions. So memory per task is bounded unless that many pairs have
    a probability near 1.

    Args:
        placed: rows of LINK_DDL with their component.
        max_component_pairs: the most pairs of a component.
    """
    logit = F.ln(F.try_divide("match_probability", 1 - F.col("match_probability")))  # null for a probability of 1
    step = F.floor(F.least(F.coalesce(logit, F.lit(_MAX_BIN / _BINS_PER_LOGIT)) * _BINS_PER_LOGIT, F.lit(_MAX_BIN)))
    counts = placed.where("kind = 'pair'").groupBy("component", step.alias("step")).agg(F.count("*").alias("num_pairs"))
    whole = Window.partitionBy("component")
    sums = (
        counts.withColumn("num_in_all", F.sum("num_pairs").over(whole))
        .where(F.col("num_in_all") > max_component_pairs)
        .withColumn("num_above", F.sum("num_pairs").over(whole.orderBy(F.desc("step"))))
    )
    allowed_step = F.when(F.col("num_above") <= max_component_pairs, F.col("step"))
    thresholds = sums.groupBy("component").agg(F.coalesce(F.min(allowed_step), F.max("step")).alias("min_step"))
    thresholds = F.broadcast(thresholds)
    return (
        placed.withColumn("step", step)
        .join(thresholds, "component", "left")
        .where("min_step IS NULL OR kind <> 'pair' OR step >= min_step")
        .drop("min_step", "step")
    )
