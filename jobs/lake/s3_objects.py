"""Objects of S3 that are written only if nobody else has written them meanwhile. Runs on the driver.

Source: "S3A: conditional writes" of Hadoop 3.5.0, and "Conditional requests" of Amazon S3's user guide.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError

if TYPE_CHECKING:
    from jobs.lake.files import LakeFiles

# What the connector raises if the condition of a request does not hold: status 412, 409 of two writes at once, 404 of a
# deleted object.
_CHANGED = (
    "RemoteFileChangedException",
    "ConditionalRequestConflict",
    "FileNotFoundException",
    "NoSuchKeyException",
    "Status Code: 404",
    "Status Code: 412",
)


class S3Objects:
    """Small texts in S3.

    Every method raises `Py4JJavaError` when the store refuses the operation or is unreachable.

    Args:
        files: of a lake in S3.
    """

    def __init__(self, files: LakeFiles) -> None:
        self._files = files

    def read(self, uri: str) -> str | None:
        """Read a small object in UTF-8; None if it does not exist, or changes meanwhile."""
        files, path = self._files.open(uri)
        try:
            stream = files.open(path)
            try:
                return bytes(stream.readAllBytes()).decode("utf-8")
            finally:
                stream.close()
        except Py4JJavaError as error:
            if any(sign in str(error) for sign in _CHANGED):
                return None
            raise

    def create_new(self, uri: str, text: str) -> str | None:
        """Create an object of S3 by a conditional PUT; return its ETag, or None if it exists.

        A store without conditional writes replaces an existing object.
        """
        return self._put(uri, text, "fs.option.create.conditional.overwrite", True)

    def replace(self, uri: str, text: str, etag: str) -> str | None:
        """Replace the object of S3 that has this ETag; return its new ETag, or None if it has changed or is gone."""
        return self._put(uri, text, "fs.option.create.conditional.overwrite.etag", etag)

    def find_etag(self, uri: str) -> str | None:
        """Return the ETag of an object of S3; None if it does not exist."""
        files, path = self._files.open(uri)
        try:
            etag: str = files.getFileStatus(path).getEtag()
        except Py4JJavaError as error:
            if "FileNotFoundException" in str(error.java_exception):
                return None
            raise
        return etag

    def _put(self, uri: str, text: str, condition: str, value: str | bool) -> str | None:
        """Write an object if a condition of S3A holds; return its ETag, or None if the condition does not hold."""
        files, path = self._files.open(uri)
        builder = files.createFile(path).overwrite(isinstance(value, str))
        stream = builder.must(condition, value).build()
        try:
            stream.write(bytearray(text, "utf-8"))
            stream.close()
        except Py4JJavaError as error:
            if any(sign in str(error) for sign in _CHANGED):
                return None
            raise
        return self.find_etag(uri)

    def delete(self, uri: str) -> None:
        """Delete an object with one request; do nothing if it does not exist.

        `FileSystem.delete` also looks what it is, lists the folder, and marks a folder that is empty now.
        """
        files, path = self._files.open(uri)
        with closing(files.createBulkDelete(path.getParent())) as deletion:
            deletion.bulkDelete([path])
