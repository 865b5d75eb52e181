"""Copies objects of remote stores into temporary files, so that decoders need no network. Runs on executors.

An object is read once, in ranges of `BLOCK_BYTES`, and hashed meanwhile. A decoder would read some files twice, such as
an MP4 whose index is at the end.

Arrow does not ask for the same version in each range of an object in S3 (`ObjectInputFile` in
cpp/src/arrow/filesystem/s3fs.cc sends no If-Match; apache/arrow issue 41310). If the object is replaced by a shorter
one, the rest of the last range is undefined. So the version is compared after the last range.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from udfs.errors import RowError, RowErrorCode
from udfs.opening.content import OpenedVideo
from udfs.opening.row_faults import check_size, code_of, show_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from udfs.opening.filesystems import FilesystemOpener
    from udfs.opening.roots import RemoteRoot

BLOCK_BYTES = 16 * 1024 * 1024
"""Of one request. Arrow holds a block in memory. At 100 MB/s and 30 ms latency, waiting is a sixth of the time."""
_FOLDER = re.compile(r"is a directory|Not a regular file")
_BEYOND_END = "HTTP status 416"
_MAX_READS = 2  # of an object that is replaced meanwhile


class _StoreFault(NamedTuple):
    """A fault of a store, as Arrow reports it."""

    pattern: re.Pattern[str]
    code: RowErrorCode
    cause: str
    remedy: str


# S3 answers 400 to an expired token (its list of error codes). Arrow reports the status, but not S3's code.
_STORE_FAULTS = (
    _StoreFault(
        re.compile(r"RESOURCE_NOT_FOUND|NO_SUCH_KEY|NO_SUCH_BUCKET|HTTP status 404"),
        RowErrorCode.NOT_FOUND,
        "no such object",
        "copy it there, or correct the manifest",
    ),
    _StoreFault(
        re.compile(r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE|EXPIRED|TOKEN|HTTP status 40[013]"),
        RowErrorCode.ACCESS_DENIED,
        "the store refuses the credentials of the executors",
        "renew them if they have expired, let them read the object, and check the region",
    ),
    _StoreFault(
        re.compile(r"SLOW_DOWN|THROTTL|SERVICE_UNAVAILABLE|HTTP status (?:503|429)"),
        RowErrorCode.READ_FAILED,
        "the store gets more requests than it allows",
        "run fewer tasks at once, or spread the videos over more prefixes",
    ),
    _StoreFault(
        re.compile(r"NETWORK_CONNECTION|curlCode"),
        RowErrorCode.READ_FAILED,
        "the connection to the store failed, also when it was tried again",
        "check the network between the executors and the store",
    ),
)


@dataclass(frozen=True)
class RemoteFile:
    """An object of a store. It need not exist.

    Attributes:
        uri: for messages.
        filesystem: a `pyarrow.fs.FileSystem`.
        path: path of the object in it.
    """

    uri: str
    filesystem: Any
    path: str

    @classmethod
    def of(cls, uri: str, root: RemoteRoot, path: str, open_remote: FilesystemOpener) -> RemoteFile:
        """Open the file system of an object.

        Args:
            uri: for messages.
            root: the root that contains it.
            path: decoded path below the bucket or host.
            open_remote: opens the file system.

        Raises:
            OSError: the file system cannot be opened.
        """
        filesystem, bucket = open_remote(root.filesystem_uri)
        return cls(uri, filesystem, f"{bucket.rstrip('/')}/{path}")

    def stat(self) -> Any:  # noqa: ANN401 (untyped library)
        """Return the `pyarrow.fs.FileInfo` of the object without reading it.

        Raises:
            RowError: NOT_FOUND, NOT_A_FILE, ACCESS_DENIED, READ_FAILED or EMPTY_FILE.
        """
        from pyarrow.fs import FileType

        info = self._ask(lambda: self.filesystem.get_file_info(self.path))
        if info.type == FileType.NotFound:
            raise RowError(RowErrorCode.NOT_FOUND, f"no such object: {show_name(self.uri)}")
        if info.type != FileType.File:
            raise RowError(RowErrorCode.NOT_A_FILE, f"this is a folder, not a file: {show_name(self.uri)}")
        check_size(info.size, info.size, self.uri)
        return info

    def copy(self, max_file_bytes: int, check_stop: Callable[[], None]) -> OpenedVideo:
        """Copy the object into an unlinked temporary file. It is read again, once, if it is replaced meanwhile.

        Args:
            max_file_bytes: size of the largest object that is copied.
            check_stop: called before each block. An error that it raises ends the copying.

        Raises:
            RowError: NOT_FOUND, NOT_A_FILE, ACCESS_DENIED, READ_FAILED, EMPTY_FILE or TOO_LARGE.
            OSError: no temporary file can be written.
        """
        for _ in range(_MAX_READS):
            with tempfile.TemporaryFile(prefix="ndvr-") as copied:
                with self._open() as source:
                    size_bytes = source.size()
                    check_size(size_bytes, max_file_bytes, self.uri)
                    version = self._read_version(source)
                    sha256 = self._copy_blocks(source, copied, check_stop)
                with self._open() as source:
                    is_same = self._read_version(source) == version
                if is_same and sha256 is not None:
                    fd = os.open(f"/proc/self/fd/{copied.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
                    return OpenedVideo(fd, size_bytes, sha256)
        rule = f"it was replaced during each of {_MAX_READS} reads; wait until its upload ends"
        raise RowError(RowErrorCode.READ_FAILED, f"cannot read {show_name(self.uri)}: {rule}")

    def _open(self) -> Any:  # noqa: ANN401 (untyped library)
        """Open the object. This is one request to S3, which also returns size and version."""
        try:
            return self._ask(lambda: self.filesystem.open_input_file(self.path))
        except RowError as fault:
            if fault.code == RowErrorCode.NOT_FOUND or _FOLDER.search(fault.detail):
                self.stat()  # most stores report a folder as missing
            raise

    def _read_version(self, source: Any) -> tuple[int, object]:  # noqa: ANN401 (untyped library)
        """Return the size and the ETag of an open object; the time of its last change in stores without ETags."""
        facts = {key.lower(): value for key, value in source.metadata().items()}
        etag = facts.get("etag")
        return source.size(), self.stat().mtime_ns if etag is None else etag

    def _copy_blocks(self, source: Any, copied: IO[bytes], check_stop: Callable[[], None]) -> str | None:  # noqa: ANN401 (untyped library)
        """Copy an open object; return its SHA-256, or None if it is shorter than it was."""
        digest = hashlib.sha256()
        remaining_bytes = source.size()
        while remaining_bytes:
            check_stop()
            block = self._ask(lambda: source.read_buffer(min(BLOCK_BYTES, remaining_bytes)))  # noqa: B023 - called at once
            if not block:
                return None
            copied.write(block)
            digest.update(block)
            remaining_bytes -= len(block)
        copied.flush()
        return digest.hexdigest()

    def _ask(self, request: Callable[[], Any]) -> Any:  # noqa: ANN401 (untyped library)
        """Send a request, and report its faults as faults of the row. None if it reads beyond the end of the object."""
        from pyarrow import ArrowException

        try:
            return request()
        except UnicodeError as error:
            detail = f"no object can have this name: {show_name(self.uri)}"
            raise RowError(RowErrorCode.NOT_FOUND, detail) from error
        except (OSError, ArrowException) as error:
            if _BEYOND_END in str(error):
                return None
            raise _explain(error, self.uri) from error


def _explain(error: Exception, uri: str) -> RowError:
    """Return the fault of a row: what failed, the URI, what to do, and what the store says."""
    reason = getattr(error, "strerror", None) or str(error)
    fault = next((fault for fault in _STORE_FAULTS if fault.pattern.search(reason)), None)
    if fault is None:
        return RowError(code_of(error), f"cannot read {show_name(uri)}: {reason}")
    return RowError(fault.code, f"cannot read {show_name(uri)}: {fault.cause}; {fault.remedy} ({reason})")
