"""manifest: the videos that exist, as last read from the operator's manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from jobs.contracts.manifest_values import read_flag, read_time
from jobs.contracts.table import Table
from jobs.errors import QualityError
from udfs.errors import RowError
from udfs.opening.locate import read_file_facts
from udfs.opening.roots import resolve_uri

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pyspark.sql import Column, DataFrame

    from jobs.config.operation import QualityConfig
    from jobs.contracts.run import Run

    Looked = tuple[int | None, datetime | None, str | None, str | None]

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
        size_bytes BIGINT COMMENT 'size of its file when a run last found it; null if none did',
        modified_at TIMESTAMP COMMENT 'modification time of its file then, UTC; null if the store has none',
        file_error STRING COMMENT 'error_code of its file at the last check; null if it could be opened',
        file_changed_at TIMESTAMP COMMENT 'UTC, start of the run that last found the file lost, back or changed',
        run_id STRING NOT NULL COMMENT 'the run that last changed this row',
        attributes MAP<STRING, STRING> NOT NULL COMMENT 'all other columns of the manifest, as text'
    """,
)
REQUIRED_COLUMNS = ("video_id", "uri")
KNOWN_COLUMNS = (*REQUIRED_COLUMNS, "published_at", "owner_id", "is_removed")
OTHER_COLUMNS = "other_columns"
"""The column of a manifest as read that maps the names of all other columns to their text, without nulls."""
_FILE = ("size_bytes", "modified_at")
_FILE_STATE = (*_FILE, "file_error", "file_changed_at")
_LOOKED_DDL = "size_bytes BIGINT, modified_at TIMESTAMP, error STRING, detail STRING"
_OF_CHECK = ("file_detail", "is_checked")
_MIN_VIDEOS_OF_LOST_STORE = 2


def build(inputs: Mapping[str, DataFrame], run: Run) -> DataFrame:
    """Normalise the manifest's rows and merge them with the stored rows. Grain: one row per video_id.

    Columns other than video_id, uri, published_at, owner_id and is_removed become `attributes`, without nulls. A
    published_at that cannot be read becomes null, and `attributes` keeps its text. A video is removed if
    its row has is_removed, or if `manifest.is_complete` is set and the manifest does not list it. A removed video that
    is listed again is restored.

    Runs on: driver; files are checked on executors.

    Raises:
        QualityError: a complete manifest lists too few of the stored videos, or the files of too many are lost.
    """
    stored = inputs["manifest"]
    named = normalise(inputs["manifest_source"], run)
    merged = run.checkpoint("merged", _merge(named, stored, run))
    check_lost(merged, stored, run.config.quality)
    merged = merged.drop(*_OF_CHECK)
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
    return _merge(named, stored, run).select(*stored.columns)


def _merge(named: DataFrame, stored: DataFrame, run: Run) -> DataFrame:
    """Return the rows of `merge_known`, with `file_detail`, why a file could not be opened, and `is_checked`."""
    columns = ("uri", "removed_at", *_FILE_STATE)
    known = stored.select("video_id", *[F.col(name).alias(f"known_{name}") for name in columns])
    rows = _check_files(named.join(known, "video_id", "left"), run)
    now, is_same = F.lit(run.started_at), F.col("uri").eqNullSafe(F.col("known_uri"))
    facts = {name: F.coalesce(f"file.{name}", F.when(is_same, F.col(f"known_{name}"))) for name in _FILE}
    is_other = [F.coalesce(F.col(f"file.{name}") != F.col(f"known_{name}"), F.lit(False)) for name in _FILE]
    is_changed = is_other[0] | is_other[1] | ~F.col("file.error").eqNullSafe(F.col("known_file_error"))
    changed_at = F.when(is_same, F.when(is_changed, now).otherwise(F.col("known_file_changed_at")))
    state = {
        "removed_at": F.when(F.col("is_removed"), F.coalesce("known_removed_at", now)),
        "file_error": F.col("file.error"),
        "file_changed_at": changed_at,
        "file_detail": F.col("file.detail"),
    }
    return rows.withColumns(state | facts).select(*stored.columns, *_OF_CHECK)


def _convert_columns(source: DataFrame, run: Run) -> DataFrame:
    """Convert the operator's columns to those of the table, and `is_removed`."""
    base = run.manifest_base
    # Without Arrow: a run with nothing new uses it nowhere else, and its classes take two seconds to load.
    resolve = F.udf(lambda uri: None if uri is None else resolve_uri(uri, base), "string", useArrow=False)
    text = {name: F.col(name).cast("string") for name in source.columns if name != OTHER_COLUMNS}
    published_at = read_time(source, "published_at")
    attributes = F.col(OTHER_COLUMNS)
    if "published_at" in text:
        unread = map_without_nulls({"published_at": F.when(published_at.isNull(), text["published_at"])})
        attributes = F.map_concat(attributes, unread)
    return source.select(
        text["video_id"].alias("video_id"),
        resolve(F.when(F.trim(text["uri"]) != "", text["uri"])).alias("uri"),
        published_at.alias("published_at"),
        text.get("owner_id", F.lit(None).cast("string")).alias("owner_id"),
        F.coalesce(read_flag(source, "is_removed"), F.lit(False)).alias("is_removed"),
        F.lit(run.run_id).alias("run_id"),
        attributes.alias("attributes"),
    )


