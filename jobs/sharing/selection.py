"""Selects the vectors of a lake to export. Runs on the driver."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.presence import select_present
from jobs.errors import UsageError
from jobs.lake.required_tables import require_tables
from jobs.tables import embeddings, manifest, runs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.lake.lake import Lake

COLUMNS = {
    "video_id": "id in the manifest",
    "model_id": "the model that made the vector; only vectors of one model can be compared",
    "segment_index": "0 for the whole video; windows follow in time order",
    "start_seconds": "start of the segment in the video",
    "end_seconds": "end of the segment in the video, exclusive",
    "content_sha256": "SHA-256 of the described file",
    "published_at": "UTC; null if unknown",
    "owner_id": "publisher; null if unknown",
    "title": "column `title` of the manifest; null if missing",
    "vector": "32-bit floats with unit norm; the inner product of two is their cosine similarity",
}
"""Name and description of each exported column."""


class Segments(StrEnum):
    """Which segments are exported."""

    WHOLE = "whole"
    ALL = "all"


def choose_model(lake: Lake, model_id: str | None) -> str:
    """Return the given model, or the model in use.

    Raises:
        UsageError: a table is missing, no run has been published, or the model has no vectors in this lake.
    """
    require_tables(lake, manifest.TABLE, embeddings.TABLE, runs.TABLE)
    chosen = runs.choose_model(lake, model_id)
    known = sorted(row["model_id"] for row in lake.read("embeddings").select("model_id").distinct().collect())
    if chosen not in known:
        raise UsageError(f"model {chosen!r} has no vectors in {lake.root!r}; models with vectors: {', '.join(known)}")
    return chosen


def select_vectors(lake: Lake, model_id: str, segments: Segments) -> DataFrame:
    """Select the vectors of the present videos (`jobs.contracts.presence`). Grain: one row per segment, with COLUMNS.

    Windows of a file that has since been replaced are left out: they do not show the content of the whole video.
    """
    of_model = lake.read("embeddings").where(F.col("model_id") == model_id)
    whole = of_model.where("segment_index = 0")
    if segments is Segments.ALL:
        now = whole.select("video_id", "content_sha256")
        rows = of_model.join(now, ["video_id", "content_sha256"], "left_semi")
    else:
        rows = whole
    listed = lake.read("manifest")
    present = select_present(listed, lake.read("quarantine"))
    known = listed.join(present, "video_id", "left_semi").select(
        "video_id", "published_at", "owner_id", F.col("attributes")["title"].alias("title")
    )
    return rows.join(known, "video_id").select(*COLUMNS)


def count_dims(vectors: DataFrame, model_id: str) -> int:
    """Return the length of the vectors.

    Raises:
        UsageError: there are no vectors.
    """
    first = vectors.select(F.size("vector").alias("num_dims")).first()
    if first is None:
        raise UsageError(f"no video in the manifest has a vector of model {model_id!r}; nothing to export")
    return int(first["num_dims"])
