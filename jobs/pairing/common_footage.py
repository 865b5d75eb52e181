"""Marks pairs whose shared footage occurs in many unrelated videos, such as an intro, an ident or a slate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from udfs.verifying.common_overlaps import COMMON_DDL, make_common_pair_selector

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def relabel_common_footage(pairs: DataFrame, min_videos: int) -> DataFrame:
    """Change the relation of pairs from `overlap` to `common` if many other videos show the shared footage too.

    The rule is `udfs.verifying.common_overlaps.find_common_overlaps`, applied to each video. Copies of one another
    (videos with a pair of relation `copy`) count once. A pair is common if its overlap is common in one of its videos,
    because the other video shows the same footage. The result depends only on the pairs, not on their present relation
    or on the run that found them, so runs in any order agree.

    Args:
        pairs: rows of `pairs` of one model; they are read more than once.
        min_videos: 2 or more.

    Returns:
        The same rows with the new relation. Runs on: driver, with a query that counts overlaps; the rule on executors.
    """
    plain = F.when(F.col("relation") == "common", "overlap").otherwise(F.col("relation"))
    parts = pairs.where("relation IN ('overlap', 'common')")
    if parts.limit(min_videos).count() < min_videos:
        return pairs.withColumn("relation", plain)
    sides = _list_sides(parts, _find_originals(pairs))
    crowded = sides.groupBy("video_id").agg(F.count_distinct("original_id").alias("num_videos"))
    crowded = crowded.where(F.col("num_videos") >= min_videos).select("video_id")
    common = (
        sides.join(crowded, "video_id", "left_semi")
        .groupBy("video_id")
        .applyInPandas(make_common_pair_selector(min_videos), COMMON_DDL)
        .distinct()
        .withColumn("now", F.lit("common"))
    )
    named = pairs.join(common, ["left_id", "right_id"], "left")
    return named.withColumn("relation", F.coalesce("now", plain)).drop("now")


def _find_originals(pairs: DataFrame) -> DataFrame:
    """Map each video that has copies to the smallest id among itself and its copies."""
    copies = pairs.where("relation = 'copy'")
    ways = copies.select(F.col("left_id").alias("other_id"), "left_id").unionByName(
        copies.select(F.col("right_id").alias("other_id"), "left_id")
    )
    return ways.groupBy("other_id").agg(F.min("left_id").alias("original_id"))


def _list_sides(parts: DataFrame, originals: DataFrame) -> DataFrame:
    """List each pair once for each video, with the bounds in it and the original of the other video."""

    def one_side(side: str, other: str) -> DataFrame:
        return parts.select(
            "left_id",
            "right_id",
            F.col(f"{side}_id").alias("video_id"),
            F.col(f"{other}_id").alias("other_id"),
            F.col(f"{side}_start_seconds").alias("start_seconds"),
            F.col(f"{side}_end_seconds").alias("end_seconds"),
        )

    both = one_side("left", "right").unionByName(one_side("right", "left"))
    return both.join(originals, "other_id", "left").withColumn("original_id", F.coalesce("original_id", "other_id"))
