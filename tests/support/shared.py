"""Folders that are built once in a test run and shared by its processes: videos, lakes, the wheel."""

from __future__ import annotations

import fcntl
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def build_once(folder: Path, build: Callable[[Path], object]) -> Path:
    """Build a folder unless another process has built it, and return it.

    A process that asks for a folder while another process builds it waits. A build that fails is tried again by the
    next process that asks.

    Args:
        folder: of an existing parent; tests must not change what it contains.
        build: makes the folder and fills it.
    """
    done = folder.with_name(f"{folder.name}.done")
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            build(folder)
            done.touch()
    return folder
