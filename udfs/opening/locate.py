"""From a manifest's URI to an open file within the allowed roots, or to a row's fault. Runs on executors.

The grammar of URIs and the roots themselves are in `roots`. Linux only: /proc tells what was really opened.
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
    "look_at_video",
    "open_video",
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
    """A regular file, open for reading. Closed on leaving its `with` block.

    Attributes:
        fd: its file descriptor, at offset 0; not inherited by child processes unless passed on.
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
    uri: str | None, roots: Roots, max_file_bytes: int, filesystem_of: FilesystemOpener = open_filesystem
) -> OpenedVideo:
    """Open a video that lies within the roots.

    A remote one is first copied into an unlinked temporary file, so that decoders need no network.

    Args:
        uri: as `resolve_uri` made it.
        roots: the only places that may be read; links and `..` that lead out of them are refused.
        max_file_bytes: the largest file, in bytes, that is opened or copied.
        filesystem_of: opens the filesystem of a remote root; tests pass their own.

    Raises:
        RowError: MISSING_URI, UNSUPPORTED_SCHEME, OUTSIDE_ROOTS, NOT_FOUND, ACCESS_DENIED, NOT_A_FILE,
            READ_FAILED, EMPTY_FILE or TOO_LARGE.
        OSError: the machine's own fault, such as no room for the temporary file.
    """
    found = _locate(uri, roots)
    if isinstance(found, str):
        return _open_local(found, roots, max_file_bytes)
    return _fetch(*found, max_file_bytes, filesystem_of)


@dataclass(frozen=True)
class FileFacts:
    """What a file system tells of a file that nobody has read.

    Attributes:
        size_bytes: at least 1.
        modified_at: UTC; None where the store does not tell.
    """

    size_bytes: int
    modified_at: datetime | None


def look_at_video(uri: str | None, roots: Roots, filesystem_of: FilesystemOpener = open_filesystem) -> FileFacts | None:
    """Look at a video's file without reading it; None where `open_video` would refuse it, and tell why.

    Raises:
        OSError: the machine's own fault.
    """
    try:
        found = _locate(uri, roots)
        if isinstance(found, str):
            with _open_local(found, roots, sys.maxsize) as opened:
                return FileFacts(opened.size_bytes, datetime.fromtimestamp(os.fstat(opened.fd).st_mtime, UTC))
        _, _, info = _look_remote(*found, sys.maxsize, filesystem_of)
    except RowError:
        return None
    return FileFacts(info.size, info.mtime)


def _locate(uri: str | None, roots: Roots) -> str | tuple[RemoteRoot, str]:
    """Tell where a URI leads: a local path, or a remote root and the path in it."""
    if not uri:
        raise RowError(RowErrorCode.MISSING_URI, "the manifest has no URI for this video")
    split = split_uri(uri)
    if split is None:
        return uri
    if split.is_local and split.names_this_machine:
        return "/" + decode_percent(split.path)
    if split.scheme not in REMOTE_SCHEMES:
        rule = f"use a path, file:/// or one of {', '.join(sorted(REMOTE_SCHEMES))}"
        raise RowError(RowErrorCode.UNSUPPORTED_SCHEME, f"{_show(uri)} is not opened: {rule}")
    found = roots.find_remote(split)
    if found is None:
        _refuse_outside(uri)
    return found


