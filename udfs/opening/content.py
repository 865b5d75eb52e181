"""Reads and hashes an open file. Runs on executors."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from types import TracebackType

_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class OpenedVideo:
    """A regular file, open for reading. The `with` statement closes it.

    Attributes:
        fd: its file descriptor, at offset 0. Child processes inherit it only if it is passed explicitly.
        size_bytes: its size when it was opened, at least 1.
        known_sha256: its SHA-256 if it is known already, because the file was copied from a remote store.
    """

    fd: int
    size_bytes: int
    known_sha256: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. A copy of a remote file is deleted by this."""
        os.close(self.fd)

    def read_sha256(self) -> str:
        """Return the SHA-256 of the content; the file is read if it is not known.

        Raises:
            RowError: READ_FAILED.
        """
        return self.known_sha256 or hash_content(self.fd)


def read_at(fd: int, offset: int, num_bytes: int) -> bytes:
    """Read up to `num_bytes` at `offset`; fewer only at the end of the file. The file position does not change.

    Raises:
        RowError: READ_FAILED, if the disk or the network file system fails.
    """
    parts = []
    try:
        while num_bytes > 0 and (part := os.pread(fd, num_bytes, offset)):
            parts.append(part)
            offset += len(part)
            num_bytes -= len(part)
    except OSError as error:
        raise RowError(RowErrorCode.READ_FAILED, f"reading at byte {offset} failed: {error}") from error
    return b"".join(parts)


def hash_content(fd: int) -> str:
    """Hash a whole file, in blocks of 1 MiB. The file position does not change.

    Returns:
        SHA-256, 64 lower-case hexadecimal digits.

    Raises:
        RowError: READ_FAILED.
    """
    digest = hashlib.sha256()
    offset = 0
    while block := read_at(fd, offset, _BLOCK_BYTES):
        digest.update(block)
        offset += len(block)
    return digest.hexdigest()
