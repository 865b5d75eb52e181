"""Selects the videos to search: one representative of identical videos, and those that the last search did not see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.lake.file_skipping import covers

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_NUM_HASHES = 2
"""64 bits each: two of a hundred million videos collide by chance with a probability of 1e-23."""
_MAX_BROADCAST_ROWS = 2_000_000
"""The most ids that one executor holds, about 100 bytes each."""
FINGERPRINT_COLUMNS = ("video_id", "content_sha256", "end_seconds", "is_blank", "fingerprint")


def fingerprint_videos(segments: DataFrame) -> DataFrame:
    """Hash the vectors of each video. Grain: one row per video and content, with FINGERPRINT_COLUMNS.

    Args:
        segments: rows of `embeddings` of one model. Windows whose content differs from that of the whole video are
            ignored: they are left from an earlier file.

    Returns:
        end_seconds of the whole video; is_blank, whether its vector is zero; fingerprint, a hash of the vectors and the
        bounds of all segments, which does not depend on the partitioning. Runs on: driver; computed on executors.
    """
    is_whole = F.col("segment_index") == 0
    hashes = [
        F.bit_xor(F.xxhash64(F.lit(seed), "segment_index", "start_seconds", "end_seconds", "vector"))
        for seed in range(_NUM_HASHES)
    ]
    is_blank = (F.array_max("vector") == 0) & (F.array_min("vector") == 0)
    videos = segments.groupBy("video_id", "content_sha256").agg(
        F.max(F.when(is_whole, F.col("end_seconds"))).alias("end_seconds"),
        F.bool_or(is_whole & is_blank).alias("is_blank"),
        F.array(*hashes).alias("fingerprint"),
    )
    return videos.where("end_seconds IS NOT NULL").select(*FINGERPRINT_COLUMNS)


def select_fingerprints(stored: DataFrame, fingerprints: DataFrame) -> DataFrame:
    """Select the fingerprints of the current contents: FINGERPRINT_COLUMNS.

    Args:
        stored: rows of `embeddings` of one model and of present videos; their vectors are not read.
        fingerprints: rows of `fingerprints` of the same model.
    """
    whole = stored.where("segment_index = 0").select("video_id", "content_sha256")
    return fingerprints.join(whole, ["video_id", "content_sha256"], "left_semi").select(*FINGERPRINT_COLUMNS)


def find_representatives(videos: DataFrame) -> DataFrame:
    """Find the representative of each video among identical videos. Grain: one row per video.

    Videos with the same content are identical, whatever the decoder returned for each. The first videos of several
    contents are identical if all their vectors are equal, for the whole video and for every window.

    Args:
        videos: FINGERPRINT_COLUMNS; one row per video.

    Returns:
        The columns of `videos` and twin_id, the smallest video_id of the same content; representative_id, the smallest
        twin_id of the same vectors. It does not depend on the partitioning. Runs on: driver; computed on executors.
    """
    twins = videos.groupBy("content_sha256").agg(F.min("video_id").alias("twin_id"))
    known = videos.join(twins, "content_sha256")
    firsts = known.where("video_id = twin_id")
    identical = firsts.groupBy("fingerprint").agg(F.min("video_id").alias("representative_id"))
    representatives = firsts.join(identical, "fingerprint").select("twin_id", "representative_id")
    return known.join(representatives, "twin_id")


def mark_unsearched(videos: DataFrame, seen: DataFrame | None, fingerprints: DataFrame) -> DataFrame:
    """Add `is_unsearched`: whether the pairs of a video must be searched again.

    That is so for a video that was not the first video of its content in the last search. It is also so for a video
    with the vectors of another video that was the first of its content in the last search and no longer is: that other
    video may have been its representative. For all other videos the last search used the same representative.

    Args:
        videos: as `find_representatives` returns them.
        seen: rows of `embeddings` of one model as the last search saw them; None if there was no search. Their vectors
            are not read.
        fingerprints: rows of `fingerprints` of the same model, of earlier contents too.

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
    prints = fingerprints.join(gone, key, "left_semi").select("fingerprint", F.lit(True).alias("was_replaced"))
    marked = marked.join(prints.distinct(), "fingerprint", "left").withColumn(
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
    return segments.join(broadcast_few(ids), ["video_id", "content_sha256"])


def broadcast_few(ids: DataFrame) -> DataFrame:
    """Mark ids to be sent to every executor, so that the rows that they select are not moved, if they fit there."""
    return F.broadcast(ids) if ids.count() <= _MAX_BROADCAST_ROWS else ids


def select_written(embedded: DataFrame, videos: DataFrame) -> DataFrame:
    """Select the segments of some videos, and skip the files of other runs than those that wrote them.

    Args:
        embedded: rows of `embeddings` of one model.
        videos: video_id, content_sha256, and the run_id of the whole video.
    """
    run_ids = [row["run_id"] for row in videos.select("run_id").distinct().collect()]
    ids = broadcast_few(videos.select("video_id", "content_sha256"))
    return embedded.where(covers("run_id", run_ids)).join(ids, ["video_id", "content_sha256"], "left_semi")