def _open_local(path: str, roots: Roots, max_file_bytes: int) -> OpenedVideo:
    folders = tuple(os.path.realpath(folder) for folder in roots.local_folders)
    try:
        if b"\0" in os.fsencode(path):
            raise RowError(RowErrorCode.NOT_FOUND, f"a file name cannot hold a NUL byte: {_show(path)}")
        # Links are followed here, once; the real path is then opened without following any at its end.
        real_path = os.path.realpath(path) if path.startswith("/") else path
        _require_within(real_path, folders, path)
        # O_PATH looks without opening: a pipe does not block, a device is not woken.
        looked_at = os.open(real_path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return _open_looked_at(looked_at, path, folders, max_file_bytes)
        finally:
            os.close(looked_at)
    except UnicodeError as error:
        raise RowError(RowErrorCode.NOT_FOUND, f"no file can have this name: {_show(path)}") from error
    except OSError as error:
        raise _row_error(error, path) from error


def _open_looked_at(looked_at: int, path: str, folders: tuple[str, ...], max_file_bytes: int) -> OpenedVideo:
    # A folder may have been swapped for a link since its real path was checked: ask what was reached.
    reached = f"/proc/self/fd/{looked_at}"
    _require_within(str(Path(reached).readlink()), folders, path)
    status = os.fstat(looked_at)
    if not stat.S_ISREG(status.st_mode):
        kind = stat.filemode(status.st_mode)[0]
        raise RowError(RowErrorCode.NOT_A_FILE, f"not a regular file (`ls -l` type {kind}): {_show(path)}")
    _check_size(status.st_size, max_file_bytes, path)
    # This opens the very inode that was checked, whatever its name leads to by now.
    return OpenedVideo(os.open(reached, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), status.st_size)


def _require_within(real_path: str, folders: tuple[str, ...], path: str) -> None:
    if not any(is_within(real_path, folder) for folder in folders):
        _refuse_outside(path)


def _refuse_outside(uri: str) -> NoReturn:
    rule = "a video must lie within the manifest's folder or a configured root, links and `..` resolved"
    raise RowError(RowErrorCode.OUTSIDE_ROOTS, f"{_show(uri)} is outside the roots: {rule}")


def _fetch(root: RemoteRoot, path: str, max_file_bytes: int, filesystem_of: FilesystemOpener) -> OpenedVideo:
    from pyarrow import ArrowException

    filesystem, path, info = _look_remote(root, path, max_file_bytes, filesystem_of)
    try:
        stream = filesystem.open_input_stream(path)
    except (OSError, ArrowException) as error:
        raise _row_error(error, path) from error
    with stream:
        return _copy_to_temporary(stream, info.size, path)


def _look_remote(
    root: RemoteRoot, path: str, max_file_bytes: int, filesystem_of: FilesystemOpener
) -> tuple[Any, str, Any]:
    """Return the filesystem, the path in it, and what it tells of the object there."""
    from pyarrow import ArrowException
    from pyarrow.fs import FileType

    filesystem, bucket = filesystem_of(root.filesystem_uri)
    path = f"{bucket.rstrip('/')}/{path}"
    try:
        info = filesystem.get_file_info(path)
    except UnicodeError as error:
        raise RowError(RowErrorCode.NOT_FOUND, f"no object can have this name: {_show(path)}") from error
    except (OSError, ArrowException) as error:
        raise _row_error(error, path) from error
    if info.type == FileType.NotFound:
        raise RowError(RowErrorCode.NOT_FOUND, f"no such object: {_show(path)}")
    if info.type != FileType.File:
        raise RowError(RowErrorCode.NOT_A_FILE, f"a folder, not a file: {_show(path)}")
    _check_size(info.size, max_file_bytes, path)
    return filesystem, path, info


def _copy_to_temporary(stream: Any, size_bytes: int, path: str) -> OpenedVideo:  # noqa: ANN401 (untyped library)
    """Copy exactly `size_bytes`: an object that proves shorter or longer has changed meanwhile."""
    from pyarrow import ArrowException

    with tempfile.TemporaryFile(prefix="ndvr-") as copy:
        allowed = size_bytes + 1  # one more byte than announced is enough to know
        while allowed > 0:
            try:
                block = stream.read(min(allowed, _BLOCK_BYTES))
            except (OSError, ArrowException) as error:
                raise _row_error(error, path) from error
            if not block:
                break
            copy.write(block)
            allowed -= len(block)
        if allowed != 1:
            detail = f"the store announced {size_bytes} bytes and sent another number: {_show(path)}"
            raise RowError(RowErrorCode.READ_FAILED, detail)
        copy.flush()
        return OpenedVideo(os.open(f"/proc/self/fd/{copy.fileno()}", os.O_RDONLY | os.O_CLOEXEC), size_bytes)


def _check_size(size_bytes: int, max_file_bytes: int, path: str) -> None:
    if size_bytes == 0:
        raise RowError(RowErrorCode.EMPTY_FILE, f"0 bytes: {_show(path)}")
    if size_bytes > max_file_bytes:
        detail = f"{size_bytes} bytes, the limit is {max_file_bytes}: {_show(path)}"
        raise RowError(RowErrorCode.TOO_LARGE, detail)


def _row_error(error: Exception, path: str) -> RowError:
    code = _CODE_OF_ERRNO.get(getattr(error, "errno", None) or 0, RowErrorCode.READ_FAILED)
    if "ACCESS_DENIED" in str(error):  # how Arrow words S3's 403, without an errno
        code = RowErrorCode.ACCESS_DENIED
    reason = getattr(error, "strerror", None) or error
    return RowError(code, f"{reason}: {_show(path)}")


def _show(uri: str) -> str:
    shown = repr(uri)
    return shown if len(shown) <= _MAX_SHOWN_CHARACTERS else shown[:_MAX_SHOWN_CHARACTERS] + "..."
