"""Readers of Spark for files outside of the tables, which take every path literally. Runs on the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.lake.location import local_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrameReader, SparkSession

# The local file system of Hadoop looks for a file of checksums first, and fails if the name of the file has a colon.
_WITHOUT_CHECKSUMS = {
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}


def literal_reader(spark: SparkSession) -> DataFrameReader:
    r"""Return a reader that takes every path literally. All reads of files go through it. Runs on: driver.

    A plain `spark.read` takes a path with one of the characters []{}?*\ as a pattern, and reads all files that match.
    """
    # `DataSource.GLOB_PATHS_KEY` of Spark; Spark itself sets it for paths that are not patterns (SPARK-32810).
    return spark.read.option("__globPaths__", "false")


def given_files_reader(spark: SparkSession, uri: str) -> DataFrameReader:
    """Return a `literal_reader` of the files that a person gives under an absolute path or URI. Runs on: driver."""
    return literal_reader(spark).options(**options_of_given_files(uri))


def options_of_given_files(uri: str) -> Mapping[str, str]:
    """Return the options of Hadoop with which given files are read.

    Those of local files must not reach another file system: Hadoop caches it with the options of its first use, and
    S3A cannot write without the usual local file system.
    """
    return {} if local_folder(uri) is None else _WITHOUT_CHECKSUMS
