"""Opens the file of a manifest's URI if it is within the allowed roots, else raises the fault of the row.

Runs on executors. `roots` defines the syntax of URIs and the roots. Linux only: the opened path is read from /proc.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from udfs.errors import RowError, RowErrorCode
from udfs.opening.content import OpenedVideo
from udfs.opening.filesystems import open_filesystem
from udfs.opening.remote import RemoteFile
from udfs.opening.roots import REMOTE_SCHEMES, RemoteRoot, Roots, decode_percent, is_within, resolve_uri, split_uri
from udfs.opening.row_faults import check_size, code_of, show_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from udfs.opening.filesystems import FilesystemOpener

__all__ = [
    "FileFacts",
    "Roots",
    "is_remote",
    "open_video",
    "read_file_facts",
    "resolve_uri",
]


def is_remote(uri: str | None) -> bool:
    """Return whether a video is opened by copying it from a store."""
    split = split_uri(uri) if uri else None
    return split is not None and not split.is_local


def open_video(
    uri: str | None,
    roots: Roots,
    max_file_bytes: int,
    open_remote: FilesystemOpener = open_filesystem,
    check_stop: Callable[[], None] = lambda: None,
) -> OpenedVideo:
    """Open a video that is within the roots.

    A remote video is first copied into an unlinked temporary file (`remote.RemoteFile.copy`).

    Args:
        uri: as `resolve_uri` returns it.
        roots: the only locations from which videos may be read. Links and `..` that lead out of them are refused.
        max_file_bytes: size of the largest file that is opened or copied.
        open_remote: opens the file system of a remote root; tests pass their own.
        check_stop: called before each block of a remote video is read. An error that it raises ends the copying.

    Raises:
        RowError: MISSING_URI, UNSUPPORTED_SCHEME, OUTSIDE_ROOTS, NOT_FOUND, ACCESS_DENIED, NOT_A_FILE,
            READ_FAILED, EMPTY_FILE or TOO_LARGE.
        OSError: a fault of this machine, such as no disk space for the temporary file.
    """
    found = _locate(uri, roots)
    if isinstance(found, str):
        return _open_local(found, roots, max_file_bytes)
    remote = RemoteFile.of(uri or "", *found, open_remote)
    return remote.copy(max_file_bytes, check_stop)


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
    info = RemoteFile.of(uri or "", *found, open_remote).stat()
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
        raise RowError(RowErrorCode.UNSUPPORTED_SCHEME, f"{show_name(uri)} has an unsupported scheme or host: {rule}")
    found = roots.find_remote(split)
    if found is None:
        _refuse_outside(uri)
    return found


def _open_local(path: str, roots: Roots, max_file_bytes: int) -> OpenedVideo:
    folders = tuple(os.path.realpath(folder) for folder in roots.local_folders)
    try:
        if b"\0" in os.fsencode(path):
            raise RowError(RowErrorCode.NOT_FOUND, f"a file name cannot contain a NUL byte: {show_name(path)}")
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
        raise RowError(RowErrorCode.NOT_FOUND, f"no file can have this name: {show_name(path)}") from error
    except OSError as error:
        raise _make_row_error(error, path) from error


def _open_checked(checked_fd: int, path: str, folders: tuple[str, ...], max_file_bytes: int) -> OpenedVideo:
    # A folder may have been replaced by a link since its real path was resolved. So check the path that was opened.
    opened_path = f"/proc/self/fd/{checked_fd}"
    _require_within(str(Path(opened_path).readlink()), folders, path)
    status = os.fstat(checked_fd)
    if not stat.S_ISREG(status.st_mode):
        kind = stat.filemode(status.st_mode)[0]
        raise RowError(RowErrorCode.NOT_A_FILE, f"not a regular file (`ls -l` type {kind}): {show_name(path)}")
    check_size(status.st_size, max_file_bytes, path)
    # This opens the inode that was checked, even if its name now refers to another file.
    return OpenedVideo(os.open(opened_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), status.st_size)


def _require_within(real_path: str, folders: tuple[str, ...], path: str) -> None:
    if not any(is_within(real_path, folder) for folder in folders):
        _refuse_outside(path)


def _refuse_outside(uri: str) -> NoReturn:
    rule = "after links and `..` are resolved, a video must be in the manifest's folder or in a configured root"
    raise RowError(RowErrorCode.OUTSIDE_ROOTS, f"{show_name(uri)} is outside the roots: {rule}")


def _make_row_error(error: OSError, path: str) -> RowError:
    return RowError(code_of(error), f"{error.strerror or error}: {show_name(path)}")
