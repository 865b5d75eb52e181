"""Paths and URIs from the command line."""

from __future__ import annotations

from pathlib import Path

from udfs.opening.roots import decode_percent, split_uri


def absolute(uri: str) -> str:
    """Return a path as an absolute path, a `file:` URI as a path, and any other URI unchanged."""
    split = split_uri(uri)
    if split is None:
        return str(Path(uri).absolute())
    return "/" + decode_percent(split.path) if split.is_local else uri


def local_folder(uri: str) -> Path | None:
    """Return the local folder that an absolute path or URI names; None if it is remote."""
    return Path(uri) if split_uri(uri) is None else None


def choose_log_folder(lake_uri: str, log_dir: Path | None) -> Path:
    """Return the folder for a run's logs.

    It is `log_dir` if given, else `_logs` in a local lake, else `ndvr-logs` in the current folder.

    Args:
        lake_uri: absolute path or URI.
        log_dir: the command-line option, or None.
    """
    folder = local_folder(lake_uri)
    return log_dir or (folder / "_logs" if folder is not None else Path("ndvr-logs").absolute())