def _check_files(rows: DataFrame, run: Run) -> DataFrame:
    """Add the struct `file`, size and time of each file or its fault, and `is_checked`.

    The struct is null for removed videos, and if files are not checked. That of a file which is not checked today is
    what an earlier run found.
    """
    if not run.config.manifest.look_at_files:
        no_file = F.lit(None).cast(StructType.fromDDL(_LOOKED_DDL))
        return rows.withColumns({"file": no_file, "is_checked": F.lit(False)})
    roots = run.roots

    def look(uri: str | None, is_checked: bool) -> Looked | None:
        if not is_checked:
            return None
        try:
            facts = read_file_facts(uri, roots)
        except RowError as error:
            return None, None, str(error.code), error.detail
        return facts.size_bytes, facts.modified_at, None, None

    # Spark would call a deterministic function once for each field of its struct.
    look_once = F.udf(look, _LOOKED_DDL, useArrow=False).asNondeterministic()
    rows = rows.withColumn("is_checked", ~F.col("is_removed") & _is_due_for_check(run))
    known = F.struct(
        F.col("known_size_bytes").alias("size_bytes"),
        F.col("known_modified_at").alias("modified_at"),
        F.lit(None).cast("string").alias("error"),
        F.lit(None).cast("string").alias("detail"),
    )
    is_known = ~F.col("is_removed") & ~F.col("is_checked")
    looked = rows.withColumn("file", look_once("uri", "is_checked"))
    return looked.withColumn("file", F.when(is_known, known).otherwise(F.col("file")))


def _is_due_for_check(run: Run) -> Column:
    """Return the condition that a file is checked today: on one day of `manifest.check_days`, chosen by its video_id.

    A file that is new, moved, restored or without a known size is checked in every run, and so is one that could not be
    opened at the last check.
    """
    num_days = run.config.manifest.check_days
    is_found = F.col("known_file_error").isNull() & F.col("known_size_bytes").isNotNull()
    is_kept = F.col("uri").eqNullSafe(F.col("known_uri")) & F.col("known_removed_at").isNull() & is_found
    today = run.started_at.date().toordinal() % num_days
    return ~is_kept | (F.pmod(F.xxhash64("video_id"), F.lit(num_days)) == today)


def map_without_nulls(values: Mapping[str, Column]) -> Column:
    """Return a map of the texts that are not null, in the given order. Runs on: driver."""
    entries = [F.struct(F.lit(name), value) for name, value in values.items()]
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


def check_lost(merged: DataFrame, stored: DataFrame, config: QualityConfig) -> None:
    """Check the share of videos whose files were found by an earlier run and cannot be opened now.

    A store that cannot be reached is no deletion, so the run stops before it changes a table. Fewer lost files are
    quarantined one by one. Runs on: driver.

    Args:
        merged: rows of the table after this run's check, with `file_detail` and `is_checked`. Files that were not
            checked do not count.
        stored: rows of the table before it.
        config: the limits.

    Raises:
        QualityError: the share is above `quality.max_lost_fraction`, and at least `quality.min_attempts` files were
            found before; or all files are lost, of two videos or more.
    """
    unreadable = merged.where("removed_at IS NULL AND file_error IS NOT NULL")
    if unreadable.isEmpty():
        return
    found = stored.where("removed_at IS NULL AND file_error IS NULL AND size_bytes IS NOT NULL")
    unchecked = merged.where("NOT is_checked AND removed_at IS NULL")
    found = found.join(unchecked.select("video_id"), "video_id", "left_anti")
    lost = unreadable.join(found.select("video_id", "uri"), ["video_id", "uri"], "left_semi")
    sample = F.min(F.struct("video_id", "file_detail")).alias("first")
    faults = lost.groupBy("file_error").agg(F.count("*").alias("num_videos"), sample).sort("file_error").collect()
    num_lost = sum(fault["num_videos"] for fault in faults)
    if num_lost < _MIN_VIDEOS_OF_LOST_STORE:
        return
    num_found = found.count()
    is_checked = num_found >= config.min_attempts or num_lost == num_found
    if not is_checked or num_lost <= config.max_lost_fraction * num_found:
        return
    kinds = "; ".join(
        f"{fault['file_error']} {fault['num_videos']}, such as {fault['first']['video_id']}: "
        f"{fault['first']['file_detail']}"
        for fault in faults
    )
    raise QualityError(
        f"the files of {num_lost} of {num_found} known videos cannot be opened any more ({kinds}); "
        f"quality.max_lost_fraction is {config.max_lost_fraction}. Nothing was changed. If the store is out of reach, "
        "run again when it is back. If the files were deleted, set is_removed in the manifest, or raise the limit to 1"
    )
