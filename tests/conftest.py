"""For all tests: folders shared between processes, the order of files, and settings of tools."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.class_archive import use_archive
from tests.support.shared import build_once
from tests.support.wheel import build_wheel

if TYPE_CHECKING:
    from pathlib import Path

# The time of an example depends on the load of the machine.
settings.register_profile("ndvr", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=10)  # `make test-fast` selects it
settings.load_profile("ndvr")
use_archive()
# A computing process has at most one core. On a busy machine, threads of one operation mostly wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A process runs all tests of one file and then takes the next file. Long files come first, so that all processes end at
# about the same time. The figures are seconds on two idle cores; other files take less than 10.
LONG_FILES = {
    "test_submit.py": 300,
    "test_changes.py": 240,
    "test_backfill.py": 200,
    "test_stores.py": 200,
    "test_cells.py": 150,
    "test_maintain.py": 200,
    "test_audits.py": 110,
    "test_codebook.py": 100,
    "test_training.py": 90,
    "test_sample_and_estimate.py": 90,
    "test_one_video.py": 80,
    "test_verification.py": 80,
    "test_notebooks.py": 80,
    "test_incremental.py": 70,
    "test_contracts.py": 60,
    "test_decide.py": 60,
    "test_clusters.py": 50,
    "test_executors.py": 50,
    "test_compare_models.py": 40,
    "test_site.py": 30,  # after test_notebooks.py, whose executed notebooks it shows
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of long files first."""
    items.sort(key=lambda item: -LONG_FILES.get(item.path.name, 0))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder for files that the processes of this test run build once and share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def wheel(shared_folder: Path) -> Path:
    """Return the built wheel."""
    (built,) = build_once(shared_folder / "wheel", build_wheel).glob("ndvr-*.whl")
    return built
