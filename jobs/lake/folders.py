"""Folders of the lake that are no tables, through Hadoop's file systems, so that any lake can be tidied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Entry:
    """A file or folder.

    Attributes:
        uri: its place.
        name: its last part.
        modified_at: UTC; of a folder the newest time of itself and all that is below it.
        num_files: 1, or the files below it.
        num_bytes: of all those files.
    """

    uri: str
    name: str
    modified_at: datetime
    num_files: int
    num_bytes: int


class Folders:
    """Lists, touches and deletes. Runs on: driver.

    Args:
        spark: session whose Hadoop settings open the lake.
    """

    def __init__(self, spark: SparkSession) -> None:
        context: Any = spark.sparkContext
        # PySpark has no public door to Hadoop's file systems.
        self._hadoop = context._jvm.org.apache.hadoop.fs  # noqa: SLF001
        self._conf = context._jsc.hadoopConfiguration()  # noqa: SLF001

    def list(self, uri: str) -> list[Entry]:
        """List what lies in a folder, sorted by name; nothing where there is no such folder."""
        path = self._hadoop.Path(uri)
        files = path.getFileSystem(self._conf)
        if not files.exists(path):
            return []
        entries = [self._measure(files, status) for status in files.listStatus(path)]
        return sorted(entries, key=lambda entry: entry.name)

    def measure(self, uri: str) -> Entry:
        """Measure a folder that is there."""
        path = self._hadoop.Path(uri)
        files = path.getFileSystem(self._conf)
        return self._measure(files, files.getFileStatus(path))

    def read_times(self, uri: str) -> dict[str, float]:
        """Return what lies in a folder itself, with its time in seconds since 1970; nothing where it is not there."""
        path = self._hadoop.Path(uri)
        try:
            found = path.getFileSystem(self._conf).listStatus(path)
        except Py4JJavaError as error:
            if "FileNotFoundException" in str(error.java_exception):
                return {}
            raise
        return {status.getPath().getName(): status.getModificationTime() / 1000 for status in found}

    def touch(self, uri: str) -> None:
        """Make an empty file, or make it anew, so that it has the store's time of now."""
        path = self._hadoop.Path(uri)
        path.getFileSystem(self._conf).create(path, True).close()

    def delete(self, uri: str) -> None:
        """Delete a file, or a folder with all below it; nothing where it is not there."""
        path = self._hadoop.Path(uri)
        path.getFileSystem(self._conf).delete(path, True)

    def _measure(self, files: Any, status: Any) -> Entry:  # noqa: ANN401 - Java objects have no Python type
        """Look at a file, or at all below a folder."""
        path = status.getPath()
        newest, num_files, num_bytes = status.getModificationTime(), 1, status.getLen()
        if status.isDirectory():
            num_files = num_bytes = 0
            below = files.listFiles(path, True)
            while below.hasNext():
                file = below.next()
                newest = max(newest, file.getModificationTime())
                num_files, num_bytes = num_files + 1, num_bytes + file.getLen()
        modified_at = datetime.fromtimestamp(newest / 1000, UTC)
        return Entry(path.toString(), path.getName(), modified_at, num_files, num_bytes)
