"""What the decoding libraries complain of, read back from this process' own stderr. Runs in decoder children.

FFmpeg conceals damage and goes on; its log is the only witness. Descriptor 2 must be a file of this process alone.
"""

from __future__ import annotations

import os

# The child may not write larger files (RLIMIT_FSIZE): a file that makes a library chatter must not fill memory.
MAX_LOG_BYTES = 1024 * 1024
_STDERR = 2


class Complaints:
    """The log so far of one video."""

    def __init__(self) -> None:
        os.ftruncate(_STDERR, 0)
        os.lseek(_STDERR, 0, os.SEEK_SET)
        self._heard_up_to = 0

    def heard_more(self) -> bool:
        """Whether anything was logged since this was last asked. A full log counts as more."""
        position = os.lseek(_STDERR, 0, os.SEEK_CUR)
        more = position > self._heard_up_to or position >= MAX_LOG_BYTES
        self._heard_up_to = position
        return more

    def read(self) -> str:
        """Give all that was logged, unprintable bytes replaced."""
        return os.pread(_STDERR, MAX_LOG_BYTES, 0).decode(errors="replace")

    def first_line(self) -> str:
        """Give the first line logged, to quote it in an error; empty if there is none."""
        return self.read().partition("\n")[0].strip()
