"""The pictures that the second look compares: stored thumbnails, or frames decoded from files without thumbnails.

Runs on the driver; the rest on executors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.describing import describe_settings
from jobs.contracts.run_log import log
from jobs.lake.file_skipping import covers
from udfs.describing.missing_thumbnails import MADE_DDL, make_missing_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyspark.sql import Column, DataFrame

    from jobs.config.settings import DescribeConfig
    from udfs.describing.settings import DescribeSettings
    from udfs.opening.roots import Roots

    Checkpoint = Callable[[str, DataFrame], DataFrame]

FILE_KEY = ["video_id", "content_sha256"]
"""The columns that identify a described file: a video whose file was replaced may have rows of the older one."""
_SIDES = ("left", "right")
_MAX_BROADCAST_VIDEOS = 1_000_000
"""The most videos whose ids and frame numbers one executor holds, about 250 bytes each."""
_MAX_NAMED_VIDEOS = 10_000
"""With more, nearly every file has one of them."""


@dataclass(frozen=True)
class PictureSources:
    """Where the pictures of described videos come from.

    Attributes:
        thumbnails: rows of `thumbnails` of one descriptor_id.
        descriptors: rows of `descriptors` of the same descriptor_id. They name the files.
        settings: how files are opened and decoded.
        videos_per_task: videos that one task decodes.
    """

    thumbnails: DataFrame
    descriptors: DataFrame
    settings: DescribeSettings
    videos_per_task: int

    @classmethod
    def of(
        cls, thumbnails: DataFrame, descriptors: DataFrame, descriptor_id: str, describe: DescribeConfig, roots: Roots
    ) -> PictureSources:
        """Select the rows of one descriptor_id.

        Args:
            thumbnails: rows of `thumbnails`.
            descriptors: rows of `descriptors`.
            descriptor_id: of the model that is used.
            describe: settings of the limits and decoders.
            roots: places that may be read, besides the folders of described videos.
        """
        is_current = F.col("descriptor_id") == descriptor_id
        settings = describe_settings(describe, roots)
        return cls(thumbnails.where(is_current), descriptors.where(is_current), settings, describe.videos_per_task)


@dataclass(frozen=True)
class PicturedPairs:
    """Aligned pairs with their pictures.

    Attributes:
        rows: input of `udfs.registering.look_batches`.
        unseen: number of pairs without a second look, by error_code of the video whose frames could not be read.
    """

    rows: DataFrame
    unseen: Mapping[str, int] = field(default_factory=dict)


def add_pictures(
    aligned: DataFrame, whole: DataFrame, sources: PictureSources, checkpoint: Checkpoint
) -> PicturedPairs:
    """Add the thumbnails of both sides that the moments of pairs need; null where they cannot be had.

    Pictures are stored thumbnails. A video without thumbnails is decoded once, at the times that its pairs need. If its
    file cannot be read, the first look decides its pairs, and they are counted.

    Args:
        aligned: rows of ALIGNED_DDL, materialised: they are read several times.
        whole: rows of `embeddings` of whole videos, of all videos in `aligned`.
        sources: where pictures come from.
        checkpoint: keeps rows under a name, as `Run.checkpoint`.
    """
    wanted = checkpoint("wanted", _list_wanted(aligned, whole))
    num_wanted = wanted.count()
    stored = sources.thumbnails.where("has_pictures IS NOT FALSE")
    if num_wanted <= _MAX_NAMED_VIDEOS:  # files without these videos are not opened
        stored = stored.where(covers("video_id", (row["video_id"] for row in wanted.select("video_id").collect())))
    # Thumbnails stay where they are read: the ids are sent to them, and only the chosen pictures are moved.
    small = F.broadcast(wanted) if num_wanted <= _MAX_BROADCAST_VIDEOS else wanted
    chosen = F.transform("numbers", lambda number: F.get(F.col("thumbnails"), number))
    pictures = stored.join(small, FILE_KEY).select("video_id", "numbers", chosen.alias("thumbnails"))
    missing = wanted.join(stored.select(*FILE_KEY), FILE_KEY, "left_anti")
    num_missing = missing.count()
    if not num_missing:
        return PicturedPairs(_join_pictures(aligned, pictures))
    requests = _request_missing(missing, whole, sources).repartition(-(-num_missing // sources.videos_per_task))
    decode = partial(make_missing_batches, settings=sources.settings)
    made = checkpoint("decoded", requests.mapInPandas(decode, MADE_DDL))
    pictures = pictures.unionByName(made.where("error_code IS NULL").drop("error_code"))
    return PicturedPairs(_join_pictures(aligned, pictures), _count_unseen(aligned, made))


def _number_frames(side: str) -> Column:
    """Return the numbers of the frames that the moments need of one side, as `list_frames` does."""
    if side == "left":
        return F.array_distinct("moments.left")
    return F.array_distinct(F.concat("moments.right_before", "moments.right_after"))


def _list_wanted(aligned: DataFrame, whole: DataFrame) -> DataFrame:
    """List the frames that pairs need: one row per video, with its file and the ascending frame numbers."""
    left, right = (
        aligned.select(F.col(f"{side}_id").alias("video_id"), F.explode(_number_frames(side)).alias("number"))
        for side in _SIDES
    )
    numbers = F.array_sort(F.collect_set("number")).alias("numbers")
    return left.unionByName(right).groupBy("video_id").agg(numbers).join(whole.select(*FILE_KEY), "video_id")


def _request_missing(missing: DataFrame, whole: DataFrame, sources: PictureSources) -> DataFrame:
    """Add the times of the frames and the uris of the files: input of `make_missing_batches`."""
    seconds = F.transform("numbers", lambda number: F.get(F.col("frame_seconds"), number))
    return (
        missing.join(whole.select("video_id", "frame_seconds"), "video_id")
        .join(sources.descriptors.select(*FILE_KEY, "uri"), FILE_KEY, "left")
        .select(*FILE_KEY, "uri", "numbers", seconds.alias("seconds"))
    )


def _join_pictures(aligned: DataFrame, pictures: DataFrame) -> DataFrame:
    """Add the pictures of both sides; null if there are none. Only chosen pictures are moved.

    Args:
        aligned: rows of ALIGNED_DDL.
        pictures: one row per video: video_id, the numbers of its frames, and their thumbnails.
    """
    joined, key = aligned, ["left_id", "right_id"]
    for side in _SIDES:
        wishes = aligned.select(*key, F.col(f"{side}_id").alias("video_id"), _number_frames(side).alias("wishes"))
        found = F.transform(
            "wishes", lambda number: F.get(F.col("thumbnails"), F.array_position(F.col("numbers"), number) - 1)
        )
        of_side = pictures.join(wishes, "video_id").select(*key, found.alias(f"{side}_thumbnails"))
        joined = joined.join(of_side, key, "left")
    return joined.sortWithinPartitions(*key)


def _count_unseen(aligned: DataFrame, made: DataFrame) -> dict[str, int]:
    """Count the pairs of videos that could not be decoded, by error_code, and log an example of each."""
    failed = made.where("error_code IS NOT NULL").select("video_id", "error_code")
    pairs = aligned.where(F.size("moments") > 0).select("left_id", "right_id")
    for side in _SIDES:
        of_side = failed.select(F.col("video_id").alias(f"{side}_id"), F.col("error_code").alias(f"{side}_code"))
        pairs = pairs.join(of_side, f"{side}_id", "left")
    code = F.coalesce("left_code", "right_code").alias("error_code")
    video_id = F.when(F.col("left_code").isNotNull(), F.col("left_id")).otherwise(F.col("right_id"))
    counts = pairs.groupBy(code).agg(F.count("*").alias("num_pairs"), F.min(video_id).alias("example"))
    found = {row["error_code"]: row for row in counts.where("error_code IS NOT NULL").collect()}
    for name, row in sorted(found.items()):
        log.warning(
            "pairs without a second look", error_code=name, num_pairs=row["num_pairs"], example_video_id=row["example"]
        )
    return {name: found[name]["num_pairs"] for name in sorted(found)}
