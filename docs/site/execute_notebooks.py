"""Executes the notebooks on a lake of the demo, and stores them with their outputs for the site.

python docs/site/execute_notebooks.py LAKE OUT
"""
# ruff: noqa: INP001 -- a script, which tests load by its path

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbformat import NotebookNode

NOTEBOOKS = sorted((Path(__file__).absolute().parents[2] / "notebooks").glob("*.ipynb"))
_CELL_SECONDS = 1800


@contextmanager
def start_kernel(lake: Path) -> Iterator[KernelManager]:
    """Start one kernel for all notebooks, so that they share a Spark session, and stop it afterwards.

    Args:
        lake: the lake that the notebooks show.
    """
    manager = KernelManager(kernel_name="python3")
    with tempfile.TemporaryDirectory(prefix="ndvr-notebooks-") as folder:
        changed = {"NDVR_LAKE": str(lake.absolute()), "IPYTHONDIR": folder, "TMPDIR": folder}
        options = ["--log-level=40"]  # the kernel warns that its port on this machine is not encrypted
        manager.start_kernel(cwd=str(NOTEBOOKS[0].parent), env=os.environ | changed, extra_arguments=options)
        try:
            yield manager
        finally:
            manager.shutdown_kernel(now=True)


def execute_notebook(path: Path, kernel: KernelManager, last_cell: str = "") -> NotebookNode:
    """Execute a notebook in a kernel without any names, and return it with its outputs.

    Args:
        path: the notebook, which stays as it is.
        kernel: of `start_kernel`.
        last_cell: code to run after the last cell; it is not part of the result.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    cells = [nbformat.v4.new_code_cell("%reset -f"), *notebook.cells, nbformat.v4.new_code_cell(last_cell)]
    whole = nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)
    client = NotebookClient(whole, km=kernel, timeout=_CELL_SECONDS)
    try:
        client.execute()
    finally:
        client.kc.stop_channels()
    whole.cells = whole.cells[1:-1]
    return whole


def main(lake: Path, out: Path) -> None:
    """Execute all notebooks."""
    out.mkdir(parents=True, exist_ok=True)
    with start_kernel(lake) as kernel:
        for path in NOTEBOOKS:
            sys.stderr.write(f"executing {path.name}\n")
            nbformat.write(execute_notebook(path, kernel), out / path.name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
