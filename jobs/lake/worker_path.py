"""Makes the Python workers of Spark import what the driver imports."""

from __future__ import annotations

import os
import site
import sysconfig
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from ndvr_start import PACKAGES, find_root

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence


def share_import_path(worker_environment: MutableMapping[str, str], driver_path: Sequence[str]) -> None:
    """Change the environment of the Python workers so that they import this package and what the driver imports.

    Workers are started with `python -m`, so Python puts the working folder first on their path, then PYTHONPATH. Both
    may contain packages with the names of ours. Files that spark-submit sends with --py-files precede PYTHONPATH.

    Runs on: driver.

    Args:
        worker_environment: environment of the workers; PYTHONPATH in it precedes that of the executors.
        driver_path: `sys.path` of the driver.
    """
    root = find_root()
    first = [root] if Path(root).is_dir() and not _workers_find(root, os.environ.get("PYTHONPATH", "")) else []
    folder = str(Path.cwd())
    if {"", folder} & {*driver_path}:  # as in a notebook, whose functions may use modules beside it
        first.append(folder)
    own = worker_environment.get("PYTHONPATH", "").split(os.pathsep)
    paths = dict.fromkeys(entry for entry in (*first, *own) if entry)
    if paths:
        worker_environment["PYTHONPATH"] = os.pathsep.join(paths)
    worker_environment.setdefault("PYTHONSAFEPATH", "1")


def _workers_find(root: str, python_path: str) -> bool:
    """Return whether workers import the packages in `root` without help.

    It must be a folder of installed packages, and PYTHONPATH, which Python searches before it, must have no packages
    with these names. Such a folder is not added to PYTHONPATH if that is not needed, because old packages in it may
    hide modules of Python.
    """
    installed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()}
    before = [entry for entry in python_path.split(os.pathsep) if entry and Path(entry).absolute() != Path(root)]
    return root in installed and not any(PathFinder.find_spec(name, before) for name in PACKAGES)
