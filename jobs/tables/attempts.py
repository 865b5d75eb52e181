"""attempts: what came of each video tried in this run, a row each; staged, never kept.

Its good rows become `descriptors`, the others `quarantine`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.table import Table
from udfs.describe import DescribeSettings, describe_batches
from udfs.description import ATTEMPT_DDL
from udfs.video import DecodeLimits, SamplingRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.config import Config
    from jobs.run import Run
    from udfs.opening.roots import Roots

TABLE = Table(
    name="attempts",
    grain="A video that was tried in this run: described, or failed with an error code",
    key=("video_id",),
    ddl=ATTEMPT_DDL,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Describe the videos that are due. Grain: one row per video tried, in no order.

    Due is a manifest row without descriptors of this uri and descriptor_id, unless it is quarantined and its time
    has not come. At most `describe.videos_per_commit` of them, in the order of a hash, are taken up: their ids and
    uris come to the driver, which sizes the tasks by their number.

    Runs on: driver; the describing itself on executors, when the rows are written.
    """
    config = run.config.describe
    due = _due(inputs, run).orderBy(F.xxhash64("video_id"), "video_id").limit(config.videos_per_commit)
    requests = due.select("video_id", "uri").collect()
    spark = inputs["manifest"].sparkSession
    if not requests:
        none = F.lit(None).cast(TABLE.schema).alias("none")
        return spark.range(0).select(none).select("none.*")  # createDataFrame([]) would start a Python worker
    num_tasks = -(-len(requests) // config.videos_per_task)
    rows = spark.createDataFrame(requests, "video_id STRING, uri STRING").repartition(num_tasks)
    run.progress.expect(len(requests))
    describe = partial(describe_batches, settings=_settings(run), count_done=run.progress.counter)
    return rows.mapInPandas(describe, TABLE.ddl)


def _due(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Select the manifest rows that must be described in this run."""
    described = inputs["descriptors"].where(F.col("descriptor_id") == run.model.descriptor_id)
    waiting = inputs["quarantine"].where(
        (F.col("next_retry_at") > F.lit(run.started_at))
        | F.col("next_retry_at").isNull()
        | (F.col("run_id") == run.run_id)  # once in a run, however short the wait
    )
    done = described.select("video_id", "uri").unionByName(waiting.select("video_id", "uri"))
    manifest = inputs["manifest"].alias("manifest")
    same = F.col("manifest.video_id").eqNullSafe(F.col("done.video_id")) & F.col("manifest.uri").eqNullSafe(
        F.col("done.uri")
    )
    return manifest.join(done.alias("done"), same, "left_anti")


def _settings(run: Run) -> DescribeSettings:
    """Pick from the run what the executors need."""
    config = run.config.describe
    return describe_settings(
        run.config, run.roots, SamplingRule(sample_fps=config.sample_fps, min_frames=config.min_frames)
    )


def describe_settings(config: Config, roots: Roots, sampling: SamplingRule) -> DescribeSettings:
    """Pick from the config what executors need to describe videos below `roots`, sampled so."""
    describe = config.describe
    return DescribeSettings(
        backbone=describe.backbone,
        weights_dir=str(describe.weights_dir) if describe.weights_dir else None,
        allow_download=describe.allow_download,
        precision=describe.precision,
        batch_frames=describe.batch_frames,
        cuts_borders=describe.cut_borders,
        num_decoders=describe.decoders_per_task,
        roots=roots,
        sampling=sampling,
        limits=DecodeLimits(
            max_file_bytes=describe.max_file_bytes,
            max_frame_pixels=describe.max_frame_pixels,
            max_duration_seconds=describe.max_duration_seconds,
            max_streams=describe.max_streams,
            stall_timeout_seconds=describe.stall_timeout_seconds,
            total_timeout_seconds=describe.total_timeout_seconds,
            decoder_memory_bytes=describe.decoder_memory_bytes,
        ),
    )
