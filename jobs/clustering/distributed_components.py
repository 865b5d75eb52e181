"""Connected components of graphs too large for one machine: alternating large-star and small-star on Spark.

Kiveris et al. 2014, Connected Components in MapReduce and Beyond (SoCC), section 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from jobs.contracts.run_log import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

MAX_ROUNDS = 50  # the proven bound is O(log^2 n); fewer than ten were needed so far, so more would mean a bug


def label_components(
    pairs: DataFrame, checkpoint: Callable[[str, DataFrame], DataFrame], max_rounds: int = MAX_ROUNDS
) -> DataFrame:
    """Label each video with the smallest video_id in its connected component.

    Ids are first numbered in their order, so that the rounds move numbers and not texts. Each round is written before
    the next reads it, so that nothing is computed twice and query plans stay small.

    Args:
        pairs: left_id, right_id; in any order, possibly repeated.
        checkpoint: writes rows under a name and reads them back.
        max_rounds: the most rounds.

    Returns:
        (video_id, component), one row per id that occurs in a pair with another id. Runs on: driver; computed on
        executors.

    Raises:
        RuntimeError: the labels still change after `max_rounds`.
    """
    numbers = checkpoint("component_numbers", _number_ids(pairs))
    edges = checkpoint("component_edges_0", _replace_ids(pairs, numbers))
    state = None
    for number in range(1, max_rounds + 1):
        edges = checkpoint(f"component_edges_{number}", _small_star(_large_star(edges)))
        before, state = state, _checksum(edges)
        log.info("components: round done", round=number, num_edges=state[0])
        if state == before:
            return _restore_ids(edges, numbers)
    raise RuntimeError(f"components have not converged after {max_rounds} rounds")


def _number_ids(pairs: DataFrame) -> DataFrame:
    """Number the ids in their order: (video_id, number). Numbers have gaps that depend on the partitioning."""
    ids = pairs.select(F.col("left_id").alias("video_id")).unionAll(pairs.select("right_id")).distinct()
    return ids.sort("video_id").withColumn("number", F.monotonically_increasing_id())


def _replace_ids(pairs: DataFrame, numbers: DataFrame) -> DataFrame:
    """Convert pairs of ids to edges of numbers: (child, parent), child > parent."""
    left = numbers.select(F.col("video_id").alias("left_id"), F.col("number").alias("left"))
    right = numbers.select(F.col("video_id").alias("right_id"), F.col("number").alias("right"))
    return (
        pairs.join(left, "left_id")
        .join(right, "right_id")
        .where("left <> right")
        .select(F.greatest("left", "right").alias("child"), F.least("left", "right").alias("parent"))
    )


def _large_star(edges: DataFrame) -> DataFrame:
    """Connect the larger neighbours of each node to the smallest among its neighbours and itself."""
    both = edges.unionAll(edges.select(F.col("parent").alias("child"), F.col("child").alias("parent")))
    smallest = F.least("child", F.min("parent").over(Window.partitionBy("child")))
    return (
        both.withColumn("smallest", smallest)
        .where("parent > child")
        .select(F.col("parent").alias("child"), F.col("smallest").alias("parent"))
        .distinct()
    )


def _small_star(edges: DataFrame) -> DataFrame:
    """Connect each node and its smaller neighbours to the smallest of them."""
    smallest = F.min("parent").over(Window.partitionBy("child"))
    starred = edges.withColumn("smallest", smallest)
    own = F.struct(F.col("child"), F.col("smallest").alias("parent"))
    neighbours = F.struct(F.col("parent").alias("child"), F.col("smallest").alias("parent"))
    both = F.explode(F.array(own, neighbours)).alias("edge")
    return starred.select(both).select("edge.*").where("child <> parent").distinct()


def _checksum(edges: DataFrame) -> tuple[int, int, int]:
    """Return the number of edges and two sums of their hashes; a change leaves all equal once in 2^64."""
    hashed = F.xxhash64("child", "parent")
    row = edges.agg(
        F.count("*").alias("num_edges"),
        F.coalesce(F.bit_xor(hashed), F.lit(0)).alias("parity"),
        F.coalesce(F.sum((hashed % 1_000_003).cast("long")), F.lit(0)).alias("sum"),
    ).collect()[0]
    return int(row["num_edges"]), int(row["parity"]), int(row["sum"])


def _restore_ids(stars: DataFrame, numbers: DataFrame) -> DataFrame:
    """Convert numbers back to ids, and add each centre as a member of its own component."""
    centres = stars.select(F.col("parent").alias("child"), "parent").distinct()
    names = numbers.select(F.col("number").alias("parent"), F.col("video_id").alias("component"))
    return (
        stars.unionAll(centres)
        .join(names, "parent")
        .join(numbers.withColumnRenamed("number", "child"), "child")
        .select("video_id", "component")
    )
