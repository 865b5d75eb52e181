"""Opens URIs with Arrow's file systems, the same way on executors, on the driver and in a process without a JVM."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from udfs.opening.roots import REMOTE_SCHEMES, split_uri

# Maps a URI to the pyarrow file system that opens it and the path in that file system.
FilesystemOpener = Callable[[str], tuple[Any, str]]


@functools.cache
def open_filesystem(uri: str) -> tuple[Any, str]:
    """Open the pyarrow file system of a URI, once per process: S3 needs a request to find a bucket's region.

    Credentials come from the standard chain of each store (environment, files, instance profile), not from Spark.

    Args:
        uri: an absolute path, a `file:` URI, or a URI with one of `REMOTE_SCHEMES`. Spark's names of schemes, such as
            `s3a`, are replaced by Arrow's. Its query (`?region=...`) configures the file system.

    Returns:
        The `pyarrow.fs.FileSystem`, and the path of `uri` in it.

    Raises:
        OSError: the file system cannot be reached or loaded. This is a fault of the machine or the config, not of a
            row.
        ValueError: pyarrow has no file system for the scheme.
    """
    from pyarrow.fs import FileSystem, LocalFileSystem

    split = split_uri(uri)
    if split is None:
        return LocalFileSystem(), uri
    scheme = REMOTE_SCHEMES.get(split.scheme, split.scheme)
    filesystem, path = FileSystem.from_uri(f"{scheme}://{split.authority}/{split.path}")
    return filesystem, path
