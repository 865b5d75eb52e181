"""Reads and hashes an open file, given its file descriptor. Runs on executors."""

from __future__ import annotations

import hashlib
import os

from udfs.errors import RowError, RowErrorCode

_BLOCK_BYTES = 1024 * 1024


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
