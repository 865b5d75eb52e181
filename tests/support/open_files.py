"""Counts the open files of this process."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def count_open_files(folder: Path) -> int:
    """Return how many files of a folder are open in this process, also deleted ones."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # another thread closed it meanwhile
            found += str(link.readlink()).startswith(f"{folder}/")
    return found
