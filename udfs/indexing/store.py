"""A folder of files on this machine or in an object store, through Arrow's file systems."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from udfs.opening.filesystems import open_filesystem
from udfs.opening.roots import split_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE_VARIABLE = "NDVR_CACHE"


@dataclass(frozen=True)
class Store:
    """A folder. Runs on: driver, executors, and whoever asks about one video.

    Attributes:
        filesystem: a `pyarrow.fs.FileSystem`.
        path: of the folder in it.
        is_local: whether `path` is one of this machine, so that its files can be mapped where they lie.
    """

    filesystem: Any
    path: str
    is_local: bool

    @classmethod
    def of(cls, uri: str) -> Store:
        """Open the folder that an absolute path or URI names, be it there or not.

        Raises:
            OSError: its file system cannot be reached.
        """
        filesystem, path = open_filesystem(uri.rstrip("/"))
        return cls(filesystem, path, is_local=split_uri(uri) is None)

    def at(self, name: str) -> Store:
        """Return a folder below this one."""
        return Store(self.filesystem, f"{self.path}/{name}", self.is_local)

    def read(self, name: str) -> bytes | None:
        """Read a small file; None where it is not there."""
        try:
            with self.filesystem.open_input_file(f"{self.path}/{name}") as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def replace(self, name: str, content: bytes) -> None:
        """Write a small file so that whoever reads it meanwhile has all of the old one or all of the new."""
        self.filesystem.create_dir(self.path, recursive=True)
        beside = f"{self.path}/.{name}.new"
        with self.filesystem.open_output_stream(beside) as file:
            file.write(content)
        self.filesystem.move(beside, f"{self.path}/{name}")

    def list_folders(self) -> list[str]:
        """List the names of the folders here, sorted."""
        from pyarrow import fs

        entries = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(entry.base_name for entry in entries if entry.type == fs.FileType.Directory)

    def remove(self, name: str) -> None:
        """Remove a folder with all that is in it."""
        self.filesystem.delete_dir(f"{self.path}/{name}")

    @contextmanager
    def write_folder(self, name: str) -> Iterator[Path]:
        """Give an empty folder of this machine whose files lie in the folder `name` here afterwards."""
        if self.is_local:
            folder = Path(self.path) / name
            folder.mkdir(parents=True)
            yield folder
            return
        with tempfile.TemporaryDirectory(prefix="ndvr-index-") as scratch:
            yield Path(scratch)
            self._copy(scratch, f"{self.path}/{name}", is_upload=True)

    def fetch(self, name: str, cache: Path | None = None) -> Path:
        """Return the folder `name`, whose files never change, as one of this machine.

        What is remote is copied once, below `cache`; None takes `default_cache`.

        Raises:
            FileNotFoundError: it is not there.
        """
        if self.is_local:
            return Path(self.path) / name
        folder = self._cached(cache) / name
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            beside = tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)
            try:
                self._copy(f"{self.path}/{name}", beside, is_upload=False)
                Path(beside).rename(folder)
            except OSError:
                shutil.rmtree(beside, ignore_errors=True)
                if not folder.is_dir():  # else another process was faster
                    raise
        return folder

    def keep_only(self, names: set[str], cache: Path | None = None) -> None:
        """Remove the copies of all other folders from the cache."""
        if self.is_local:
            return
        folder = self._cached(cache)
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry.name not in names:
                shutil.rmtree(entry, ignore_errors=True)

    def _cached(self, cache: Path | None) -> Path:
        """Return where copies of this folder lie."""
        place = hashlib.sha256(f"{self.filesystem.type_name} {self.path}".encode()).hexdigest()[:16]
        return (cache or default_cache()) / place

    def _copy(self, source: str, target: str, *, is_upload: bool) -> None:
        """Copy the files of a folder."""
        from pyarrow import fs

        local = fs.LocalFileSystem()
        pair = (local, self.filesystem) if is_upload else (self.filesystem, local)
        pair[1].create_dir(target, recursive=True)
        fs.copy_files(source, target, source_filesystem=pair[0], destination_filesystem=pair[1])


def default_cache() -> Path:
    """Return where copies of remote indexes lie: `NDVR_CACHE`, else `ndvr` in the user's cache."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ndvr"
