"""Tells footage that many unrelated videos show (an intro, an ident, a slate) from footage that two videos share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from udfs.verifying.relation import COMMON_SHARE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def name_common_footage(pairs: DataFrame, min_videos: int) -> DataFrame:
    """Call the relation of two videos `common`, not `overlap`, where what they share is what many others show too.

    A second of a video is common if so many unrelated others overlap with the video there; copies of one another (two
    with a pair of relation `copy`) count once. A pair is common if most of the seconds that it shares are, on one
    side: the other shows the same. It is a function of the pairs alone, whatever night found them and whatever they
    were called before, so nights in any order agree.

    Args:
        pairs: rows of `pairs` of one model; they are read more than once.
        min_videos: 2 or more.

    Returns:
        The same rows. Runs on: driver, which counts whether there are overlaps enough.
    """
    plain = F.when(F.col("relation") == "common", "overlap").otherwise(F.col("relation"))
    parts = pairs.where("relation IN ('overlap', 'common')")
    if parts.limit(min_videos).count() < min_videos:
        return pairs.withColumn("relation", plain)
    sides = _list_sides(parts, _find_originals(pairs))
    crowded = sides.groupBy("video_id").agg(F.count_distinct("original_id").alias("num_videos"))
    crowded = crowded.where(F.col("num_videos") >= min_videos).select("video_id")
    seconds = sides.join(crowded, "video_id", "left_semi").withColumn("second", F.explode("seconds")).drop("seconds")
    shown = seconds.groupBy("video_id", "second").agg(F.count_distinct("original_id").alias("num_videos"))
    told = seconds.join(shown, ["video_id", "second"]).groupBy("left_id", "right_id", "video_id")
    common = (
        told.agg(F.avg((F.col("num_videos") >= min_videos).cast("int")).alias("share"))
        .where(F.col("share") >= COMMON_SHARE)
        .select("left_id", "right_id", F.lit("common").alias("now"))
        .distinct()
    )
    named = pairs.join(common, ["left_id", "right_id"], "left")
    return named.withColumn("relation", F.coalesce("now", plain)).drop("now")


def _find_originals(pairs: DataFrame) -> DataFrame:
    """Give each video with copies one name for all of them: the least id of its own and its copies'."""
    copies = pairs.where("relation = 'copy'")
    ways = copies.select(F.col("left_id").alias("other_id"), "left_id").unionByName(
        copies.select(F.col("right_id").alias("other_id"), "left_id")
    )
    return ways.groupBy("other_id").agg(F.min("left_id").alias("original_id"))


def _list_sides(parts: DataFrame, originals: DataFrame) -> DataFrame:
    """List each pair twice: video_id, the seconds that it shares, and what the other is a copy of."""

    def one_side(side: str, other: str) -> DataFrame:
        start = F.round(f"{side}_start_seconds").cast("int")
        last = F.greatest(start, F.round(f"{side}_end_seconds").cast("int") - 1)
        return parts.select(
            "left_id",
            "right_id",
            F.col(f"{side}_id").alias("video_id"),
            F.col(f"{other}_id").alias("other_id"),
            F.sequence(start, last).alias("seconds"),
        )

    both = one_side("left", "right").unionByName(one_side("right", "left"))
    return both.join(originals, "other_id", "left").withColumn("original_id", F.coalesce("original_id", "other_id"))
