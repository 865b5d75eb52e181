"""Faults that local and remote files share, with the name of the file as messages show it."""

from __future__ import annotations

import errno

from udfs.errors import RowError, RowErrorCode

_CODE_OF_ERRNO = {
    errno.ENOENT: RowErrorCode.NOT_FOUND,
    errno.ENOTDIR: RowErrorCode.NOT_FOUND,
    errno.ENAMETOOLONG: RowErrorCode.NOT_FOUND,
    errno.ELOOP: RowErrorCode.NOT_FOUND,
    errno.EACCES: RowErrorCode.ACCESS_DENIED,
    errno.EPERM: RowErrorCode.ACCESS_DENIED,
}
_MAX_SHOWN_CHARACTERS = 200


def show_name(uri: str) -> str:
    """Return a path or URI for a message: escaped and, if it is long, cut."""
    shown = repr(uri)
    return shown if len(shown) <= _MAX_SHOWN_CHARACTERS else shown[:_MAX_SHOWN_CHARACTERS] + "..."


def code_of(error: Exception) -> RowErrorCode:
    """Return the code of a failed operation on a file."""
    return _CODE_OF_ERRNO.get(getattr(error, "errno", None) or 0, RowErrorCode.READ_FAILED)


def check_size(size_bytes: int, max_file_bytes: int, uri: str) -> None:
    """Refuse an empty file, and one that is too large.

    Raises:
        RowError: EMPTY_FILE or TOO_LARGE.
    """
    if size_bytes == 0:
        raise RowError(RowErrorCode.EMPTY_FILE, f"the file is empty: {show_name(uri)}")
    if size_bytes > max_file_bytes:
        detail = f"{size_bytes} bytes, the limit is {max_file_bytes}: {show_name(uri)}"
        raise RowError(RowErrorCode.TOO_LARGE, detail)
