"""One session, one catalogue and one described lake for all tests here; those that change the lake take a copy."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.catalogue import make_catalogue
from tests.support.lakes import run_night
from tests.support.session import start_test_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from jobs.engine.outcome import Outcome

SETTINGS: dict[str, Any] = {}  # what is shipped


@dataclass(frozen=True)
class Described:
    """A lake after its first night, with the shipped backbone and model.

    Attributes:
        lake: its folder; tests that change it take `lake_copy`.
        manifest: the catalogue's.
        settings: of that night.
        outcome: of that night.
    """

    lake: Path
    manifest: Path
    settings: dict[str, Any]
    outcome: Outcome


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = start_test_session(tmp_path_factory.mktemp("spark"))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of a small catalogue, beside its videos."""
    return make_catalogue(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="session")
def described(spark: SparkSession, catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Described:  # noqa: ARG001 -- the night finds the session that is running
    lake = tmp_path_factory.mktemp("described") / "lake"
    return Described(lake, catalogue, SETTINGS, run_night(catalogue, lake, SETTINGS))


@pytest.fixture
def lake_copy(described: Described, tmp_path: Path) -> Path:
    return shutil.copytree(described.lake, tmp_path / "lake")
