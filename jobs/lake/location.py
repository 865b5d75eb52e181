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


def choose_log_folder(lake_uri: str, log_dir: Path | None) -> Path:
    """Return where the logs of a run go: where it is told, else beside the tables, else here if these are remote.

    Args:
        lake_uri: absolute path or URI.
        log_dir: what the command line says, or None.
    """
    folder = local_folder(lake_uri)
    return log_dir or (folder / "_logs" if folder is not None else Path("ndvr-logs").absolute())
