"""Reads the operator's manifest (CSV, JSON lines, Parquet or Delta) and checks it before any work starts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from jobs.contracts.run_log import log
from jobs.engine.manifest_text import list_json_faults, load_csv
from jobs.errors import ContractError, UsageError, first_line
from jobs.tables.manifest import REQUIRED_COLUMNS
from udfs.reading.manifest_batches import FAULT as _CORRUPT

if TYPE_CHECKING:
    from collections.abc import Sequence

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
_OPTIONS: dict[str, dict[str, str]] = {
    "json": {"primitivesAsString": "true", "columnNameOfCorruptRecord": _CORRUPT, "lineSep": "\n"},
    "parquet": {},
    "delta": {},
}


def read_manifest(spark: SparkSession, uri: str) -> DataFrame:
    """Read and check the manifest. Its rows and columns are unchanged. Runs on: driver.

    Raises:
        UsageError: it does not exist, or its format is unknown.
        ContractError: it is empty, lacks a column, has a row that cannot be parsed, a row without video_id, or one
            video_id with different URIs. The message names the file, the column and the first such rows.
    """
    file_format = _format_of(spark, uri)
    try:
        rows = _load(spark, uri, file_format)
        _check(rows, uri)
    except AnalysisException as error:
        if error.getCondition() == "PATH_NOT_FOUND":
            raise UsageError(f"manifest {uri!r} does not exist; give --manifest an existing file or table") from error
        cause = first_line(error.getMessage())
        raise ContractError(f"manifest {uri!r} cannot be read as {file_format}: {cause}") from error
    except (PySparkException, Py4JJavaError) as error:
        raise ContractError(f"manifest {uri!r} cannot be read as {file_format}: {_find_cause(error)}") from error
    log.info("manifest checked", format=file_format)
    return rows.drop(_CORRUPT)


def _format_of(spark: SparkSession, uri: str) -> str:
    """Return the format of the manifest, by its Delta log or its name."""
    from delta.tables import DeltaTable

    if DeltaTable.isDeltaTable(spark, uri):
        return "delta"
    name = uri.rstrip("/").lower()
    for suffix, file_format in _FORMATS.items():
        if name.endswith(suffix):
            return file_format
    raise UsageError(
        f"manifest {uri!r} has no known format; give a Delta table or a name that ends in {', '.join(_FORMATS)}"
    )


def _load(spark: SparkSession, uri: str, file_format: str) -> DataFrame:
    """Read all columns; a row of CSV or JSON that cannot be parsed has the reason in `_corrupt_record`."""
    if file_format == "csv":
        names, rows = load_csv(spark, uri)
        return rows.toDF(*_make_unique(names), _CORRUPT)
    if file_format == "json" and (faults := list_json_faults(spark, uri, _NUM_SHOWN)):
        raise ContractError(f"manifest {uri!r}: rows cannot be parsed; the first: {'; '.join(faults)}")
    reader = spark.read.format(file_format).options(**_OPTIONS[file_format])
    rows = reader.load(uri)
    if rows.columns == [_CORRUPT]:  # Spark shows this column only next to others
        schema = StructType([*(StructField(name, StringType()) for name in REQUIRED_COLUMNS), *rows.schema.fields])
        rows = reader.schema(schema).load(uri)
    return rows


def _make_unique(names: Sequence[str]) -> list[str]:
    """Return names as Spark's CSV reader makes them: with their position, if they are equal but for case."""
    count = Counter(name.lower() for name in names)
    return [f"{name}{number}" if count[name.lower()] > 1 else name for number, name in enumerate(names)]


def _check(rows: DataFrame, uri: str) -> None:
    """Raise ContractError for the first rule that the manifest breaks."""
    found = [name for name in rows.columns if name != _CORRUPT]
    missing = [name for name in REQUIRED_COLUMNS if name not in found]
    is_corrupt = F.col(_CORRUPT).isNotNull() if _CORRUPT in rows.columns else F.lit(False)
    if _CORRUPT in rows.columns and not missing:
        _reject_rows(rows, is_corrupt, uri, "cannot be parsed", (_CORRUPT,))
    if missing:
        raise ContractError(
            f"manifest {uri!r} lacks the column(s) {', '.join(missing)}; it has {', '.join(found) or 'none'}"
        )
    has_no_id = F.col("video_id").isNull() | (F.trim(F.col("video_id").cast("string")) == "")
    _reject_rows(rows, has_no_id, uri, "have no video_id", found)
    if rows.isEmpty():
        raise ContractError(f"manifest {uri!r} has no rows; it needs at least one video")
    clashes = (
        rows.select("video_id", F.coalesce(F.col("uri").cast("string"), F.lit("")).alias("uri"))
        .groupBy("video_id")
        .agg(
            F.count_distinct("uri").alias("num_uris"),
            F.min("uri").alias("uri"),
            F.max("uri").alias("other_uri"),
        )
        .where("num_uris > 1")
        .drop("num_uris")
    )
    _reject_rows(
        clashes,
        F.lit(True),
        uri,
        "have the same video_id and different values of uri",
        ("video_id", "uri", "other_uri"),
    )


def _reject_rows(rows: DataFrame, is_bad: Column, uri: str, problem: str, columns: Sequence[str]) -> None:
    """Raise ContractError if any row is bad, with the first of them."""
    shown = [F.col("`" + name.replace("`", "``") + "`").cast("string").alias(name) for name in columns]
    # Read all columns, because CSV and JSON parse a row only as far as a query needs.
    text = F.col(_CORRUPT) if _CORRUPT in columns else F.to_json(F.struct(*shown))
    bad = rows.withColumn("_is_bad", is_bad).where("_is_bad").select(text, "*")
    first = [row[0] for row in bad.take(_NUM_SHOWN)]
    if first:
        raise ContractError(f"manifest {uri!r}: rows {problem}; the first: " + "; ".join(first))


def _find_cause(error: Exception) -> str:
    """Return the line of a Spark error that names its kind, without the Java stack trace."""
    lines = str(error).splitlines()
    return next((line[line.find("[") :] for line in lines if "Exception: [" in line), lines[0])
