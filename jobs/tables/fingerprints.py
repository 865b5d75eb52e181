"""fingerprints: hashes of the vectors of each video, by which a night finds identical videos without their vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.table import Table
from jobs.pairing.representatives import fingerprint_videos, select_written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run

TABLE = Table(
    name="fingerprints",
    grain="A content of a video x model_id; rows of earlier contents are kept",
    key=("video_id", "model_id", "content_sha256"),
    ddl="""
        video_id STRING NOT NULL COMMENT 'id in the manifest',
        model_id STRING NOT NULL COMMENT 'the model that made the vectors',
        content_sha256 STRING NOT NULL COMMENT 'SHA-256 of the file that was described',
        end_seconds DOUBLE NOT NULL COMMENT 'end of the video, exclusive',
        is_blank BOOLEAN NOT NULL COMMENT 'whether the vector of the whole video is zero',
        run_id STRING NOT NULL COMMENT 'the run that wrote this row',
        fingerprint ARRAY<BIGINT> NOT NULL COMMENT 'two 64-bit hashes of the vectors and bounds of all segments'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Hash the vectors of the embedded contents that have no row. Grain: one row per video.

    Runs on: driver; computed on executors. Vectors are read only from files that hold new rows.
    """
    is_of_model = F.col("model_id") == run.model.model_id
    embedded = inputs["embeddings"].where(is_of_model)
    known = inputs["fingerprints"].where(is_of_model)
    key = ["video_id", "content_sha256"]
    whole = embedded.where("segment_index = 0").select(*key, "run_id")
    new = run.checkpoint("unhashed", whole.join(known, key, "left_anti"))
    rows = fingerprint_videos(select_written(embedded, new))
    return rows.withColumns({"model_id": F.lit(run.model.model_id), "run_id": F.lit(run.run_id)})
