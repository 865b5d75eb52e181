"""Paths and URIs from the command line."""

from __future__ import annotations

from pathlib import Path

from jobs.errors import UsageError
from udfs.opening.roots import decode_percent, split_uri

_HADOOP_SCHEMES = {"s3": "s3a", "gcs": "gs"}


def absolute(uri: str) -> str:
    """Return a path as an absolute path, a `file:` URI as a path, and any other URI with the scheme that Hadoop opens.

    `s3://` becomes `s3a://` and `gcs://` becomes `gs://`: Hadoop opens the same objects under these names.

    Every path and URI that a person gives for tables or a manifest passes here. A path is literal. The rest of a URI is
    literal too, except that the path of a `file:` URI is percent-decoded.

    Raises:
        UsageError: it is empty, or no file can have this name in Spark, which knows names in UTF-8 only.
    """
    split = split_uri(uri)
    if split is None:
        found = str(Path(uri).absolute()) if uri else ""
    else:
        found = "/" + decode_percent(split.path) if split.is_local else _use_name_of_hadoop(uri, split.scheme)
    if not found or "\0" in found or any("\ud800" <= character <= "\udfff" for character in found):
        raise UsageError(f"{uri!r} is not a name that Spark can open: it must be UTF-8 text, not empty, without NUL")
    return found


def _use_name_of_hadoop(uri: str, scheme: str) -> str:
    """Return a URI with Hadoop's name of its scheme."""
    return f"{_HADOOP_SCHEMES.get(scheme, scheme)}{uri[len(scheme) :]}"


def local_folder(uri: str) -> Path | None:
    """Return the local folder that an absolute path or URI names; None if it is remote."""
    return Path(uri) if split_uri(uri) is None else None
