"""Fixtures: one session per process, and one catalogue with its lakes for all. Tests that change a lake copy it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.catalogue import make_catalogue
from tests.support.lakes import run_night
from tests.support.notebooks import execute_all
from tests.support.object_store import find_connector_jars, run_object_store
from tests.support.session import start_test_session
from tests.support.shared import build_once
from tests.support.written_lake import write_lake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.support.object_store import ObjectStore

SETTINGS: dict[str, Any] = {}
"""The default settings."""


@dataclass(frozen=True)
class Described:
    """A lake after its first nightly run, with the default backbone and model.

    Attributes:
        lake: its folder; tests that change it use `lake_copy`.
        manifest: the manifest of the catalogue.
        settings: the settings of that run.
    """

    lake: Path
    manifest: Path
    settings: dict[str, Any]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = start_test_session(tmp_path_factory.mktemp("spark"))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def catalogue(shared_folder: Path) -> Path:
    """Return the manifest of a small catalogue, which is stored beside its videos."""
    return build_once(shared_folder / "catalogue", make_catalogue) / "manifest.csv"


@pytest.fixture(scope="session")
def described(spark: SparkSession, catalogue: Path, shared_folder: Path) -> Described:  # noqa: ARG001 -- the run uses the session of the process
    lake = build_once(shared_folder / "described", lambda folder: run_night(catalogue, folder, SETTINGS))
    return Described(lake, catalogue, SETTINGS)


@pytest.fixture(scope="session")
def executed_notebooks(described: Described, shared_folder: Path) -> Path:
    """Return the folder of the notebooks, executed with their checks; see `tests.support.notebooks.execute_all`."""
    return build_once(shared_folder / "notebooks", lambda folder: execute_all(described.lake, folder))


@pytest.fixture
def lake_copy(described: Described, tmp_path: Path) -> Path:
    return shutil.copytree(described.lake, tmp_path / "lake")


@pytest.fixture(scope="session")
def written_lake(spark: SparkSession, shared_folder: Path) -> Path:
    """Return the lake that docs/sql.md prints, for tests that read it."""
    return build_once(shared_folder / "written", lambda folder: write_lake(spark, folder))


@pytest.fixture
def written_copy(written_lake: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written_lake, tmp_path / "written")


@pytest.fixture(scope="module")
def running_store() -> Iterator[ObjectStore]:
    if not find_connector_jars():
        pytest.skip("the S3 connector is not on this machine: make test downloads it")
    with run_object_store() as store:
        yield store


@pytest.fixture
def object_store(running_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """Return a running S3 server, with the environment that names it."""
    for name, value in running_store.environment.items():
        monkeypatch.setenv(name, value)
    return running_store
