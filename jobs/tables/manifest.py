"""manifest: the videos that exist, as last read from the operator's manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from jobs.contracts.manifest_values import read_flag, read_time
from jobs.contracts.table import Table
from jobs.errors import QualityError
from udfs.opening.locate import read_file_facts
from udfs.opening.roots import resolve_uri

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pyspark.sql import Column, DataFrame

    from jobs.config.operation import QualityConfig
    from jobs.contracts.run import Run

TABLE = Table(
    name="manifest",
    grain="A video in the operator's manifest",
    key=("video_id",),
    checks={"video_id_is_not_empty": "length(video_id) > 0"},
    ddl="""
        video_id STRING NOT NULL COMMENT 'id of the video in the lake',
        uri STRING COMMENT 'absolute path or URI; null if the manifest has none',
        published_at TIMESTAMP COMMENT 'UTC; null if unknown',
        owner_id STRING COMMENT 'id of the publisher',
        removed_at TIMESTAMP COMMENT 'UTC, start of the run that found the video removed; null while it exists',
        size_bytes BIGINT COMMENT 'size of its file when a run last checked it',
        modified_at TIMESTAMP COMMENT 'modification time of its file at that check, UTC; null if the store has none',
        run_id STRING NOT NULL COMMENT 'the run that last changed this row',
        attributes MAP<STRING, STRING> NOT NULL COMMENT 'all other columns of the manifest, as text'
    """,
)
REQUIRED_COLUMNS = ("video_id", "uri")
_OPTIONAL_COLUMNS = ("published_at", "owner_id", "is_removed")
_FILE = ("size_bytes", "modified_at")
_FILE_DDL = "size_bytes BIGINT, modified_at TIMESTAMP"


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Normalise the manifest's rows and merge them with the stored rows. Grain: one row per video_id.

    Columns other than video_id, uri, published_at, owner_id and is_removed become `attributes`, without nulls. A
    published_at that cannot be read becomes null, and `attributes` keeps its text. A video is removed if
    its row has is_removed, or if `manifest.is_complete` is set and the manifest does not list it. A removed video that
    is listed again is restored.

    Runs on: driver; files are checked on executors.

    Raises:
        QualityError: a complete manifest lists too few of the stored videos.
    """
    stored = inputs["manifest"]
    named = normalise(inputs["manifest_source"], run)
    merged = merge_known(named, stored, run)
    if not run.config.manifest.is_complete:
        return merged
    gone = stored.join(named.select("video_id"), "video_id", "left_anti")
    check_removed(
        gone.where("removed_at IS NULL").count(), stored.where("removed_at IS NULL").count(), run.config.quality
    )
    return merged.unionByName(
        gone.withColumns({"removed_at": F.coalesce("removed_at", F.lit(run.started_at)), "run_id": F.lit(run.run_id)})
    )


def normalise(source: DataFrame, run: Run) -> DataFrame:
    """Convert the operator's columns to those of the table, and `is_removed`. Grain: one row per video_id.

    Runs on: driver.
    """
    return _one_row_per_video(_convert_columns(source, run))


def merge_known(named: DataFrame, stored: DataFrame, run: Run) -> DataFrame:
    """Check the files of normalised rows, and add the facts that are already stored. Grain: one row per video_id.

    Runs on: driver; files are checked on executors.
    """
    known = stored.select("video_id", *[F.col(name).alias(f"known_{name}") for name in ("uri", "removed_at", *_FILE)])
    rows = named.join(known, "video_id", "left")
    now, is_same = F.lit(run.started_at), F.col("uri").eqNullSafe(F.col("known_uri"))
    removed_at = F.when(F.col("is_removed"), F.coalesce("known_removed_at", now))
    facts = {name: F.coalesce(f"file.{name}", F.when(is_same, F.col(f"known_{name}"))) for name in _FILE}
    return _check_files(rows, run).withColumns({"removed_at": removed_at} | facts).select(*stored.columns)


