"""The lake's files through Hadoop's file systems: the only module that uses the JVM's file API. Runs on the driver.

Delta opens the lake through the same classes, with the same connectors and credentials
(docs/decisions/0011-file-systems.md).
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql.types import StructType

from jobs.errors import NdvrError, first_line
from jobs.lake.readers import options_of_given_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import SparkSession
    from pyspark.sql.types import DataType

# Where Hadoop's own values come from; all other sources are of the operator.
_HADOOP_DEFAULTS = {"core-default.xml", "programmatically"}


def find_charset_of_names() -> str:
    """Return the character set in which the JVM of this process reads and writes names of files, by Java's name.

    The JVM must run already. It takes the set from the locale when it starts. Runs on: driver.
    """
    SparkContext._ensure_initialized()  # noqa: SLF001 - connects to the JVM; PySpark has no public API for it
    charset: str = SparkContext._jvm.java.lang.System.getProperty("sun.jnu.encoding")  # type: ignore[union-attr]  # noqa: SLF001
    return charset


def set_hadoop_options(spark: SparkSession, options: Mapping[str, str]) -> None:
    """Set options of Hadoop that the operator has not set, before any file system is opened. Runs on: driver."""
    context: Any = spark.sparkContext
    configuration = context._jsc.hadoopConfiguration()  # noqa: SLF001 - PySpark has no public API for it
    for key, value in options.items():
        if set(configuration.getPropertySources(key) or ()) <= _HADOOP_DEFAULTS:
            configuration.set(key, value)


@dataclass(frozen=True)
class FileEntry:
    """A file or folder.

    Attributes:
        uri: its full URI.
        name: the last component of its path.
        modified_at: UTC; for a folder, the newest time of the folder and everything below it.
        num_files: 1 for a file; for a folder, the number of files below it.
        num_bytes: total size of those files.
    """

    uri: str
    name: str
    modified_at: datetime
    num_files: int
    num_bytes: int


class ListedFile:
    """A file of a folder that was listed.

    Args:
        files: its Hadoop file system.
        status: what the listing says of it. With this, opening it takes no other request than the read.
    """

    def __init__(self, files: Any, status: Any) -> None:  # noqa: ANN401 - Java objects have no Python type
        self.name: str = status.getPath().getName()
        self.modified_seconds: float = status.getModificationTime() / 1000
        self._files, self._status = files, status

    def read_lines(self) -> Iterator[str]:
        """Yield the lines of the file in UTF-8."""
        stream = self._files.openFile(self._status.getPath()).withFileStatus(self._status).build().get()
        with closing(stream):
            java: Any = SparkContext._jvm.java.io  # type: ignore[union-attr] # noqa: SLF001
            reader = java.BufferedReader(java.InputStreamReader(stream, "UTF-8"))
            while (line := reader.readLine()) is not None:
                yield line


class LakeFiles:
    """Lists, measures, writes, replaces and deletes files of any lake that Hadoop can open. Runs on: driver.

    Every method raises `Py4JJavaError` when the store refuses the operation or is unreachable.

    Args:
        spark: session whose Hadoop configuration opens the lake.
    """

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def list_folder(self, uri: str) -> list[FileEntry]:
        """List the entries of a folder, measured, sorted by name; empty if the folder does not exist."""
        return sorted((self._measure(status) for status in self._list_statuses(uri)), key=lambda entry: entry.name)

    def read_times(self, uri: str) -> dict[str, float]:
        """Return the modification time of each entry of a folder, in seconds since 1970, by name.

        Folders are not measured, so this costs one listing. Empty if the folder does not exist.
        """
        return {status.getPath().getName(): status.getModificationTime() / 1000 for status in self._list_statuses(uri)}

    def list_files(self, uri: str, pattern: str) -> list[ListedFile]:
        """List the files of a folder whose names match a pattern of Hadoop, in any order, with one listing.

        Empty if the folder does not exist.
        """
        context: Any = self._spark.sparkContext
        matches = context._jvm.org.apache.hadoop.fs.GlobFilter(pattern)  # noqa: SLF001
        files = self.open(uri)[0]
        return [ListedFile(files, status) for status in self._list_statuses(uri, matches)]

    def measure(self, uri: str) -> FileEntry:
        """Measure an existing file or folder."""
        files, path = self.open(uri)
        return self._measure(files.getFileStatus(path))

    def touch(self, uri: str) -> None:
        """Create or overwrite an empty file, so that its time is the store's current time."""
        files, path = self.open(uri)
        files.create(path, True).close()

    def write_text(self, uri: str, text: str) -> None:
        """Write a file in UTF-8; an existing file is overwritten."""
        files, path = self.open(uri)
        stream = files.create(path, True)
        try:
            stream.write(bytearray(text, "utf-8"))
        finally:
            stream.close()

    def delete(self, uri: str) -> None:
        """Delete a file, or a folder with everything below it; do nothing if it does not exist."""
        files, path = self.open(uri)
        files.delete(path, True)

    def replace_folder(self, staged: str, target: str) -> None:
        """Move the folder `staged` to `target` and delete the folder that `target` named before, if any.

        It takes two renames. Each is atomic on file systems that rename a folder atomically, such as local disks and
        HDFS. If the second rename fails, the first is undone.

        Raises:
            NdvrError: the file system refused to rename a folder.
        """
        previous = f"{staged}.replaced"
        files, path = self.open(target)
        has_previous = bool(files.exists(path))
        if has_previous:
            self._rename(target, previous)
        try:
            self._rename(staged, target)
        except BaseException:
            if has_previous:
                self._rename(previous, target)
            raise
        self.delete(previous)

    def list_visible(self, uri: str) -> list[str]:
        """List the files that Spark reads in a folder given to it, at any depth, or the one file that `uri` names.

        Sorted. Empty if it does not exist, or if Spark ignores all of it because of its name.
        """
        files, path = self.open(uri)
        if not files.exists(path):
            return []
        if files.getFileStatus(path).isFile():
            return [] if _is_ignored(path.getName()) else [uri]
        root, below, found = files.makeQualified(path).toString(), files.listFiles(path, True), []
        while below.hasNext():
            file = below.next().getPath().toString()
            if not any(_is_ignored(part) for part in file.removeprefix(root).split("/")):
                found.append(file)
        return sorted(found)

    def look_once(self, uri: str, options: Mapping[str, str]) -> bool:
        """Return whether there is a file or folder, through a client of its own with other options of Hadoop."""
        context: Any = self._spark.sparkContext
        hadoop = context._jvm.org.apache.hadoop  # noqa: SLF001 - PySpark has no public API for Hadoop's file systems
        configuration = hadoop.conf.Configuration(context._jsc.hadoopConfiguration())  # noqa: SLF001
        for key, value in options.items():
            configuration.set(key, value)
        path = hadoop.fs.Path(uri)
        files = hadoop.fs.FileSystem.newInstance(path.toUri(), configuration)
        try:
            return bool(files.exists(path))
        finally:
            files.close()

    def exists(self, uri: str) -> bool:
        """Return whether there is a file or folder."""
        files, path = self.open(uri)
        return bool(files.exists(path))

    def read_parquet_schema(self, uri: str) -> Any:  # noqa: ANN401 - Java objects have no Python type
        """Read the schema from the footer of a Parquet file, as an `org.apache.parquet.schema.MessageType`."""
        context: Any = self._spark.sparkContext
        jvm = context._jvm  # noqa: SLF001
        configuration = jvm.org.apache.hadoop.conf.Configuration(context._jsc.hadoopConfiguration())  # noqa: SLF001
        for key, value in options_of_given_files(uri).items():
            configuration.set(key, value)
        parquet = jvm.org.apache.parquet.hadoop
        file = parquet.util.HadoopInputFile.fromPath(self.open(uri)[1], configuration)
        reader = parquet.ParquetFileReader.open(file)
        try:
            return reader.getFileMetaData().getSchema()
        finally:
            reader.close()

    def spark_type_of(self, field: Any) -> DataType:  # noqa: ANN401 - Java objects have no Python type
        """Return the type in which Spark reads a field of a Parquet schema.

        Raises:
            ValueError: Spark cannot read it.
        """
        session: Any = self._spark
        jvm = session.sparkContext._jvm  # noqa: SLF001
        settings = session._jsparkSession.sessionState().conf()  # noqa: SLF001
        converter = jvm.org.apache.spark.sql.execution.datasources.parquet.ParquetToSparkSchemaConverter(settings)
        fields = jvm.java.util.ArrayList()
        fields.add(field)
        try:
            schema = converter.convert(jvm.org.apache.parquet.schema.MessageType("field", fields))
        except (PySparkException, Py4JJavaError) as error:
            raise ValueError(first_line(str(error))) from error
        return StructType.fromJson(json.loads(schema.json()))[0].dataType

    def _rename(self, source: str, target: str) -> None:
        files, path = self.open(source)
        if not files.rename(path, self.open(target)[1]):
            raise NdvrError(f"could not rename {source} to {target}: check the write permissions of both folders")

    def open(self, uri: str) -> tuple[Any, Any]:
        """Return the Hadoop file system of a URI, which Hadoop caches, and the URI as a Hadoop path."""
        context: Any = self._spark.sparkContext
        # PySpark has no public API for Hadoop's file systems.
        path = context._jvm.org.apache.hadoop.fs.Path(uri)  # noqa: SLF001
        return path.getFileSystem(context._jsc.hadoopConfiguration()), path  # noqa: SLF001

    def _list_statuses(self, uri: str, *filters: Any) -> Any:  # noqa: ANN401 - Java objects have no Python type
        """Return the status of each entry of a folder that a filter accepts; empty if the folder does not exist."""
        files, path = self.open(uri)
        try:
            return files.listStatus(path, *filters)
        except Py4JJavaError as error:
            if "FileNotFoundException" in str(error.java_exception):
                return ()
            raise

    def _measure(self, status: Any) -> FileEntry:  # noqa: ANN401 - Java objects have no Python type
        """Measure a file, or everything below a folder."""
        path = status.getPath()
        newest, num_files, num_bytes = status.getModificationTime(), 1, status.getLen()
        if status.isDirectory():
            num_files = num_bytes = 0
            below = self.open(path.toString())[0].listFiles(path, True)
            while below.hasNext():
                file = below.next()
                newest = max(newest, file.getModificationTime())
                num_files, num_bytes = num_files + 1, num_bytes + file.getLen()
        modified_at = datetime.fromtimestamp(newest / 1000, UTC)
        return FileEntry(path.toString(), path.getName(), modified_at, num_files, num_bytes)


def _is_ignored(name: str) -> bool:
    """Return whether Spark ignores files of this name. Source: `HadoopFSUtils.shouldFilterOutPathName` of Spark."""
    return (name.startswith("_") and "=" not in name) or name.startswith(".") or name.endswith("._COPYING_")
