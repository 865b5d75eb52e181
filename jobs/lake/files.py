"""The lake's files through Hadoop's file systems: the only module that uses the JVM's file API. Runs on the driver.

Delta opens the lake through the same classes, with the same connectors and credentials
(docs/decisions/0011-file-systems.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError

from jobs.errors import NdvrError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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

    def measure(self, uri: str) -> FileEntry:
        """Measure an existing file or folder."""
        files, path = self._open(uri)
        return self._measure(files.getFileStatus(path))

    def touch(self, uri: str) -> None:
        """Create or overwrite an empty file, so that its time is the store's current time."""
        files, path = self._open(uri)
        files.create(path, True).close()

    def write_text(self, uri: str, text: str) -> None:
        """Write a file in UTF-8; an existing file is overwritten."""
        files, path = self._open(uri)
        stream = files.create(path, True)
        try:
            stream.write(bytearray(text, "utf-8"))
        finally:
            stream.close()

    def delete(self, uri: str) -> None:
        """Delete a file, or a folder with everything below it; do nothing if it does not exist."""
        files, path = self._open(uri)
        files.delete(path, True)

    def replace_folder(self, staged: str, target: str) -> None:
        """Move the folder `staged` to `target` and delete the folder that `target` named before, if any.

        It takes two renames. Each is atomic on file systems that rename a folder atomically, such as local disks and
        HDFS. If the second rename fails, the first is undone.

        Raises:
            NdvrError: the file system refused to rename a folder.
        """
        previous = f"{staged}.replaced"
        files, path = self._open(target)
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

    def _rename(self, source: str, target: str) -> None:
        files, path = self._open(source)
        if not files.rename(path, self._open(target)[1]):
            raise NdvrError(f"could not rename {source} to {target}: check the write permissions of both folders")

    def _open(self, uri: str) -> tuple[Any, Any]:
        """Return the Hadoop file system of a URI, which Hadoop caches, and the URI as a Hadoop path."""
        context: Any = self._spark.sparkContext
        # PySpark has no public API for Hadoop's file systems.
        path = context._jvm.org.apache.hadoop.fs.Path(uri)  # noqa: SLF001
        return path.getFileSystem(context._jsc.hadoopConfiguration()), path  # noqa: SLF001

    def _list_statuses(self, uri: str) -> Any:  # noqa: ANN401 - a Java array has no Python type
        """Return the status of each entry of a folder; empty if the folder does not exist."""
        files, path = self._open(uri)
        try:
            return files.listStatus(path)
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
            below = self._open(path.toString())[0].listFiles(path, True)
            while below.hasNext():
                file = below.next()
                newest = max(newest, file.getModificationTime())
                num_files, num_bytes = num_files + 1, num_bytes + file.getLen()
        modified_at = datetime.fromtimestamp(newest / 1000, UTC)
        return FileEntry(path.toString(), path.getName(), modified_at, num_files, num_bytes)
