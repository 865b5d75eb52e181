"""Opens the file of a manifest's URI if it is within the allowed roots, else raises the fault of the row.

Runs on executors. `roots` defines the syntax of URIs and the roots. Linux only: the opened path is read from /proc.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from udfs.errors import RowError, RowErrorCode
from udfs.opening.filesystems import open_filesystem
from udfs.opening.roots import REMOTE_SCHEMES, RemoteRoot, Roots, decode_percent, is_within, resolve_uri, split_uri

if TYPE_CHECKING:
    from types import TracebackType

    from udfs.opening.filesystems import FilesystemOpener

__all__ = [
    "FileFacts",
    "OpenedVideo",
    "Roots",
    "open_video",
    "read_file_facts",
    "resolve_uri",
]

_BLOCK_BYTES = 1024 * 1024
_MAX_SHOWN_CHARACTERS = 200
_CODE_OF_ERRNO = {
    errno.ENOENT: RowErrorCode.NOT_FOUND,
    errno.ENOTDIR: RowErrorCode.NOT_FOUND,
    errno.ENAMETOOLONG: RowErrorCode.NOT_FOUND,
    errno.ELOOP: RowErrorCode.NOT_FOUND,
    errno.EACCES: RowErrorCode.ACCESS_DENIED,
    errno.EPERM: RowErrorCode.ACCESS_DENIED,
}


@dataclass(frozen=True)
class OpenedVideo:
    """A regular file, open for reading. The `with` statement closes it.

    Attributes:
        fd: its file descriptor, at offset 0. Child processes inherit it only if it is passed explicitly.
        size_bytes: its size when it was opened, at least 1.
    """

    fd: int
    size_bytes: int

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)


def open_video(
    uri: str | None, roots: Roots, max_file_bytes: int, open_remote: FilesystemOpener = open_filesystem
) -> OpenedVideo:
    """Open a video that is within the roots.

    A remote video is first copied into an unlinked temporary file, so that decoders need no network.

    Args:
        uri: as `resolve_uri` returns it.
        roots: the only locations from which videos may be read. Links and `..` that lead out of them are refused.
        max_file_bytes: size of the largest file that is opened or copied.
        open_remote: opens the file system of a remote root; tests pass their own.

    Raises:
        RowError: MISSING_URI, UNSUPPORTED_SCHEME, OUTSIDE_ROOTS, NOT_FOUND, ACCESS_DENIED, NOT_A_FILE,
            READ_FAILED, EMPTY_FILE or TOO_LARGE.
        OSError: a fault of this machine, such as no disk space for the temporary file.
    """
    found = _locate(uri, roots)
    if isinstance(found, str):
        return _open_local(found, roots, max_file_bytes)
    return _fetch(*found, max_file_bytes, open_remote)


@dataclass(frozen=True)
class FileFacts:
    """Facts that a file system reports without reading the file.

    Attributes:
        size_bytes: size of the file, at least 1.
        modified_at: time of the last change, UTC; None if the store does not report it, or in a year beyond 9999.
    """

    size_bytes: int
    modified_at: datetime | None


def read_file_facts(uri: str | None, roots: Roots, open_remote: FilesystemOpener = open_filesystem) -> FileFacts:
    """Return the facts of a video's file without reading it.

    Raises:
        RowError: as `open_video`, except TOO_LARGE.
        OSError: a fault of this machine.
    """
    found = _locate(uri, roots)
    if isinstance(found, str):
        with _open_local(found, roots, sys.maxsize) as opened:
            return FileFacts(opened.size_bytes, _read_time(os.fstat(opened.fd).st_mtime))
    _, _, info = _stat_remote(*found, sys.maxsize, open_remote)
    return FileFacts(info.size, info.mtime)


def _read_time(seconds: float) -> datetime | None:
    """Convert a time of a file system; None if Python has no such date: disks may hold years beyond 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _locate(uri: str | None, roots: Roots) -> str | tuple[RemoteRoot, str]:
    """Return the local path of a URI, or its remote root and the path in it."""
    if not uri:
        raise RowError(RowErrorCode.MISSING_URI, "the manifest has no URI for this video")
    split = split_uri(uri)
    if split is None:
        return uri
    if split.is_local and split.names_this_machine:
        return "/" + decode_percent(split.path)
    if split.scheme not in REMOTE_SCHEMES:
        rule = f"use a path, file:/// or one of {', '.join(sorted(REMOTE_SCHEMES))}"
        raise RowError(RowErrorCode.UNSUPPORTED_SCHEME, f"{_show(uri)} has an unsupported scheme or host: {rule}")
    found = roots.find_remote(split)
    if found is None:
        _refuse_outside(uri)
    return found


