"""What later runs do when the manifest and the videos have changed: new, moved, fixed, replaced and removed videos."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from jobs.errors import QualityError
from tests.support.catalogue import Video
from tests.support.lakes import TINY, read_rows, read_versions, run_night

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pyspark.sql import SparkSession

    from jobs.engine.outcome import Outcome

pytestmark = pytest.mark.slow

# A video whose next attempt is due is tried in the next run.
SETTINGS = TINY | {"quarantine": {"retry_after_hours": 1e-9, "max_attempts": 2}}
COMPLETE = SETTINGS | {"manifest": {"is_complete": True}}
CAREFUL = COMPLETE | {"quality": {"min_attempts": 1, "max_removed_fraction": 0.2}}
SAME = Video("same", "checker.mp4", "2024-01-02")
REDATED = Video("redated", "checker.webm", "2024-01-05")
MOVED = Video("moved", "tiles.mp4", "2024-01-06")
LATE = Video("late", "late.mp4")
GONE = Video("gone", "gone.mp4")
NEW = Video("new", "discs-small.mp4", "2024-01-08")
FIRST = (SAME, REDATED, MOVED, LATE, GONE)
SECOND = (SAME, replace(REDATED, published_at="2024-01-01"), replace(MOVED, path="discs.mp4"), LATE, GONE, NEW)
STRIPES = Video("stripes", "stripes.mp4")
STRIPES_LOW = Video("stripes-low", "stripes-low.mp4")
GLOW = Video("glow", "glow.mp4")
SWAPPED = Video("swapped", "swapped.mp4")
REMOVABLE = {"stripes", "stripes-low", "glow", "swapped"}
"""The videos that runs remove and replace. They share no footage with the others."""


@dataclass(frozen=True)
class Runs:
    """A lake after each of nine runs: its tables, their versions, and what the fifth and the ninth, which fail, said.

    The first two runs change most videos. In the second run a row removes `stripes`, and the third run gets the same
    manifest. Before the fourth run, whose manifest is complete, `swapped` gets the content of `stripes`. The fifth run
    names `glow` alone, whose file has been touched. The sixth names `stripes` again. Before the seventh, the file of
    `stripes` is deleted, and that of `glow` is overwritten with text. Before the eighth, both are back. Before the
    ninth, all files are gone.
    """

    tables: list[dict[str, list[dict[str, Any]]]]
    versions: list[dict[str, int]]
    refusal: str
    outcomes: list[Outcome]
    outage: str

    def rows(self, run: int, table: str) -> dict[str, dict[str, Any]]:
        """Return the rows of a table with the key video_id."""
        return {row["video_id"]: row for row in self.tables[run][table]}

    def pairs(self, run: int) -> set[tuple[str, str]]:
        return {(row["left_id"], row["right_id"]) for row in self.tables[run]["pairs"]}

    def duplicates(self, run: int) -> set[tuple[str, str]]:
        return {(row["video_id"], row["duplicate_of"]) for row in self.tables[run]["duplicates"]}

    def removed(self, run: int) -> set[str]:
        return {video_id for video_id, row in self.rows(run, "manifest").items() if row["removed_at"] is not None}

    def written(self, run: int, table: str) -> set[str]:
        """Return the videos whose rows the run wrote."""
        before, after = self.rows(run - 1, table), self.rows(run, table)
        return {name for name, row in after.items() if name not in before or before[name]["run_id"] != row["run_id"]}


@pytest.fixture(scope="module")
def runs(spark: SparkSession, catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:  # noqa: ARG001 -- the runs use the session of the process
    folder = tmp_path_factory.mktemp("changes")
    for name in ("checker", "tiles", "discs", "stripes", "glow"):
        shutil.copy(catalogue.parent / f"{name}.mp4", folder)
    for name in ("checker.webm", "discs-small.mp4", "stripes-low.mp4"):
        shutil.copy(catalogue.parent / "copies" / name, folder)
    shutil.copy(folder / "glow.mp4", folder / "swapped.mp4")
    lake, manifest = folder / "lake", folder / "manifest.csv"
    tables, versions, outcomes = [], [], []

    def run(videos: Sequence[Video], settings: dict[str, Any], removed: Sequence[Video] = ()) -> None:
        lines = [f"{v.video_id},{v.path},{v.published_at},{str(v in removed).lower()}" for v in (*videos, *removed)]
        manifest.write_text("\n".join(["video_id,uri,published_at,is_removed", *lines]), encoding="utf-8")
        try:
            outcomes.append(run_night(manifest, lake, settings))
        finally:
            names = (
                "manifest",
                "thumbnails",
                "descriptors",
                "embeddings",
                "quarantine",
                "pairs",
                "clusters",
                "duplicates",
                "runs",
            )
            tables.append({name: read_rows(lake, name) for name in names})
            versions.append(read_versions(lake))

    run((*FIRST, STRIPES, STRIPES_LOW, GLOW, SWAPPED), SETTINGS)
    shutil.copy(folder / "tiles.mp4", folder / "late.mp4")
    run((*SECOND, GLOW), SETTINGS, removed=[STRIPES])
    run((*SECOND, GLOW), SETTINGS, removed=[STRIPES])
    shutil.copy(folder / "stripes.mp4", folder / "swapped.mp4")
    run((*SECOND, STRIPES_LOW, GLOW, SWAPPED), COMPLETE)
    os.utime(folder / "glow.mp4")
    with pytest.raises(QualityError) as refused:
        run((GLOW,), CAREFUL)
    run((STRIPES, GLOW), SETTINGS)
    shutil.copy(folder / "glow.mp4", folder / "kept.mp4")
    (folder / "stripes.mp4").unlink()
    (folder / "glow.mp4").write_text("moved to another place", encoding="utf-8")
    everything = (*SECOND, STRIPES, STRIPES_LOW, GLOW, SWAPPED)
    run(everything, SETTINGS)
    shutil.copy(folder / "swapped.mp4", folder / "stripes.mp4")
    shutil.copy(folder / "kept.mp4", folder / "glow.mp4")
    run(everything, SETTINGS)
    for path in (*folder.glob("*.mp4"), *folder.glob("*.webm")):
        path.unlink()
    with pytest.raises(QualityError) as outage:
        run(everything, SETTINGS)
    return Runs(tables, versions, str(refused.value), outcomes, str(outage.value))


def test_the_first_run_finds_the_copies_and_quarantines_missing_files(runs: Runs) -> None:
    assert runs.pairs(0) == {("redated", "same"), ("stripes", "stripes-low"), ("glow", "swapped")}
    assert ("redated", "same") in runs.duplicates(0)
    assert runs.rows(0, "quarantine").keys() == {"gone", "late"}
    assert runs.removed(0) == set()


def test_only_rows_of_the_manifest_that_changed_are_written(runs: Runs) -> None:
    # the file of "late" has appeared, with its size
    assert runs.written(1, "manifest") == {"redated", "moved", "new", "late", "stripes"}


def test_new_moved_and_fixed_videos_are_described_and_no_others(runs: Runs) -> None:
    assert runs.written(1, "descriptors") == {"moved", "late", "new"}
    assert runs.written(1, "thumbnails") == {"moved", "late", "new"}
    assert runs.written(1, "embeddings") == {"moved", "late", "new"}


def test_a_moved_video_has_one_description_that_of_its_new_file(runs: Runs) -> None:
    (row,) = (row for row in runs.tables[1]["descriptors"] if row["video_id"] == "moved")
    assert row["uri"].endswith("/discs.mp4")
    assert [row["video_id"] for row in runs.tables[1]["embeddings"]].count("moved") == 1


def test_a_fixed_video_leaves_quarantine_and_the_other_counts_its_attempts(runs: Runs) -> None:
    (row,) = runs.tables[1]["quarantine"]
    assert (row["video_id"], row["attempts"]) == ("gone", 2)


def test_after_its_last_attempt_a_video_is_not_tried_again(runs: Runs) -> None:
    (row,) = runs.tables[1]["quarantine"]
    assert row["next_retry_at"] is None


def test_pairs_follow_the_files_and_the_removed_video_has_none(runs: Runs) -> None:
    assert runs.pairs(1) == {("redated", "same"), ("moved", "new"), ("glow", "swapped")}


def test_an_unchanged_pair_keeps_the_run_that_wrote_it(runs: Runs) -> None:
    before, after = (
        [row for row in runs.tables[run]["pairs"] if row["left_id"] in ("redated", "glow")] for run in (0, 1)
    )
    assert before == after


def test_the_keeper_follows_the_dates_and_outdated_rows_are_deleted(runs: Runs) -> None:
    pairs = {pair for pair in runs.duplicates(1) if not REMOVABLE & set(pair)}
    assert pairs == {("same", "redated"), ("new", "moved")}


def test_the_second_run_searches_the_new_videos_only(runs: Runs) -> None:
    rows = [row for row in runs.tables[1]["runs"] if row["stage"] == "pairs"]
    assert [row["search_plan"] for row in sorted(rows, key=lambda row: row["run_id"])] == ["exact", "incremental"]


def test_a_video_that_its_row_removes_leaves_clusters_and_duplicates(runs: Runs) -> None:
    assert runs.removed(1) == {"stripes"}
    assert runs.rows(1, "clusters").keys() & REMOVABLE == {"glow", "swapped"}
    assert "stripes-low" not in runs.rows(1, "duplicates")


def test_the_description_of_a_removed_video_stays(runs: Runs) -> None:
    assert runs.rows(1, "descriptors").keys() >= REMOVABLE


def test_the_same_removal_again_changes_nothing(runs: Runs) -> None:
    assert runs.versions[2] == runs.versions[1] | {"runs": runs.versions[1]["runs"] + 1}


def test_a_file_that_was_replaced_under_its_name_is_described_again(runs: Runs) -> None:
    assert runs.written(3, "descriptors") == runs.written(3, "thumbnails") == {"swapped"}
    assert runs.pairs(3) == {("redated", "same"), ("moved", "new"), ("stripes-low", "swapped")}


def test_a_complete_manifest_with_too_few_videos_is_rejected(runs: Runs) -> None:
    assert "does not list 8 of 9 known videos" in runs.refusal
    assert runs.versions[4] == runs.versions[3] | {"runs": runs.versions[3]["runs"] + 1}
    assert runs.removed(4) == {"stripes"}


def test_a_touched_file_is_described_again_with_the_same_result(runs: Runs) -> None:
    assert runs.written(5, "descriptors") == {"glow"}
    assert runs.written(5, "thumbnails") == set()
    assert runs.rows(5, "duplicates").keys() & REMOVABLE == {"stripes-low", "swapped"}


def test_a_restored_video_is_not_described_again(runs: Runs) -> None:
    assert runs.removed(5) == set()
    assert runs.written(5, "manifest") >= {"stripes"}
    assert "stripes" not in runs.written(5, "descriptors")
    # "swapped" has the very content of "stripes", which represents both
    assert runs.pairs(5) == {("redated", "same"), ("moved", "new"), ("stripes", "stripes-low"), ("stripes", "swapped")}


def test_a_video_whose_file_is_lost_or_is_no_video_any_more_has_no_pairs(runs: Runs) -> None:
    assert {name: row["error_code"] for name, row in runs.rows(6, "quarantine").items() if name in REMOVABLE} == {
        "stripes": "NOT_FOUND",
        "glow": "NOT_A_VIDEO",
    }
    assert runs.pairs(6) == {("redated", "same"), ("moved", "new"), ("stripes-low", "swapped")}
    assert {"stripes", "glow"} & runs.rows(6, "clusters").keys() == set()
    assert runs.duplicates(6) == {("same", "redated"), ("new", "moved"), ("swapped", "stripes-low")}


def test_lost_videos_are_reported(runs: Runs) -> None:
    outcome = runs.outcomes[5]
    assert outcome.lost_counts == {"NOT_A_VIDEO": 1, "NOT_FOUND": 1}
    assert "2 videos that were described before cannot be read any more: NOT_A_VIDEO 1, NOT_FOUND 1" in str(
        outcome.describe_lost()
    )


def test_a_file_that_is_back_is_not_described_again(runs: Runs) -> None:
    outcome = runs.outcomes[6]
    assert (outcome.num_described, outcome.num_unchanged, outcome.lost_counts) == (0, 2, {})
    assert {name for name in runs.rows(7, "quarantine") if name in REMOVABLE} == set()
    assert runs.written(7, "thumbnails") == runs.written(7, "embeddings") == set()
    assert runs.pairs(7) == runs.pairs(5)
    assert runs.duplicates(7) == runs.duplicates(5)


def test_a_store_out_of_reach_is_no_deletion(runs: Runs) -> None:
    assert "the files of 9 of 9 known videos cannot be opened any more (NOT_FOUND 9, such as " in runs.outage
    assert "run again when it is back" in runs.outage
    assert runs.versions[8] == runs.versions[7] | {"runs": runs.versions[7]["runs"] + 1}
