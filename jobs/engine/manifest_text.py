"""Reads manifests that are text on executors: CSV, and the lines of JSON lines that cannot be used."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pyspark import StorageLevel
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from jobs.errors import ContractError
from jobs.lake.readers import given_files_reader
from udfs.reading.manifest_batches import (
    FAULT,
    FAULTS_DDL,
    HEADER_DDL,
    find_json_faults,
    read_csv_batches,
    read_headers,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def load_csv(spark: SparkSession, uri: str) -> tuple[list[str], DataFrame]:
    """Read a CSV file, or a folder of CSV files with one header. Runs on: driver; executors read, one task per file.

    Spark's own reader is not used, because it takes an unclosed quote for a value up to the end of the file, and bytes
    that are not UTF-8 for other characters.

    Returns:
        The names in the header, `_c1` for an empty one; and a row for each record: a column of text for each name,
        `c0`, `c1` and so on, null where a value is empty, then `_corrupt_record`, which has the line and the fault of a
        record that cannot be used. An empty file has no names.

    Raises:
        ContractError: the header cannot be used.
    """
    lines = _read_lines(spark, uri)
    first = lines.where("start = 0").select("file", "value").mapInArrow(read_headers, HEADER_DDL).take(1)
    if first and first[0][FAULT]:
        raise ContractError(f"manifest {uri!r}: the header cannot be used: {first[0][FAULT]}")
    header: list[str] = first[0]["names"] if first else []
    names = [name or f"_c{number}" for number, name in enumerate(header)]
    fields = [StructField(name, StringType()) for name in (*(f"c{number}" for number in range(len(names))), FAULT)]
    rows = _sort_lines(lines).mapInArrow(partial(read_csv_batches, names=header), StructType(fields))
    return names, _keep(rows)


def list_json_faults(spark: SparkSession, uri: str, limit: int) -> list[str]:
    """Return the first faults of JSON lines, each with its line. Runs on: driver; executors read, one task per file.

    Spark's own reader silently drops what follows the first value of a line, and replaces characters that it cannot
    store.
    """
    faults = _sort_lines(_read_lines(spark, uri)).mapInArrow(find_json_faults, FAULTS_DDL)
    return [row[FAULT] for row in faults.take(limit)]


def _keep(rows: DataFrame) -> DataFrame:
    """Keep rows on the disks of executors, because the checks and the run read them several times."""
    rows.unpersist()  # an earlier run in this session may have kept those of a file that has changed
    return rows.persist(StorageLevel.DISK_ONLY)


def _read_lines(spark: SparkSession, uri: str) -> DataFrame:
    """Read the lines of each file with their place: `start` of the split in bytes, and `number` in the split."""
    return (
        given_files_reader(spark, uri)
        .option("lineSep", "\n")  # otherwise a CR ends a line, also inside quotes
        .text(uri)
        .select(
            F.col("_metadata.file_path").alias("file"),
            F.col("_metadata.file_block_start").alias("start"),
            F.monotonically_increasing_id().alias("number"),
            F.col("value").cast("binary").alias("value"),
        )
    )


def _sort_lines(lines: DataFrame) -> DataFrame:
    """Put the lines of each file into one partition, in order: the lines before decide whether a quote is open."""
    sorted_lines = lines.repartition("file").sortWithinPartitions("file", "start", "number")
    return sorted_lines.select("file", "value")