def _open_local(path: str, roots: Roots, max_file_bytes: int) -> OpenedVideo:
    folders = tuple(os.path.realpath(folder) for folder in roots.local_folders)
    try:
        if b"\0" in os.fsencode(path):
            raise RowError(RowErrorCode.NOT_FOUND, f"a file name cannot contain a NUL byte: {_show(path)}")
        # Links are resolved here, once. The real path is then opened with O_NOFOLLOW.
        real_path = os.path.realpath(path) if path.startswith("/") else path
        _require_within(real_path, folders, path)
        # O_PATH does not open the content: a pipe does not block, and a device is not activated.
        checked_fd = os.open(real_path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return _open_checked(checked_fd, path, folders, max_file_bytes)
        finally:
            os.close(checked_fd)
    except UnicodeError as error:
        raise RowError(RowErrorCode.NOT_FOUND, f"no file can have this name: {_show(path)}") from error
    except OSError as error:
        raise _make_row_error(error, path) from error


def _open_checked(checked_fd: int, path: str, folders: tuple[str, ...], max_file_bytes: int) -> OpenedVideo:
    # A folder may have been replaced by a link since its real path was resolved. So check the path that was opened.
    opened_path = f"/proc/self/fd/{checked_fd}"
    _require_within(str(Path(opened_path).readlink()), folders, path)
    status = os.fstat(checked_fd)
    if not stat.S_ISREG(status.st_mode):
        kind = stat.filemode(status.st_mode)[0]
        raise RowError(RowErrorCode.NOT_A_FILE, f"not a regular file (`ls -l` type {kind}): {_show(path)}")
    _check_size(status.st_size, max_file_bytes, path)
    # This opens the inode that was checked, even if its name now refers to another file.
    return OpenedVideo(os.open(opened_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), status.st_size)


def _require_within(real_path: str, folders: tuple[str, ...], path: str) -> None:
    if not any(is_within(real_path, folder) for folder in folders):
        _refuse_outside(path)


def _refuse_outside(uri: str) -> NoReturn:
    rule = "after links and `..` are resolved, a video must be in the manifest's folder or in a configured root"
    raise RowError(RowErrorCode.OUTSIDE_ROOTS, f"{_show(uri)} is outside the roots: {rule}")


def _fetch(root: RemoteRoot, path: str, max_file_bytes: int, open_remote: FilesystemOpener) -> OpenedVideo:
    from pyarrow import ArrowException

    filesystem, path, info = _stat_remote(root, path, max_file_bytes, open_remote)
    try:
        stream = filesystem.open_input_stream(path)
    except (OSError, ArrowException) as error:
        raise _make_row_error(error, path) from error
    with stream:
        return _copy_to_temporary(stream, info.size, path)


def _stat_remote(
    root: RemoteRoot, path: str, max_file_bytes: int, open_remote: FilesystemOpener
) -> tuple[Any, str, Any]:
    """Return the file system, the path in it, and the file system's facts of the object."""
    from pyarrow import ArrowException
    from pyarrow.fs import FileType

    filesystem, bucket = open_remote(root.filesystem_uri)
    path = f"{bucket.rstrip('/')}/{path}"
    try:
        info = filesystem.get_file_info(path)
    except UnicodeError as error:
        raise RowError(RowErrorCode.NOT_FOUND, f"no object can have this name: {_show(path)}") from error
    except (OSError, ArrowException) as error:
        raise _make_row_error(error, path) from error
    if info.type == FileType.NotFound:
        raise RowError(RowErrorCode.NOT_FOUND, f"no such object: {_show(path)}")
    if info.type != FileType.File:
        raise RowError(RowErrorCode.NOT_A_FILE, f"this is a folder, not a file: {_show(path)}")
    _check_size(info.size, max_file_bytes, path)
    return filesystem, path, info


def _copy_to_temporary(stream: Any, size_bytes: int, path: str) -> OpenedVideo:  # noqa: ANN401 (untyped library)
    """Copy exactly `size_bytes`. An object that is shorter or longer has changed meanwhile, and is refused."""
    from pyarrow import ArrowException

    with tempfile.TemporaryFile(prefix="ndvr-") as copy:
        allowed = size_bytes + 1  # one byte more than declared is enough to detect a longer object
        while allowed > 0:
            try:
                block = stream.read(min(allowed, _BLOCK_BYTES))
            except (OSError, ArrowException) as error:
                raise _make_row_error(error, path) from error
            if not block:
                break
            copy.write(block)
            allowed -= len(block)
        if allowed != 1:
            detail = f"the store declared {size_bytes} bytes but sent another number: {_show(path)}"
            raise RowError(RowErrorCode.READ_FAILED, detail)
        copy.flush()
        return OpenedVideo(os.open(f"/proc/self/fd/{copy.fileno()}", os.O_RDONLY | os.O_CLOEXEC), size_bytes)


def _check_size(size_bytes: int, max_file_bytes: int, path: str) -> None:
    if size_bytes == 0:
        raise RowError(RowErrorCode.EMPTY_FILE, f"the file is empty: {_show(path)}")
    if size_bytes > max_file_bytes:
        detail = f"{size_bytes} bytes, the limit is {max_file_bytes}: {_show(path)}"
        raise RowError(RowErrorCode.TOO_LARGE, detail)


def _make_row_error(error: Exception, path: str) -> RowError:
    code = _CODE_OF_ERRNO.get(getattr(error, "errno", None) or 0, RowErrorCode.READ_FAILED)
    if "ACCESS_DENIED" in str(error):  # Arrow reports the 403 of S3 with this text and without an errno
        code = RowErrorCode.ACCESS_DENIED
    reason = getattr(error, "strerror", None) or error
    return RowError(code, f"{reason}: {_show(path)}")


def _show(uri: str) -> str:
    shown = repr(uri)
    return shown if len(shown) <= _MAX_SHOWN_CHARACTERS else shown[:_MAX_SHOWN_CHARACTERS] + "..."
