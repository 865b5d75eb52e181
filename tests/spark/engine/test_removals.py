"""What becomes of videos that the lake removes, brings back or puts in another's place."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from jobs.errors import QualityError
from tests.support.lakes import TINY, read_rows, read_versions, run_night

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

COMPLETE = TINY | {"manifest": {"is_complete": True}}
CAREFUL = COMPLETE | {"quality": {"min_attempts": 1, "max_removed_fraction": 0.2}}
FIRST = ("checker", "checker-webm", "tiles", "swapped")


@dataclass(frozen=True)
class Nights:
    """A lake night after night: the tables and their versions after each."""

    tables: list[dict[str, list[dict[str, Any]]]]
    versions: list[dict[str, int]]
    refusal: str

    def ids(self, night: int, table: str) -> set[str]:
        return {row["video_id"] for row in self.tables[night][table]}

    def pairs(self, night: int) -> set[tuple[str, str]]:
        return {(row["left_id"], row["right_id"]) for row in self.tables[night]["pairs"]}

    def removed(self, night: int) -> dict[str, bool]:
        return {row["video_id"]: row["removed_at"] is not None for row in self.tables[night]["manifest"]}

    def runs_of(self, night: int, table: str) -> dict[str, str]:
        return {row["video_id"]: row["run_id"] for row in self.tables[night][table]}


@pytest.fixture(scope="module")
def nights(spark: SparkSession, catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Nights:  # noqa: ARG001 -- the nights find the session that is running
    folder = tmp_path_factory.mktemp("removals")
    for name in ("checker.mp4", "copies/checker.webm", "tiles.mp4"):
        shutil.copy(catalogue.parent / name, folder)
    shutil.copy(folder / "tiles.mp4", folder / "swapped.mp4")
    files = dict(zip(FIRST, ("checker.mp4", "checker.webm", "tiles.mp4", "swapped.mp4"), strict=True))
    lake, manifest = folder / "lake", folder / "manifest.csv"
    tables, versions = [], []

    def night(ids: tuple[str, ...], settings: dict[str, Any], removed: tuple[str, ...] = ()) -> None:
        lines = [f"{video_id},{files[video_id]},{str(video_id in removed).lower()}" for video_id in (*ids, *removed)]
        manifest.write_text("\n".join(["video_id,uri,is_removed", *lines]))
        run_night(manifest, lake, settings)
        names = ("manifest", "pairs", "duplicates", "clusters", "descriptors")
        tables.append({name: read_rows(lake, name) for name in names})
        versions.append(read_versions(lake))

    night(FIRST, TINY)
    night(("tiles",), TINY, removed=("checker",))
    night(("tiles",), TINY, removed=("checker",))
    shutil.copy(folder / "checker.mp4", folder / "swapped.mp4")
    night(("checker-webm", "tiles", "swapped"), COMPLETE)
    os.utime(folder / "tiles.mp4")
    with pytest.raises(QualityError) as refused:
        night(("tiles",), CAREFUL)
    night(("checker", "tiles"), TINY)
    return Nights(tables, versions, str(refused.value))


def test_the_first_night_finds_what_is_there(nights: Nights) -> None:
    assert nights.pairs(0) == {("checker", "checker-webm"), ("swapped", "tiles")}
    assert not any(nights.removed(0).values())


def test_a_video_that_its_row_removes_leaves_pairs_clusters_and_duplicates(nights: Nights) -> None:
    assert nights.removed(1) == {"checker": True, "checker-webm": False, "tiles": False, "swapped": False}
    assert nights.pairs(1) == {("swapped", "tiles")}
    assert nights.ids(1, "clusters") == {"swapped", "tiles"}
    assert "checker-webm" not in nights.ids(1, "duplicates")


def test_its_description_stays(nights: Nights) -> None:
    assert nights.ids(1, "descriptors") == set(FIRST)


def test_the_same_removal_again_changes_nothing(nights: Nights) -> None:
    assert nights.versions[2] == nights.versions[1] | {"runs": nights.versions[1]["runs"] + 1}


def test_a_file_that_was_replaced_under_its_name_is_described_again(nights: Nights) -> None:
    before, after = nights.runs_of(2, "descriptors"), nights.runs_of(3, "descriptors")
    assert {video_id for video_id in before if before[video_id] != after[video_id]} == {"swapped"}
    assert nights.pairs(3) == {("checker-webm", "swapped")}


def test_a_complete_manifest_that_names_too_few_is_refused_and_changes_nothing(nights: Nights) -> None:
    assert "does not list 2 of 3 known videos" in nights.refusal


def test_a_file_that_was_only_touched_is_described_again_and_found_the_same(nights: Nights) -> None:
    before, after = nights.runs_of(3, "descriptors"), nights.runs_of(4, "descriptors")
    assert {video_id for video_id in before if before[video_id] != after[video_id]} == {"tiles"}


def test_a_video_that_is_named_again_is_back_without_being_described_again(nights: Nights) -> None:
    assert not any(nights.removed(4).values())
    # "swapped" has the very content of "checker", which stands for both
    assert nights.pairs(4) == {("checker", "checker-webm"), ("checker", "swapped")}
