"""Selects the videos to search: one representative of identical videos, and those that the last search did not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_NUM_FINGERPRINTS = 2
"""64 bits each: two of a hundred million videos collide by chance with a probability of 1e-23."""
_MAX_BROADCAST_ROWS = 2_000_000
"""The most ids that one executor holds, about 100 bytes each."""


def find_representatives(segments: DataFrame) -> DataFrame:
    """Find the representative of each video among identical videos. Grain: one row per video.

    Videos with the same content are identical, whatever the decoder returned for each. The first videos of several
    contents are identical if all their vectors are equal, for the whole video and for every window.

    Args:
        segments: rows of `embeddings` of one model. Windows whose content differs from that of the whole video are
            ignored: they are left from an earlier file.

    Returns:
        video_id, content_sha256, end_seconds; twin_id, the smallest video_id of the same content; representative_id,
        the smallest twin_id of the same vectors; fingerprint, a hash of the vectors; is_blank, whether the whole
        video's vector is zero. It does not depend on the partitioning. Runs on: driver; computed on executors.
    """
    is_whole = F.col("segment_index") == 0
    hashes = [
        F.bit_xor(F.xxhash64(F.lit(seed), "segment_index", "start_seconds", "end_seconds", "vector"))
        for seed in range(_NUM_FINGERPRINTS)
    ]
    is_blank = (F.array_max("vector") == 0) & (F.array_min("vector") == 0)
    videos = segments.groupBy("video_id", "content_sha256").agg(
        F.max(F.when(is_whole, F.col("end_seconds"))).alias("end_seconds"),
        F.bool_or(is_whole & is_blank).alias("is_blank"),
        F.struct(*hashes).alias("fingerprint"),
    )
    videos = videos.where("end_seconds IS NOT NULL")
    twins = videos.groupBy("content_sha256").agg(F.min("video_id").alias("twin_id"))
    known = videos.join(twins, "content_sha256")
    firsts = known.where("video_id = twin_id")
    identical = firsts.groupBy("fingerprint").agg(F.min("video_id").alias("representative_id"))
    representatives = firsts.join(identical, "fingerprint").select("twin_id", "representative_id")
    return known.join(representatives, "twin_id")


def mark_unsearched(videos: DataFrame, seen: DataFrame | None) -> DataFrame:
    """Add `is_unsearched`: whether the pairs of a video must be searched again.

    That is so for a video that was not the first video of its content in the last search. It is also so for a video
    with the vectors of another video that was the first of its content in the last search and no longer is: that other
    video may have been its representative. For all other videos the last search used the same representative.

    Args:
        videos: as `find_representatives` returns them.
        seen: rows of `embeddings` of one model as the last search saw them; None if there was no search.

    Runs on: driver, with a query of `seen`.
    """
    if seen is None:
        return videos.withColumn("is_unsearched", F.lit(True))
    whole = seen.where("segment_index = 0")
    firsts = whole.groupBy("content_sha256").agg(F.min("video_id").alias("video_id"))
    present = videos.where("video_id = twin_id").select("video_id", "content_sha256")
    key = ["video_id", "content_sha256"]
    gone = firsts.join(present, key, "left_anti")
    marked = videos.join(firsts.withColumn("was_first", F.lit(True)), key, "left").withColumn(
        "is_unsearched", F.col("was_first").isNull()
    )
    if not gone.isEmpty():
        rows = seen.join(F.broadcast(gone), key, "left_semi")
        prints = find_representatives(rows).select("fingerprint", F.lit(True).alias("was_replaced")).distinct()
        marked = marked.join(prints, "fingerprint", "left").withColumn(
            "is_unsearched", F.col("is_unsearched") | F.col("was_replaced").isNotNull()
        )
    return marked.select(*videos.columns, "is_unsearched")


def select_representative_segments(segments: DataFrame, videos: DataFrame) -> DataFrame:
    """Return the segments of representatives, with `is_unsearched`.

    Args:
        segments: rows of `embeddings` of one model.
        videos: as `mark_unsearched` returns them.

    Runs on: driver. The vectors are not moved between executors if the ids fit in an executor's memory.
    """
    ids = videos.where("video_id = representative_id").select("video_id", "content_sha256", "is_unsearched")
    few = F.broadcast(ids) if ids.count() <= _MAX_BROADCAST_ROWS else ids
    return segments.join(few, ["video_id", "content_sha256"])
