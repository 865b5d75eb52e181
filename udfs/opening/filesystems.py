"""Opens URIs with Arrow's file systems, the same way on executors, on the driver and in a process without a JVM."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from udfs.opening.roots import REMOTE_SCHEMES, decode_percent, split_uri

# Maps a URI to the pyarrow file system that opens it and the path in that file system.
FilesystemOpener = Callable[[str], tuple[Any, str]]

CONNECT_TIMEOUT_SECONDS = 5.0
REQUEST_TIMEOUT_SECONDS = 15.0
"""A request of S3 fails if no byte arrives for this long. The default, 3 s, is too short for a busy store."""
MAX_RETRIES = 9
"""Of one request, after 25 ms, 50 ms, 100 ms and so on: 13 s in total."""
_S3_OPTIONS = frozenset({"region", "scheme", "endpoint_override", "tls_ca_file_path"})


_opening = threading.Lock()


def open_filesystem(uri: str) -> tuple[Any, str]:
    """Open the pyarrow file system of a URI, once per process: S3 needs a request to find a bucket's region.

    Threads that need the same one at once wait for it: Arrow adds a client of S3 only while no request is being
    answered (the mutex of `S3ClientFinalizer` in s3fs.cc), so a second one would wait for the first one's requests.

    Credentials come from the standard chain of each store (environment, files, instance profile), not from Spark.

    Args:
        uri: an absolute path, a `file:` URI, or a URI with one of `REMOTE_SCHEMES`. Spark's names of schemes, such as
            `s3a`, are replaced by Arrow's. Its query (`?region=...`) configures the file system.

    Returns:
        The `pyarrow.fs.FileSystem`, and the path of `uri` in it.

    Raises:
        OSError: the file system cannot be reached or loaded. This is a fault of the machine or the config, not of a
            row.
        ValueError: pyarrow has no file system for the scheme, or the query has an unknown option.
    """
    with _opening:
        return _open_once(uri)


@functools.cache
def _open_once(uri: str) -> tuple[Any, str]:
    from pyarrow.fs import FileSystem, LocalFileSystem

    split = split_uri(uri)
    if split is None:
        return LocalFileSystem(), uri
    scheme = REMOTE_SCHEMES.get(split.scheme, split.scheme)
    if scheme == "s3":
        place, _, query = f"{split.authority}/{split.path}".partition("?")
        return open_s3(split.authority.partition("?")[0], dict(parse_qsl(query))), decode_percent(place).strip("/")
    filesystem, path = FileSystem.from_uri(f"{scheme}://{split.authority}/{split.path}")
    return filesystem, path


def open_s3(bucket: str, options: dict[str, str], max_retries: int = MAX_RETRIES) -> Any:  # noqa: ANN401 (untyped library)
    """Open S3 with the timeouts and retries of this module, which a URI cannot set.

    Arrow's default for URIs tries a request 30 times, every 200 ms. Its standard strategy ends all retries of a
    process after 100, because Arrow does not return what a success restores (`WrappedRetryStrategy` in s3fs.cc).

    Args:
        bucket: its region is looked up if the options name no region and nothing names an endpoint.
        options: of the URI's query: region, scheme, endpoint_override, tls_ca_file_path.
        max_retries: of one request.

    Raises:
        OSError: the region of the bucket cannot be found.
        ValueError: an unknown option.
    """
    from pyarrow.fs import AwsDefaultS3RetryStrategy, S3FileSystem, resolve_s3_region

    if unknown := sorted(set(options) - _S3_OPTIONS):
        raise ValueError(f"unknown options of S3 in a URI: {unknown}; use {sorted(_S3_OPTIONS)}")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    found = ({"endpoint_override": endpoint} if endpoint else {}) | options
    if not found.keys() & {"region", "endpoint_override"}:
        found["region"] = resolve_s3_region(bucket)
    return S3FileSystem(
        **found,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        request_timeout=REQUEST_TIMEOUT_SECONDS,
        retry_strategy=AwsDefaultS3RetryStrategy(max_attempts=max_retries),
    )
