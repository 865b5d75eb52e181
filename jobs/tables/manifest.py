"""manifest: what the lake says exists, as last read from the operator's manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.table import Table
from udfs.opening.roots import resolve_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column, DataFrame

    from jobs.run import Run

TABLE = Table(
    name="manifest",
    grain="A video that the manifest names",
    key=("video_id",),
    checks={"video_id_is_not_empty": "length(video_id) > 0"},
    ddl="""
        video_id STRING NOT NULL COMMENT 'id of the video in the lake',
        uri STRING COMMENT 'absolute path or URI; null where the manifest gives none',
        published_at TIMESTAMP COMMENT 'UTC; null where unknown',
        owner_id STRING COMMENT 'who published it',
        run_id STRING NOT NULL COMMENT 'the run that last changed this row',
        attributes MAP<STRING, STRING> NOT NULL COMMENT 'every other column of the manifest, as text'
    """,
)
REQUIRED_COLUMNS = ("video_id", "uri")
_OPTIONAL_COLUMNS = ("published_at", "owner_id")


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Normalise the manifest's rows. Grain: one row per video_id.

    Columns besides video_id, uri, published_at and owner_id go into `attributes`, nulls left out. A published_at that
    is no timestamp becomes null and its text is kept in `attributes`. Runs on: driver.
    """
    source = inputs["manifest_source"]
    base = run.manifest_base
    # Without Arrow: a night with nothing new needs no Arrow elsewhere, and its classes take two seconds to load.
    resolve = F.udf(lambda uri: None if uri is None else resolve_uri(uri, base), "string", useArrow=False)
    text = {name: F.col(f"`{name}`").cast("string") for name in source.columns}
    published_at = _as_timestamp(source, "published_at")
    extra = [name for name in source.columns if name not in (*REQUIRED_COLUMNS, *_OPTIONAL_COLUMNS)]
    attributes = {name: _as_text(source, name) for name in extra}
    if "published_at" in source.columns:
        attributes["published_at"] = F.when(published_at.isNull(), text["published_at"])
    rows = source.select(
        text["video_id"].alias("video_id"),
        resolve(F.when(F.trim(text["uri"]) != "", text["uri"])).alias("uri"),
        published_at.alias("published_at"),
        text.get("owner_id", F.lit(None).cast("string")).alias("owner_id"),
        F.lit(run.run_id).alias("run_id"),
        _without_nulls(attributes).alias("attributes"),
    )
    return _one_row_per_video(rows)


def _as_timestamp(source: DataFrame, name: str) -> Column:
    """Read a column as a timestamp, null where it is none."""
    if name not in source.columns:
        return F.lit(None).cast("timestamp")
    return F.try_to_timestamp(F.col(name).cast("string"))


def _as_text(source: DataFrame, name: str) -> Column:
    """Read a column as text; structures as JSON."""
    is_nested = source.schema[name].dataType.typeName() in {"array", "map", "struct"}
    column = F.col(f"`{name}`")
    return F.to_json(column) if is_nested else column.cast("string")


def _without_nulls(attributes: Mapping[str, Column]) -> Column:
    """Make a map of the attributes that have a value, sorted by name."""
    entries = [F.struct(F.lit(name), attributes[name]) for name in sorted(attributes)]
    if not entries:
        return F.map_from_arrays(F.array().cast("array<string>"), F.array().cast("array<string>"))
    return F.map_filter(F.map_from_entries(F.array(*entries)), lambda _, value: value.isNotNull())


def _one_row_per_video(rows: DataFrame) -> DataFrame:
    """Collapse repeated rows of one video, which agree in their uri, to the one that sorts first."""
    first = F.min_by(F.struct("*"), F.struct("published_at", "owner_id", F.to_json("attributes")))
    return rows.groupBy("video_id").agg(first.alias("row")).select("row.*")
