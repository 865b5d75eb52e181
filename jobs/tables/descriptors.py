"""descriptors: facts of each video's container, and the descriptors of its frames from a CNN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.table import Table
from udfs.describing.description import make_description_ddl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run

TABLE = Table(
    name="descriptors",
    grain="A video x descriptor_id: container facts and frame descriptors",
    key=("video_id", "descriptor_id"),
    compared=("content_sha256", "uri", "described_at"),
    num_indexed_columns=4,
    checks={
        "size_is_positive": "size_bytes > 0",
        "duration_is_not_negative": "duration_seconds >= 0",
        "frame_is_not_empty": "width_px > 0 AND height_px > 0",
        "has_frames": "size(frame_seconds) > 0",
    },
    ddl="""
        video_id STRING NOT NULL COMMENT 'id in the manifest',
        descriptor_id STRING NOT NULL COMMENT 'backbone, sampling, and a hash of all settings that affect the values',
        run_id STRING NOT NULL COMMENT 'the run that wrote this row',
        described_at TIMESTAMP NOT NULL COMMENT 'start of that run, UTC; the file had this content then',
        uri STRING NOT NULL COMMENT 'the URI that the video was read from',
    """
    + make_description_ddl(is_nullable=False),
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Select the successful attempts. Grain: one row per video that was described or is unchanged in this run.

    An unchanged video keeps its descriptors, with the uri and the time of this run. Runs on: driver.
    """
    tried = inputs["attempts"].where("error_code IS NULL")
    now = {"run_id": F.lit(run.run_id), "described_at": F.lit(run.started_at)}
    new = (
        tried.where("NOT is_unchanged")
        .drop("error_code", "error_detail", "is_unchanged", "thumbnails", "frame_details")
        .withColumns({"descriptor_id": F.lit(run.model.descriptor_id)} | now)
    )
    kept = (
        inputs["descriptors"]
        .where(F.col("descriptor_id") == run.model.descriptor_id)
        .drop("uri")
        .join(tried.where("is_unchanged").select("video_id", "uri"), "video_id")
        .withColumns(now)
    )
    return new.unionByName(kept)
