"""attempts: the videos tried in this run, with the result of each. It exists only in the staging area.

Rows of described videos become `descriptors`, those of failed videos `quarantine`.
"""

from __future__ import annotations

from functools import partial, reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.describing import describe_settings
from jobs.contracts.retries import is_waiting
from jobs.contracts.table import Table
from jobs.lake.session import gpu_profile
from udfs.describing.describe import describe_batches
from udfs.describing.description import ATTEMPT_DDL, REQUEST_DDL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pyspark.sql import Column, DataFrame, Row, SparkSession

    from jobs.contracts.run import Run

TABLE = Table(
    name="attempts",
    grain="A video that was tried in this run: described, unchanged, or failed with an error code",
    key=("video_id",),
    ddl=ATTEMPT_DDL,
)
DUE_READS = ("manifest", "descriptors", "thumbnails", "quarantine")
"""The tables that `select_due` reads."""
_REQUEST_COLUMNS = tuple(column.split()[0] for column in REQUEST_DDL.split(", "))


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Describe the videos of a batch. Grain: one row per attempted video, unordered.

    Runs on: driver. Executors describe the videos when the rows are written, with one task per partition of `due`.
    """
    settings = describe_settings(run.config.describe, run.roots)
    describe = partial(describe_batches, settings=settings, count_done=run.progress.counter)
    return inputs["due"].mapInPandas(describe, TABLE.ddl, profile=gpu_profile(run.config.describe.gpus_per_task))


def make_requests(spark: SparkSession, due: Sequence[Row], videos_per_task: int) -> DataFrame:
    """Return the input `due`: rows of REQUEST_DDL, partitioned into tasks. Runs on: driver.

    Args:
        spark: session of the run.
        due: one row per video, with these columns; at least one.
        videos_per_task: videos in one partition, on average.
    """
    rows = spark.createDataFrame([tuple(row[name] for name in _REQUEST_COLUMNS) for row in due], REQUEST_DDL)
    return rows.repartition(-(-len(due) // videos_per_task))


def select_due(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Select the manifest rows that must be described in this run, with the columns of REQUEST_DDL.

    A video is due if it is not removed and has no descriptors with this uri, file and descriptor_id. It is due too if
    its file was lost, is back or changed since it was described or failed. A video in quarantine is due from its next
    attempt on, even if it has descriptors: the last attempt to read its file failed. No video is tried twice in one
    run. Reads DUE_READS. Runs on: driver.
    """
    described = inputs["descriptors"].where(F.col("descriptor_id") == run.model.descriptor_id)
    held = inputs["quarantine"]
    done = described.join(held.select("video_id"), "video_id", "left_anti").select(
        "video_id", "uri", "size_bytes", F.col("described_at").alias("tried_at"), "run_id"
    )
    failed = held.where(is_waiting(run)).select(
        "video_id",
        "uri",
        F.lit(None).cast("bigint").alias("size_bytes"),
        F.col("last_tried_at").alias("tried_at"),
        "run_id",
    )
    manifest = inputs["manifest"].where("removed_at IS NULL").alias("manifest")
    due = manifest.join(done.unionByName(failed).alias("done"), _is_same_file(run), "left_anti")
    # The driver collects them, and Python has no date before year 1.
    return due.select("video_id", "uri").join(
        _select_described_content(described, inputs["thumbnails"], run), "video_id", "left"
    )


def select_due_by_time(inputs: Mapping[str, DataFrame], run: Run, since: datetime) -> DataFrame:
    """Select the videos that time alone may have made due since a run that found none, from the same rows.

    These are failed videos whose wait is over, and files whose time was in the future then. Other videos that are due
    need a change in one of DUE_READS. Runs on: driver.

    Args:
        inputs: the tables in DUE_READS.
        run: this run.
        since: start of that run, UTC.
    """
    tried = inputs["quarantine"].where(~is_waiting(run))
    modified_at = F.col("modified_at")
    dated = inputs["manifest"].where((modified_at > F.lit(since)) & (modified_at <= F.lit(run.started_at)))
    return tried.select("video_id").unionAll(dated.select("video_id"))


def _select_described_content(described: DataFrame, thumbnails: DataFrame, run: Run) -> DataFrame:
    """Select size and SHA-256 of the content that need not be described again, per video.

    Content without thumbnails is described again if thumbnails are to be stored.
    """
    if run.config.describe.store_thumbnails:
        stored = thumbnails.where(F.col("descriptor_id") == run.model.descriptor_id).where("has_pictures IS NOT FALSE")
        described = described.join(
            stored.select("video_id", "content_sha256"), ["video_id", "content_sha256"], "left_semi"
        )
    return described.select(
        "video_id", F.col("size_bytes").alias("described_bytes"), F.col("content_sha256").alias("described_sha256")
    )


def _is_same_file(run: Run) -> Column:
    """Return the condition that a row of the manifest names the file that was tried, and that it has not changed."""
    is_same = F.col("manifest.video_id").eqNullSafe(F.col("done.video_id")) & F.col("manifest.uri").eqNullSafe(
        F.col("done.uri")
    )
    tried_at, modified_at = F.col("done.tried_at"), F.col("manifest.modified_at")
    # A time in the future comes from a wrong clock, and would make the file due in every run.
    is_newer = (modified_at > tried_at) & (modified_at <= F.lit(run.started_at))
    changes = (
        F.col("manifest.file_changed_at") > tried_at,
        is_newer,
        F.col("manifest.size_bytes") != F.col("done.size_bytes"),
    )
    is_changed = reduce(or_, (F.coalesce(change, F.lit(False)) for change in changes))
    return is_same & (~is_changed | (F.col("done.run_id") == run.run_id))
