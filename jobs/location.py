"""Paths and URIs as the command line gives them."""

from __future__ import annotations

from pathlib import Path

from udfs.opening.roots import decode_percent, split_uri


def absolute(uri: str) -> str:
    """Make a path absolute, and a `file:` URI a path; leave any other URI as it is."""
    split = split_uri(uri)
    if split is None:
        return str(Path(uri).absolute())
    return "/" + decode_percent(split.path) if split.is_local else uri


def local_folder(uri: str) -> Path | None:
    """Return an absolute uri as a folder of this machine, or None where it is not on this machine."""
    return Path(uri) if split_uri(uri) is None else None
