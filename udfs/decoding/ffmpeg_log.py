"""Reads back what FFmpeg logs to the standard error of this process. Runs in decoder children.

FFmpeg conceals damaged parts of a frame and continues; only its log reports the damage. File descriptor 2 must be a
file that no other process writes to.
"""

from __future__ import annotations

import os

# Limit of the log file (RLIMIT_FSIZE): a file that causes very many log lines must not fill the memory.
MAX_LOG_BYTES = 1024 * 1024
_STDERR = 2


class FfmpegLog:
    """The log of one video. Creating it empties the log file."""

    def __init__(self) -> None:
        os.ftruncate(_STDERR, 0)
        os.lseek(_STDERR, 0, os.SEEK_SET)
        self._checked_up_to = 0

    def has_grown(self) -> bool:
        """Return whether anything was logged since the last call. A full log always counts as grown."""
        position = os.lseek(_STDERR, 0, os.SEEK_CUR)
        has_grown = position > self._checked_up_to or position >= MAX_LOG_BYTES
        self._checked_up_to = position
        return has_grown

    def read(self) -> str:
        """Return the whole log. Bytes that are not UTF-8 are replaced."""
        return os.pread(_STDERR, MAX_LOG_BYTES, 0).decode(errors="replace")

    def first_line(self) -> str:
        """Return the first line of the log, for an error message; empty if nothing was logged."""
        return self.read().partition("\n")[0].strip()
