"""quarantine: the videos that could not be described, with the cause and the time of the next attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run

TABLE = Table(
    name="quarantine",
    grain="A video whose last attempt failed: it is in no pair, cluster or duplicate until it is described",
    key=("video_id",),
    is_replaced=True,
    compared=("last_tried_at",),  # a run writes only the videos it tried, so that releases during the run are kept
    checks={"attempts_is_not_negative": "attempts >= 0"},
    ddl="""
        video_id STRING NOT NULL COMMENT 'id in the manifest',
        error_code STRING NOT NULL COMMENT 'kind of failure, defined in udfs/errors.py',
        attempts INT NOT NULL COMMENT 'attempts with this uri, since its last release if it was released',
        next_retry_at TIMESTAMP COMMENT 'UTC; null if the video is not retried automatically',
        last_tried_at TIMESTAMP NOT NULL COMMENT 'time of the last attempt, UTC',
        uri STRING COMMENT 'uri in the manifest',
        error_detail STRING NOT NULL COMMENT 'the value and the rule that it breaks',
        run_id STRING NOT NULL COMMENT 'the run of the last attempt'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Make a row for each video that failed in this batch; described videos leave the table.

    Grain: one row per failed video. The wait doubles with each attempt, `retry_after_hours` x 2^(attempts - 1), until
    `max_attempts`. A new uri resets the count, and so does a release (`ndvr quarantine --release`). A video that is
    released while this run tries it is due again in the next run. Runs on: driver.
    """
    tried = inputs["attempts"].select("video_id", "uri", "error_code", "error_detail")
    config = run.config.quarantine
    earlier = inputs["quarantine"].select(
        "video_id",
        F.col("uri").alias("earlier_uri"),
        "attempts",
        # Set for a video that was not due when the run started: it was released during the run.
        F.when(
            (F.col("attempts") == 0) & (F.col("next_retry_at") > F.lit(run.started_at)), F.col("next_retry_at")
        ).alias("released_at"),
    )
    is_same_uri = F.col("uri").eqNullSafe(F.col("earlier_uri"))
    tries = F.when(is_same_uri, F.coalesce("attempts", F.lit(0))).otherwise(0) + 1
    wait_seconds = F.lit(config.retry_after_hours * 3600.0) * F.pow(F.lit(2.0), F.col("attempts") - 1)
    after_wait = F.timestamp_seconds(F.unix_seconds(F.lit(run.started_at)) + wait_seconds)
    retry_at = F.when(F.col("attempts") < config.max_attempts, F.coalesce("released_at", after_wait))
    return (
        tried.where(F.col("error_code").isNotNull())
        .join(earlier, "video_id", "left")
        .withColumn("attempts", tries.cast("int"))
        .select(
            "video_id",
            "error_code",
            "attempts",
            retry_at.alias("next_retry_at"),
            F.lit(run.started_at).alias("last_tried_at"),
            "uri",
            F.coalesce("error_detail", F.lit("")).alias("error_detail"),
            F.lit(run.run_id).alias("run_id"),
        )
    )
