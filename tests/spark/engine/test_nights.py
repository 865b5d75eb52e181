"""Nights that bring a catalogue in portions end where one night over all of it does."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.catalogue import BROKEN, CATALOGUE, write_manifest
from tests.support.lakes import read_rows, run_night

if TYPE_CHECKING:
    from pathlib import Path

    from tests.spark.conftest import Described

pytestmark = pytest.mark.slow

NUM_NIGHTS = 3
OF_A_RUN = {"run_id", "described_at", "cluster_id", "last_tried_at", "next_retry_at", "sequence"}
"""What tells when a row was made, and names of clusters, which tell what they were before."""


def rows_of(lake: Path, table: str) -> list[dict[str, Any]]:
    """A table's rows without what tells when they were made."""
    rows = [{name: row[name] for name in row.keys() - OF_A_RUN} for row in read_rows(lake, table)]
    return sorted(rows, key=lambda row: sorted((name, str(value)) for name, value in row.items()))


def partition_of(lake: Path) -> set[frozenset[str]]:
    """The clusters as sets of videos."""
    clusters = defaultdict(set)
    for row in read_rows(lake, "clusters"):
        clusters[row["cluster_id"]].add(row["video_id"])
    return {frozenset(members) for members in clusters.values()}


@pytest.fixture(scope="module", params=[1])
def portions(request: pytest.FixtureRequest, described: Described, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lake after nights that each brought some of the videos, in an order drawn by a seed."""
    videos = [*CATALOGUE, *BROKEN]
    random.Random(request.param).shuffle(videos)
    lake = tmp_path_factory.mktemp("portions") / "lake"
    for night in range(NUM_NIGHTS):
        manifest = write_manifest(described.manifest.with_name("portion.csv"), videos[night::NUM_NIGHTS])
        run_night(manifest, lake, described.settings)
    return lake


@pytest.mark.parametrize("table", ["manifest", "descriptors", "quarantine", "embeddings", "pairs", "duplicates"])
def test_the_tables_are_those_of_one_night(table: str, portions: Path, described: Described) -> None:
    assert rows_of(portions, table) == rows_of(described.lake, table)


def test_the_clusters_and_their_keepers_are_those_of_one_night(portions: Path, described: Described) -> None:
    assert partition_of(portions) == partition_of(described.lake)
    assert rows_of(portions, "clusters") == rows_of(described.lake, "clusters")
