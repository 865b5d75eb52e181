"""attempts: the videos tried in this run, with the result of each. It exists only in the staging area.

Rows of described videos become `descriptors`, the others `quarantine`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.retries import is_waiting
from jobs.contracts.table import Table
from jobs.lake.session import gpu_profile
from udfs.describing.describe import describe_batches
from udfs.describing.description import ATTEMPT_DDL
from udfs.describing.settings import DescribeSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import Column, DataFrame, Row, SparkSession

    from jobs.config.settings import DescribeConfig
    from jobs.contracts.run import Run
    from udfs.opening.roots import Roots

TABLE = Table(
    name="attempts",
    grain="A video that was tried in this run: described, or failed with an error code",
    key=("video_id",),
    ddl=ATTEMPT_DDL,
)
DUE_READS = ("manifest", "descriptors", "quarantine")
"""The tables that `select_due` reads."""


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Describe the videos of a batch. Grain: one row per attempted video, unordered.

    Runs on: driver. Executors describe the videos when the rows are written, with one task per partition of `due`.
    """
    settings = describe_settings(run.config.describe, run.roots)
    describe = partial(describe_batches, settings=settings, count_done=run.progress.counter)
    due = inputs["due"].select("video_id", "uri")
    return due.mapInPandas(describe, TABLE.ddl, profile=gpu_profile(run.config.describe.gpus_per_task))


def make_requests(spark: SparkSession, due: Sequence[Row], videos_per_task: int) -> DataFrame:
    """Return the input `due`: video_id and uri of the videos to describe, partitioned into tasks. Runs on: driver.

    Args:
        spark: session of the run.
        due: one row per video, with video_id and uri; at least one.
        videos_per_task: videos in one partition, on average.
    """
    rows = spark.createDataFrame([(row["video_id"], row["uri"]) for row in due], "video_id STRING, uri STRING")
    return rows.repartition(-(-len(due) // videos_per_task))


def select_due(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Select the videos that must be described in this run: video_id and uri, one row per video.

    A video is due if it is not removed and has no descriptors with this uri, file and descriptor_id, unless it is in
    quarantine and its next attempt is later. A video whose file changed since it was described or failed is due too. No
    video is tried twice in one run. Reads manifest, descriptors and quarantine. Runs on: driver.
    """
    described = inputs["descriptors"].where(F.col("descriptor_id") == run.model.descriptor_id)
    done = described.select("video_id", "uri", "size_bytes", F.col("described_at").alias("tried_at"), "run_id")
    failed = (
        inputs["quarantine"]
        .where(is_waiting(run))
        .select(
            "video_id",
            "uri",
            F.lit(None).cast("bigint").alias("size_bytes"),
            F.col("last_tried_at").alias("tried_at"),
            "run_id",
        )
    )
    manifest = inputs["manifest"].where("removed_at IS NULL").alias("manifest")
    due = manifest.join(done.unionByName(failed).alias("done"), _is_same_file(run), "left_anti")
    return due.select("video_id", "uri")  # the driver collects them, and Python has no date before year 1


def _is_same_file(run: Run) -> Column:
    """Return the condition that a row of the manifest names the file that was tried."""
    is_same = F.col("manifest.video_id").eqNullSafe(F.col("done.video_id")) & F.col("manifest.uri").eqNullSafe(
        F.col("done.uri")
    )
    modified_at = F.col("manifest.modified_at")
    # A time in the future comes from a wrong clock, and would make the file due in every run.
    is_newer = (modified_at > F.col("done.tried_at")) & (modified_at <= F.lit(run.started_at))
    is_changed = F.coalesce(is_newer, F.lit(False)) | F.coalesce(
        F.col("manifest.size_bytes") != F.col("done.size_bytes"), F.lit(False)
    )
    return is_same & (~is_changed | (F.col("done.run_id") == run.run_id))


def describe_settings(describe: DescribeConfig, roots: Roots) -> DescribeSettings:
    """Return the settings for executors that describe videos below `roots`."""
    return DescribeSettings(
        roots,
        describe.decoder,
        backbone=describe.backbone,
        weights_dir=str(describe.weights_dir) if describe.weights_dir else None,
        allow_download=describe.allow_download,
        precision=describe.precision,
        batch_frames=describe.batch_frames,
        cuts_borders=describe.cut_borders,
        stores_thumbnails=describe.store_thumbnails,
        num_decoders=describe.decoders_per_task,
    )
