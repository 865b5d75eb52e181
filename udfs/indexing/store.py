"""A folder of files on this machine or in an object store, accessed through Arrow file systems."""

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
    """A folder. Runs on: driver, executors, and the machine that checks one video.

    Attributes:
        filesystem: a `pyarrow.fs.FileSystem`.
        path: path of the folder in the file system.
        is_local: whether `path` is on this machine, so that its files can be memory-mapped without a copy.
    """

    filesystem: Any
    path: str
    is_local: bool

    @classmethod
    def of(cls, uri: str) -> Store:
        """Open the folder at an absolute path or URI. It need not exist.

        Raises:
            OSError: its file system cannot be reached.
        """
        filesystem, path = open_filesystem(uri.rstrip("/"))
        return cls(filesystem, path, is_local=split_uri(uri) is None)

    def at(self, name: str) -> Store:
        """Return a folder below this one."""
        return Store(self.filesystem, f"{self.path}/{name}", self.is_local)

    def read(self, name: str) -> bytes | None:
        """Read a small file; None if it does not exist."""
        try:
            with self.filesystem.open_input_file(f"{self.path}/{name}") as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def replace(self, name: str, content: bytes) -> None:
        """Replace a small file atomically: a concurrent reader sees either the old or the new content."""
        self.filesystem.create_dir(self.path, recursive=True)
        temporary = f"{self.path}/.{name}.new"
        with self.filesystem.open_output_stream(temporary) as file:
            file.write(content)
        self.filesystem.move(temporary, f"{self.path}/{name}")

    def list_folders(self) -> list[str]:
        """List the names of the subfolders, sorted."""
        from pyarrow import fs

        entries = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(entry.base_name for entry in entries if entry.type == fs.FileType.Directory)

    def remove(self, name: str) -> None:
        """Remove a subfolder with its content."""
        self.filesystem.delete_dir(f"{self.path}/{name}")

    @contextmanager
    def write_folder(self, name: str) -> Iterator[Path]:
        """Yield an empty local folder. On exit its files are in the subfolder `name`."""
        if self.is_local:
            folder = Path(self.path) / name
            folder.mkdir(parents=True)
            yield folder
            return
        with tempfile.TemporaryDirectory(prefix="ndvr-index-") as scratch:
            yield Path(scratch)
            self._copy(scratch, f"{self.path}/{name}", is_upload=True)

    def fetch(self, name: str, cache: Path | None = None) -> Path:
        """Return the subfolder `name` as a local folder. Its files must never change.

        A remote folder is copied once into `cache`; None means `default_cache`.

        Raises:
            FileNotFoundError: the folder does not exist.
        """
        if self.is_local:
            return Path(self.path) / name
        folder = self._cache_folder(cache) / name
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)
            try:
                self._copy(f"{self.path}/{name}", temporary, is_upload=False)
                Path(temporary).rename(folder)
            except OSError:
                shutil.rmtree(temporary, ignore_errors=True)
                if not folder.is_dir():  # otherwise another process copied it first
                    raise
        return folder

    def keep_only(self, names: set[str], cache: Path | None = None) -> None:
        """Remove the copies of all other subfolders from the cache."""
        if self.is_local:
            return
        folder = self._cache_folder(cache)
        for entry in folder.iterdir() if folder.is_dir() else ():
            if entry.name not in names:
                shutil.rmtree(entry, ignore_errors=True)

    def _cache_folder(self, cache: Path | None) -> Path:
        """Return the cache folder of this store."""
        digest = hashlib.sha256(f"{self.filesystem.type_name} {self.path}".encode()).hexdigest()[:16]
        return (cache or default_cache()) / digest

    def _copy(self, source: str, target: str, *, is_upload: bool) -> None:
        """Copy the files of a folder."""
        from pyarrow import fs

        local = fs.LocalFileSystem()
        pair = (local, self.filesystem) if is_upload else (self.filesystem, local)
        pair[1].create_dir(target, recursive=True)
        fs.copy_files(source, target, source_filesystem=pair[0], destination_filesystem=pair[1])


def default_cache() -> Path:
    """Return the folder for copies of remote indexes: `NDVR_CACHE`, else `ndvr` in the user's cache folder."""
    configured = os.environ.get(CACHE_VARIABLE)
    return Path(configured) if configured else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ndvr"
