"""Reads the operator's manifest (CSV, JSON lines, Parquet or Delta) and checks it before any work starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F

from jobs.contracts.run_log import log
from jobs.engine.manifest_columns import CORRUPT, ColumnError, load_json, pack_columns, show_row
from jobs.engine.manifest_parquet import load_parquet
from jobs.engine.manifest_text import list_json_faults, load_csv
from jobs.errors import ContractError, UsageError, first_line
from jobs.lake.files import LakeFiles
from jobs.lake.session import temporary_conf
from jobs.tables.manifest import KNOWN_COLUMNS, REQUIRED_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import Column, DataFrame, SparkSession

_NUM_SHOWN = 3
_FORMATS = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json.gz": "json",
    ".jsonl.gz": "json",
    ".parquet": "parquet",
}


def read_manifest(spark: SparkSession, uri: str) -> DataFrame:
    """Read and check the manifest. Runs on: driver.

    Returns:
        Its rows: those of `KNOWN_COLUMNS` that it has, unchanged, and `OTHER_COLUMNS`.

    Raises:
        UsageError: it does not exist, its format is unknown, or Spark ignores files of this name.
        ContractError: it is empty, lacks a column, has a column that cannot be read, a row that cannot be parsed, a row
            without video_id, or one video_id with different URIs. The message names the file, the column and the first
            such rows.
    """
    file_format = _format_of(spark, uri)
    try:
        names, rows = _load(spark, uri, file_format)
        _check(rows, names, uri)
    except AnalysisException as error:
        cause = first_line(error.getMessage())
        raise ContractError(f"manifest {uri!r} cannot be read as {file_format}: {cause}") from error
    except (PySparkException, Py4JJavaError) as error:
        raise ContractError(f"manifest {uri!r} cannot be read as {file_format}: {_find_cause(error)}") from error
    except ColumnError as error:
        raise ContractError(f"manifest {uri!r}: {error}") from error
    log.info("manifest checked", format=file_format)
    return rows.drop(CORRUPT)


def _format_of(spark: SparkSession, uri: str) -> str:
    """Return the format of the manifest, by its Delta log or its name."""
    from delta.tables import DeltaTable

    if DeltaTable.isDeltaTable(spark, uri):
        return "delta"
    name = uri.rstrip("/").lower()
    found = next((file_format for suffix, file_format in _FORMATS.items() if name.endswith(suffix)), None)
    if found is None:
        raise UsageError(
            f"manifest {uri!r} has no known format; give a Delta table or a name that ends in {', '.join(_FORMATS)}"
        )
    files = LakeFiles(spark)
    if not files.exists(uri):
        raise UsageError(f"manifest {uri!r} does not exist; give --manifest an existing file or table")
    if not files.list_visible(uri):
        raise UsageError(
            f"manifest {uri!r}: Spark ignores files whose name starts with `_` or `.`, and there is no other; rename it"
        )
    return found


def _load(spark: SparkSession, uri: str, file_format: str) -> tuple[list[str], DataFrame]:
    """Return the names of all columns, and the packed rows. Rows that cannot be parsed have the reason in `CORRUPT`."""
    if file_format == "json":
        if faults := list_json_faults(spark, uri, _NUM_SHOWN):
            raise ContractError(f"manifest {uri!r}: rows cannot be parsed; the first: {'; '.join(faults)}")
        names, rows = load_json(spark, uri)
    elif file_format == "csv":
        names, rows = load_csv(spark, uri)
    else:
        # The name of a folder is text: `owner_id=007` is not the number 7.
        with temporary_conf(spark, {"spark.sql.sources.partitionColumnTypeInference.enabled": "false"}):
            is_delta = file_format == "delta"
            rows = spark.read.format("delta").load(uri) if is_delta else load_parquet(spark, uri, KNOWN_COLUMNS)
        names = rows.columns
    return names, pack_columns(rows, names)


def _check(rows: DataFrame, names: Sequence[str], uri: str) -> None:
    """Raise ContractError for the first rule that the manifest breaks.

    One query counts all faults. The first bad rows are read only if there are any.
    """
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    if missing:
        if CORRUPT in rows.columns and not names:
            _reject_rows(rows, F.col(CORRUPT).isNotNull(), uri, "cannot be parsed", F.col(CORRUPT))
        raise ContractError(
            f"manifest {uri!r} lacks the column(s) {', '.join(missing)}; it has {', '.join(names) or 'none'}"
        )
    video_id, video_uri = (F.col(name).cast("string") for name in REQUIRED_COLUMNS)
    is_text = F.is_valid_utf8(video_id) & F.is_valid_utf8(F.coalesce(video_uri, F.lit("")))
    faults = {
        "cannot be parsed": F.col(CORRUPT).isNotNull() if CORRUPT in rows.columns else F.lit(False),
        "have no video_id": video_id.isNull() | (F.trim(video_id) == ""),
        "have a video_id or uri that is not UTF-8": ~is_text,
    }
    num_rows, num_clashes, num_bad = _count_faults(rows, faults)
    for (problem, is_bad), count in zip(faults.items(), num_bad, strict=True):
        if count:
            is_parsed = problem != "cannot be parsed"
            _reject_rows(rows, is_bad, uri, problem, show_row(rows.drop(CORRUPT)) if is_parsed else F.col(CORRUPT))
    if not num_rows:
        raise ContractError(f"manifest {uri!r} has no rows; it needs at least one video")
    if num_clashes:
        clashes = _by_video(rows).where("uri <> other_uri").select("video_id", "uri", "other_uri")
        problem = "have the same video_id and different values of uri"
        _reject_rows(clashes, F.lit(True), uri, problem, show_row(clashes))


def _count_faults(rows: DataFrame, faults: Mapping[str, Column]) -> tuple[int, int, list[int]]:
    """Count the rows, the video_ids with different values of uri, and the rows with each fault, in one query."""
    # Read all columns, because JSON parses a row only as far as a query needs.
    whole = F.count(F.to_json(F.struct("*"))) if CORRUPT in rows.columns else F.lit(0)
    counts = [F.count("*"), *map(F.count_if, faults.values()), whole]
    names = [f"_count{number}" for number in range(len(counts))]
    counted = _by_video(rows, *[count.alias(name) for count, name in zip(counts, names, strict=True)])
    sums = [F.coalesce(F.sum(name), F.lit(0)) for name in names]
    found = counted.agg(F.count_if(F.col("uri") != F.col("other_uri")), *sums).collect()[0]
    return found[1], found[0], list(found[2:-1])


def _by_video(rows: DataFrame, *counts: Column) -> DataFrame:
    """Return the smallest and the largest uri of each video_id, and other aggregates."""
    video_uri = F.coalesce(F.col("uri").cast("string"), F.lit(""))
    return rows.groupBy("video_id").agg(F.min(video_uri).alias("uri"), F.max(video_uri).alias("other_uri"), *counts)


def _reject_rows(rows: DataFrame, is_bad: Column, uri: str, problem: str, shown: Column) -> None:
    """Raise ContractError if any row is bad, with the first of them."""
    # Read all columns, because CSV and JSON parse a row only as far as a query needs.
    bad = rows.withColumn("_is_bad", is_bad).where("_is_bad").select(shown, "*")
    first = [row[0] for row in bad.take(_NUM_SHOWN)]
    if first:
        raise ContractError(f"manifest {uri!r}: rows {problem}; the first: " + "; ".join(first))


def _find_cause(error: Exception) -> str:
    """Return the line of a Spark error that names its kind, without the Java stack trace."""
    lines = str(error).splitlines()
    return next((line[line.find("[") :] for line in lines if "Exception: [" in line), lines[0])
