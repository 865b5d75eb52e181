"""The notebooks run from top to bottom on a lake like that of the demo, and are stored without outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.support.notebooks import CHECKS, execution

if TYPE_CHECKING:
    from pathlib import Path


def test_every_notebook_is_checked() -> None:
    assert {path.stem for path in execution.NOTEBOOKS} == CHECKS.keys()


@pytest.mark.parametrize("path", execution.NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count is not None for cell in cells)


@pytest.mark.slow
@pytest.mark.parametrize("path", execution.NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_the_demo_without_changing_it(path: Path, executed_notebooks: Path) -> None:
    error = executed_notebooks / f"{path.stem}.error"
    assert not error.exists(), error.read_text(encoding="utf-8")
    assert not (executed_notebooks / f"{path.stem}.changed").exists()


@pytest.mark.slow
@pytest.mark.parametrize("path", execution.NOTEBOOKS, ids=lambda path: path.stem)
def test_an_executed_notebook_has_the_cells_of_the_notebook_with_outputs(path: Path, executed_notebooks: Path) -> None:
    stored, executed = (nbformat.read(file, as_version=4).cells for file in (path, executed_notebooks / path.name))
    assert [cell.source for cell in executed] == [cell.source for cell in stored]
    assert any(cell.get("outputs") for cell in executed)