def _convert_columns(source: DataFrame, run: Run) -> DataFrame:
    """Convert the operator's columns to those of the table, and `is_removed`."""
    base = run.manifest_base
    # Without Arrow: a run with nothing new uses it nowhere else, and its classes take two seconds to load.
    resolve = F.udf(lambda uri: None if uri is None else resolve_uri(uri, base), "string", useArrow=False)
    text = {name: F.col(f"`{name}`").cast("string") for name in source.columns}
    published_at = read_time(source, "published_at")
    extra = [name for name in source.columns if name not in (*REQUIRED_COLUMNS, *_OPTIONAL_COLUMNS)]
    attributes = {name: _as_text(source, name) for name in extra}
    if "published_at" in source.columns:
        attributes["published_at"] = F.when(published_at.isNull(), text["published_at"])
    return source.select(
        text["video_id"].alias("video_id"),
        resolve(F.when(F.trim(text["uri"]) != "", text["uri"])).alias("uri"),
        published_at.alias("published_at"),
        text.get("owner_id", F.lit(None).cast("string")).alias("owner_id"),
        F.coalesce(read_flag(source, "is_removed"), F.lit(False)).alias("is_removed"),
        F.lit(run.run_id).alias("run_id"),
        _without_nulls(attributes).alias("attributes"),
    )


def _check_files(rows: DataFrame, run: Run) -> DataFrame:
    """Add the struct `file`: size and time of each file; null if it does not exist or files are not checked."""
    if not run.config.manifest.look_at_files:
        return rows.withColumn("file", F.lit(None).cast(StructType.fromDDL(_FILE_DDL)))
    roots = run.roots

    def look(uri: str | None) -> tuple[int, datetime | None] | None:
        facts = read_file_facts(uri, roots)
        return None if facts is None else (facts.size_bytes, facts.modified_at)

    # Spark would call a deterministic function once for each field of its struct.
    look_once = F.udf(look, _FILE_DDL, useArrow=False).asNondeterministic()
    return rows.withColumn("file", look_once(F.when(~F.col("is_removed"), F.col("uri"))))


def _as_text(source: DataFrame, name: str) -> Column:
    """Read a column as text; nested values become JSON."""
    is_nested = source.schema[name].dataType.typeName() in {"array", "map", "struct"}
    column = F.col(f"`{name}`")
    return F.to_json(column) if is_nested else column.cast("string")


def _without_nulls(attributes: Mapping[str, Column]) -> Column:
    """Make a map of the attributes that are not null, sorted by name."""
    entries = [F.struct(F.lit(name), attributes[name]) for name in sorted(attributes)]
    if not entries:
        return F.map_from_arrays(F.array().cast("array<string>"), F.array().cast("array<string>"))
    return F.map_filter(F.map_from_entries(F.array(*entries)), lambda _, value: value.isNotNull())


def _one_row_per_video(rows: DataFrame) -> DataFrame:
    """Reduce repeated rows of a video, which have the same uri, to the one that sorts first."""
    first = F.min_by(F.struct("*"), F.struct("published_at", "owner_id", F.to_json("attributes")))
    return rows.groupBy("video_id").agg(first.alias("row")).select("row.*")


def check_removed(num_removed: int, num_known: int, config: QualityConfig) -> None:
    """Check the share of videos that a complete manifest no longer lists. Runs on: driver.

    Raises:
        QualityError: it is above `quality.max_removed_fraction`, and at least `quality.min_attempts` videos are stored.
    """
    if num_known < config.min_attempts or num_removed <= config.max_removed_fraction * num_known:
        return
    raise QualityError(
        f"the manifest does not list {num_removed} of {num_known} known videos, and manifest.is_complete marks them as "
        f"removed; quality.max_removed_fraction is {config.max_removed_fraction}. Nothing was changed. Pass the whole "
        "manifest, raise the limit, or switch off manifest.is_complete"
    )
