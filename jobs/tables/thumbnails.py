"""thumbnails: the sampled frames of each video as small pictures, for the second look and people, and their detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.table import Table
from jobs.pairing.pictures import PictureSources
from udfs.opening.roots import Roots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.config.settings import Config
    from jobs.contracts.run import Run
    from jobs.lake.lake import Lake

TABLE = Table(
    name="thumbnails",
    grain="A video x descriptor_id: its sampled frames as small pictures",
    key=("video_id", "descriptor_id"),
    compared=("content_sha256", "has_pictures"),
    num_indexed_columns=4,
    checks={
        "has_a_time_per_thumbnail": "size(thumbnails) = size(frame_seconds)",
        "has_a_detail_per_thumbnail": "size(thumbnails) = size(frame_details)",
    },
    ddl="""
        video_id STRING NOT NULL COMMENT 'id in the manifest',
        descriptor_id STRING NOT NULL COMMENT 'sampling of the frames: the same as in descriptors',
        content_sha256 STRING NOT NULL COMMENT 'SHA-256 of the file that was described',
        run_id STRING NOT NULL COMMENT 'the run that wrote this row',
        has_pictures BOOLEAN COMMENT 'false: the pictures are not stored, and all thumbnails are null',
        frame_seconds ARRAY<DOUBLE> NOT NULL COMMENT 'times of the frames, from the first frame on',
        thumbnails ARRAY<BINARY> NOT NULL COMMENT 'JPEG, colour; the longer side has the input size of the CNN',
        frame_details ARRAY<FLOAT> NOT NULL COMMENT 'share of each picture that has contrast, in [0, 1]; black has 0'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Select the thumbnails of the successful attempts. Grain: one row per video described in this run.

    With `describe.store_thumbnails` off, rows have no pictures, but the detail of each frame: what is content does not
    depend on the setting. Runs on: driver.
    """
    no_pictures = F.transform("frame_seconds", lambda _: F.lit(None).cast("binary"))
    return (
        inputs["attempts"]
        .where("error_code IS NULL AND NOT is_unchanged")
        .select(
            "video_id",
            F.lit(run.model.descriptor_id).alias("descriptor_id"),
            "content_sha256",
            F.lit(run.run_id).alias("run_id"),
            F.col("thumbnails").isNotNull().alias("has_pictures"),
            "frame_seconds",
            F.coalesce("thumbnails", no_pictures).alias("thumbnails"),
            "frame_details",
        )
    )


def read_sources(lake: Lake, descriptor_id: str, config: Config) -> PictureSources:
    """Return the pictures of a lake: its thumbnails, and the files of its videos. Runs on: driver.

    Args:
        lake: with `descriptors`.
        descriptor_id: of the model that is used.
        config: for `manifest.roots` and the limits of decoders.
    """
    roots = Roots.of(*config.manifest.roots)
    return PictureSources.of(read_stored(lake), lake.read("descriptors"), descriptor_id, config.describe, roots)


def read_stored(lake: Lake) -> DataFrame:
    """Return the rows of the table; none if the lake of an earlier version does not have it. Runs on: driver."""
    return lake.read(TABLE.name) if lake.exists(TABLE) else lake.spark.createDataFrame([], TABLE.schema)
