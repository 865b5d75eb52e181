"""Chooses the vectors of a lake that are exported. Runs on the driver."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.errors import UsageError
from jobs.tables import embeddings, manifest, runs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.lake.lake import Lake

COLUMNS = {
    "video_id": "id in the manifest",
    "model_id": "the model that made the vector; only vectors of one model can be compared",
    "segment_index": "0 is the whole video; windows follow in time order",
    "start_seconds": "of the segment, in the video",
    "end_seconds": "of the segment, in the video; not part of it",
    "content_sha256": "of the file that was described",
    "published_at": "UTC; null where unknown",
    "owner_id": "who published it; null where unknown",
    "title": "the manifest's column title; null where it has none",
    "vector": "32-bit floats of unit norm: their inner product is the cosine similarity",
}
"""Name of each exported column and what it is."""


class Segments(StrEnum):
    """Which segments are exported."""

    WHOLE = "whole"
    ALL = "all"


def choose_model(lake: Lake, model_id: str | None) -> str:
    """Return the model asked for, or that of the newest run that was published.

    Raises:
        UsageError: a table is missing, nothing has been published, or the model has no vectors here.
    """
    for table in (manifest.TABLE, embeddings.TABLE, runs.TABLE):
        if not lake.exists(table):
            raise UsageError(f"no table {table.name} in {lake.root!r}; give --lake the folder of a nightly run")
    if model_id is None:
        published = lake.read("runs").where("stage = 'run' AND status = 'done'")
        model_id = published.agg(F.max_by("model_id", "started_at").alias("model_id")).collect()[0]["model_id"]
        if model_id is None:
            raise UsageError(f"no run has been published in {lake.root!r}; run ndvr nightly first")
    known = sorted(row["model_id"] for row in lake.read("embeddings").select("model_id").distinct().collect())
    if model_id not in known:
        raise UsageError(f"model {model_id!r} has no vectors in {lake.root!r}; those that have: {', '.join(known)}")
    return model_id


def select_vectors(lake: Lake, model_id: str, segments: Segments) -> DataFrame:
    """Select the vectors of the videos that are there. Grain: one row per segment, of COLUMNS.

    Windows of a file that another has replaced are left out: their content is not that of the whole video.
    """
    of_model = lake.read("embeddings").where(F.col("model_id") == model_id)
    whole = of_model.where("segment_index = 0")
    if segments is Segments.ALL:
        now = whole.select("video_id", "content_sha256")
        rows = of_model.join(now, ["video_id", "content_sha256"], "left_semi")
    else:
        rows = whole
    present = lake.read("manifest").where("removed_at IS NULL")
    known = present.select("video_id", "published_at", "owner_id", F.col("attributes")["title"].alias("title"))
    return rows.join(known, "video_id").select(*COLUMNS)


def count_dims(vectors: DataFrame, model_id: str) -> int:
    """Return the length of the vectors.

    Raises:
        UsageError: there are none.
    """
    first = vectors.select(F.size("vector").alias("num_dims")).first()
    if first is None:
        raise UsageError(f"no video that is in the manifest has a vector of model {model_id!r}; nothing to export")
    return int(first["num_dims"])
