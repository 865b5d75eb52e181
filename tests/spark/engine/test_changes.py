"""What a second night does when the manifest and the videos have changed since the first."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.catalogue import Video, write_manifest
from tests.support.lakes import TINY, read_rows, run_night

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

# What was due for another try is due at once.
SETTINGS = TINY | {"quarantine": {"retry_after_hours": 1e-9, "max_attempts": 2}}
SAME = Video("same", "checker.mp4", "2024-01-02")
REDATED = Video("redated", "checker.webm", "2024-01-05")
MOVED = Video("moved", "tiles.mp4", "2024-01-06")
LATE = Video("late", "late.mp4")
GONE = Video("gone", "gone.mp4")
NEW = Video("new", "discs-small.mp4", "2024-01-08")
FIRST_NIGHT = (SAME, REDATED, MOVED, LATE, GONE)
SECOND_NIGHT = (SAME, replace(REDATED, published_at="2024-01-01"), replace(MOVED, path="discs.mp4"), LATE, GONE, NEW)


@dataclass(frozen=True)
class Nights:
    """The lake after two nights, its tables after the first one, and the ids of both runs."""

    lake: Path
    before: dict[str, list[dict[str, Any]]]
    run_ids: tuple[str, str]

    def written_in_second(self, table: str) -> set[str]:
        """Return the video_ids of the rows that the second night wrote."""
        return {row["video_id"] for row in read_rows(self.lake, table) if row["run_id"] == self.run_ids[1]}


@pytest.fixture(scope="module")
def nights(spark: SparkSession, catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Nights:  # noqa: ARG001 -- the nights find the session that is running
    folder = tmp_path_factory.mktemp("changes")
    for name in ("checker.mp4", "copies/checker.webm", "tiles.mp4", "discs.mp4", "copies/discs-small.mp4"):
        shutil.copy(catalogue.parent / name, folder)
    lake = folder / "lake"
    run_night(write_manifest(folder / "manifest.csv", FIRST_NIGHT), lake, SETTINGS)
    before = {name: read_rows(lake, name) for name in ("pairs", "duplicates", "quarantine", "descriptors")}
    shutil.copy(folder / "tiles.mp4", folder / "late.mp4")
    run_night(write_manifest(folder / "manifest.csv", SECOND_NIGHT), lake, SETTINGS)
    first, second = sorted({row["run_id"] for row in read_rows(lake, "runs")})
    return Nights(lake, before, (first, second))


def test_the_first_night_finds_what_is_there(nights: Nights) -> None:
    assert [(row["video_id"], row["duplicate_of"]) for row in nights.before["duplicates"]] == [("redated", "same")]
    assert [row["video_id"] for row in nights.before["quarantine"]] == ["gone", "late"]


def test_only_rows_of_the_manifest_that_changed_are_written(nights: Nights) -> None:
    # of "late" the file has come, with its size
    assert nights.written_in_second("manifest") == {"redated", "moved", "new", "late"}


def test_new_moved_and_mended_videos_are_described_and_no_other(nights: Nights) -> None:
    assert nights.written_in_second("descriptors") == {"moved", "late", "new"}
    assert nights.written_in_second("embeddings") == {"moved", "late", "new"}


def test_a_moved_video_has_one_description_that_of_its_new_file(nights: Nights) -> None:
    (row,) = (row for row in read_rows(nights.lake, "descriptors") if row["video_id"] == "moved")
    assert row["uri"].endswith("/discs.mp4")
    assert [row["video_id"] for row in read_rows(nights.lake, "embeddings")].count("moved") == 1


def test_a_mended_video_leaves_quarantine_and_the_other_counts_its_tries(nights: Nights) -> None:
    (row,) = read_rows(nights.lake, "quarantine")
    assert (row["video_id"], row["attempts"]) == ("gone", 2)


def test_after_its_last_try_a_video_is_left_alone(nights: Nights) -> None:
    (row,) = read_rows(nights.lake, "quarantine")
    assert row["next_retry_at"] is None


def test_pairs_follow_the_files(nights: Nights) -> None:
    pairs = {(row["left_id"], row["right_id"]) for row in read_rows(nights.lake, "pairs")}
    assert pairs == {("redated", "same"), ("moved", "new")}


def test_a_pair_that_still_holds_keeps_the_run_that_wrote_it(nights: Nights) -> None:
    (pair,) = (row for row in read_rows(nights.lake, "pairs") if row["left_id"] == "redated")
    assert [pair] == nights.before["pairs"]
    assert pair["run_id"] == nights.run_ids[0]


def test_the_keeper_follows_the_dates_and_what_no_longer_holds_is_deleted(nights: Nights) -> None:
    assert {(row["video_id"], row["duplicate_of"]) for row in read_rows(nights.lake, "duplicates")} == {
        ("same", "redated"),
        ("new", "moved"),
    }


def test_the_second_night_searches_what_the_first_has_not_seen(nights: Nights) -> None:
    plans = {row["run_id"]: row["search_plan"] for row in read_rows(nights.lake, "runs") if row["stage"] == "pairs"}
    assert [plans[run_id] for run_id in nights.run_ids] == ["exact", "incremental"]
