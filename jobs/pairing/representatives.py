"""Which videos are searched: one of those that are the same, and which of them the last search has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_NUM_FINGERPRINTS = 2
"""64 bits each: of a hundred million videos two meet by chance with a probability of 1e-23."""
_MAX_BROADCAST_ROWS = 2_000_000
"""Ids that one executor may hold, some 100 bytes each."""


def find_representatives(segments: DataFrame) -> DataFrame:
    """Find the videos that are the same. Grain: a video.

    Videos of one content are the same, whatever the decoder made of them; so are the first videos of several contents
    whose vectors are all equal, of the whole and of every window.

    Args:
        segments: rows of `embeddings` of one model. Windows that a video left behind when another took its place, of
            another content than the whole, are no video.

    Returns:
        video_id, content_sha256, end_seconds; twin_id, the smallest video_id of the same content; representative_id,
        the smallest twin_id of the same vectors; fingerprint, of the vectors; is_blank, whether the whole video's
        vector is zeros. Runs on: driver; computed on executors, whatever the partitioning.
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
    alike = firsts.groupBy("fingerprint").agg(F.min("video_id").alias("representative_id"))
    representatives = firsts.join(alike, "fingerprint").select("twin_id", "representative_id")
    return known.join(representatives, "twin_id")


def mark_dirty(videos: DataFrame, seen: DataFrame | None) -> DataFrame:
    """Add `is_dirty`: whether pairs with a video must be searched anew.

    A clean video and a clean representative of it were the same, and searched or not, when the last search saw them.
    Dirty are the first videos of a content that were not the first of it then, and those that have the vectors of one
    that was the first of its content then and no longer is: it may have stood for them.

    Args:
        videos: as `find_representatives` returns them.
        seen: rows of `embeddings` of one model as the last search saw them; None where nothing was seen.

    Runs on: driver, where it may look at `seen`.
    """
    if seen is None:
        return videos.withColumn("is_dirty", F.lit(True))
    whole = seen.where("segment_index = 0")
    firsts = whole.groupBy("content_sha256").agg(F.min("video_id").alias("video_id"))
    present = videos.where("video_id = twin_id").select("video_id", "content_sha256")
    key = ["video_id", "content_sha256"]
    gone = firsts.join(present, key, "left_anti")
    marked = videos.join(firsts.withColumn("was_first", F.lit(True)), key, "left").withColumn(
        "is_dirty", F.col("was_first").isNull()
    )
    if not gone.isEmpty():
        rows = seen.join(F.broadcast(gone), key, "left_semi")
        prints = find_representatives(rows).select("fingerprint", F.lit(True).alias("was_theirs")).distinct()
        marked = marked.join(prints, "fingerprint", "left").withColumn(
            "is_dirty", F.col("is_dirty") | F.col("was_theirs").isNotNull()
        )
    return marked.select(*videos.columns, "is_dirty")


def take_representatives(segments: DataFrame, videos: DataFrame) -> DataFrame:
    """Return the segments that are searched, with `is_dirty`.

    Args:
        segments: rows of `embeddings` of one model.
        videos: as `mark_dirty` returns them.

    Runs on: driver. Where the ids fit an executor's memory the vectors stay where they are.
    """
    ids = videos.where("video_id = representative_id").select("video_id", "content_sha256", "is_dirty")
    few = F.broadcast(ids) if ids.count() <= _MAX_BROADCAST_ROWS else ids
    return segments.join(few, ["video_id", "content_sha256"])
