"""embeddings: unit vectors of segments; the whole video is a segment too."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.table import Table
from udfs.embedding.embed import INPUT_COLUMN, Windows, embed_batches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run
    from models.embedding_models import EmbeddingModel

TABLE = Table(
    name="embeddings",
    grain="A segment of a video x model_id",
    key=("video_id", "model_id", "segment_index"),
    compared=("content_sha256",),
    num_indexed_columns=7,
    checks={
        "segment_has_length": "start_seconds >= 0 AND end_seconds >= start_seconds",
        "has_vector": "size(vector) > 0",
    },
    ddl="""
        video_id STRING NOT NULL COMMENT 'id in the manifest',
        model_id STRING NOT NULL COMMENT 'the model that made the vector',
        segment_index INT NOT NULL COMMENT '0 for the whole video; windows follow in time order',
        start_seconds DOUBLE NOT NULL COMMENT 'start of the segment in the video',
        end_seconds DOUBLE NOT NULL COMMENT 'end of the segment in the video, exclusive',
        content_sha256 STRING NOT NULL COMMENT 'SHA-256 of the file that was described',
        run_id STRING NOT NULL COMMENT 'the run that wrote this row',
        vector ARRAY<FLOAT> NOT NULL COMMENT 'embedding with unit norm',
        frame_seconds ARRAY<DOUBLE> COMMENT 'times of the frames; this and the next two columns are null for windows',
        frame_vectors BINARY COMMENT 'int8, row-major (frames, dims): unit vectors, each scaled by its largest value',
        frame_backgrounds ARRAY<FLOAT> COMMENT 'similarity of each frame to the background, in [-1, 1]'
    """,
)


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Embed the videos whose content this model has not embedded yet. Grain: one row per segment.

    Runs on: driver; the vectors are made on executors.
    """
    descriptors = inputs["descriptors"].where(F.col("descriptor_id") == run.model.descriptor_id)
    known = inputs["embeddings"].where((F.col("model_id") == run.model.model_id) & (F.col("segment_index") == 0))
    new = descriptors.join(known.select("video_id", "content_sha256"), ["video_id", "content_sha256"], "left_anti")
    return embed_descriptors(new.withColumn("run_id", F.lit(run.run_id)), run.model, run.windows)


def embed_descriptors(descriptors: DataFrame, model: EmbeddingModel, windows: Windows) -> DataFrame:
    """Embed described videos and keep their `run_id`. Grain: one row per segment.

    Runs on: driver; the vectors are made on executors.
    """
    columns = ("video_id", "content_sha256", "run_id", "duration_seconds", "frame_seconds", INPUT_COLUMN[model.fusion])
    rows = descriptors.select(
        *columns, F.lit(model.model_id).alias("model_id"), F.size("video_descriptor").alias("descriptor_dim")
    )
    return rows.mapInPandas(partial(embed_batches, model=model, windows=windows), TABLE.ddl)
