"""Nights over stored cells leave the pairs of one run over the same cells, and maintenance alone retrains them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pyspark.sql import functions as F

from jobs.engine.run_stage import run_stage
from jobs.lake.lake import Lake
from jobs.maintenance.cells import maintain_cells
from jobs.pairing.cells import Cells
from jobs.pairing.searched import choose_searched_again
from jobs.pipeline import STAGES, TABLES
from jobs.tables import embeddings, manifest
from tests.support.lakes import TINY, make_run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.contracts.run import Run
    from jobs.contracts.stage import StageRecord

    Videos = dict[str, int]
    """video_id -> number of its vector in VECTORS."""

THRESHOLD, DIM, NUM_VECTORS = 0.5, 16, 150
BY_CELLS = {"min_cosine_similarity": THRESHOLD, "max_exact_teraflop": 1e-12, "cell_rows": 20, "num_probes": 2}
SEARCH = tuple(s for s in STAGES if s.name in {"fingerprints", "search_cells", "segment_codes", "pairs"})
FIRST_NIGHT = datetime(2024, 5, 1, 12, tzinfo=UTC)


def draw_vectors() -> np.ndarray:
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(12, DIM))[rng.integers(0, 12, NUM_VECTORS)] + rng.normal(
        scale=0.7, size=(NUM_VECTORS, DIM)
    )
    vectors[3] = vectors[2]  # another content with the same vector
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


VECTORS = draw_vectors()
NIGHTS: tuple[Videos, ...] = (
    {f"v{number:03}": number for number in range(100)},
    {
        f"v{number:03}": number for number in range(120) if number not in {2, 50}
    },  # 3 was represented by 2, which is gone
    {f"v{number:03}": number for number in range(130) if number not in {2, 50}} | {"v007": 140, "v110": 141},
)


@dataclass
class Searched:
    """A lake after some nights, with the records of the stages of each night."""

    lake: Lake
    run: Run
    records: list[dict[str, StageRecord]]

    def read_pairs(self) -> list[tuple[str, str, float]]:
        rows = self.lake.read("pairs").select("left_id", "right_id", "cosine_similarity").collect()
        return sorted(tuple(row) for row in rows)


def open_lake(spark: SparkSession, folder: Path) -> Searched:
    lake = Lake(spark, str(folder))
    for table in TABLES:
        if table.name in {"manifest", "quarantine", "embeddings", "thumbnails", "descriptors", "runs"} or table in [
            stage.builds for stage in SEARCH
        ]:
            lake.create(table)
    return Searched(lake, make_night(spark, lake, 0, {}), [])


def make_night(spark: SparkSession, lake: Lake, number: int, told: dict[str, Any]) -> Run:
    run = make_run(spark, Path("/manifest.csv"), TINY | {"pairs": BY_CELLS | told})
    started_at = FIRST_NIGHT + timedelta(days=number)
    run = replace(run, run_id=f"night-{number}", run_date=started_at.date(), started_at=started_at)
    return replace(run, checkpoint=partial(lake.checkpoint, run=run))


def write_videos(lake: Lake, run: Run, videos: Videos) -> None:
    """Commit what the earlier stages would: embeddings of new and replaced videos, and the removal of others."""
    model_id = run.model.model_id
    rows = [
        (v, model_id, 0, 0.0, 8.0, f"content {n}", run.run_id, VECTORS[n].tolist(), None, None, None)
        for v, n in videos.items()
    ]
    lake.merge(embeddings.TABLE, lake.spark.createDataFrame(rows, embeddings.TABLE.schema), run)
    known = {row["video_id"] for row in lake.read("embeddings").select("video_id").collect()}
    listed = [
        {f.name: None for f in manifest.TABLE.schema.fields}
        | {"video_id": v, "run_id": run.run_id, "attributes": {}}
        | {"removed_at": None if v in videos else run.started_at}
        for v in sorted(known)
    ]
    lake.merge(manifest.TABLE, lake.spark.createDataFrame(listed, manifest.TABLE.schema), run)


def search_night(searched: Searched, number: int, videos: Videos, told: dict[str, Any] | None = None) -> None:
    """Run the stages of the search after those before it, and publish the pairs."""
    lake = searched.lake
    searched.run = run = make_night(lake.spark, lake, number, told or {})
    versions = [(table, lake.version(table)) for table in (manifest.TABLE, embeddings.TABLE)]
    write_videos(lake, run, videos)
    present, stored = (lake.read_version(table, version) for table, version in versions)
    assert present is not None
    assert stored is not None
    seen = stored.join(present.where("removed_at IS NULL"), "video_id", "left_semi").select(*stored.columns)
    lake.provide("seen_embeddings", seen)
    records = {stage.name: run_stage(stage, lake, run) for stage in SEARCH}
    lake.merge(SEARCH[-1].builds, lake.read("pairs"), run)
    lake.clear_staging(run)
    searched.records.append(records)


@pytest.fixture(scope="module")
def nights(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    searched = open_lake(spark, tmp_path_factory.mktemp("nights") / "lake")
    for number, videos in enumerate(NIGHTS):
        search_night(searched, number, videos)
    return searched


def test_three_nights_leave_the_pairs_of_one_run_over_the_same_cells(
    nights: Searched, spark: SparkSession, tmp_path: Path
) -> None:
    once = open_lake(spark, tmp_path / "lake")
    once.lake.append(SEARCH[1].builds, nights.lake.read("search_cells"))
    search_night(once, 9, NIGHTS[-1])
    found = nights.read_pairs()
    assert found == once.read_pairs()
    assert {"v007", "v110", "v125"} <= {video_id for left, right, _ in found for video_id in (left, right)}
    assert not {"v002", "v050"} & {video_id for left, right, _ in found for video_id in (left, right)}
    for left, right, similarity in found:
        one, other = (VECTORS[NIGHTS[-1][video_id]].astype(float) for video_id in (left, right))
        assert similarity == min(1.0, round(float(one @ other), 6)) >= THRESHOLD


def test_a_night_trains_no_cells_and_encodes_new_videos_only(nights: Searched) -> None:
    assert [night["search_cells"].num_rows for night in nights.records] == [4, 0, 0]
    assert [night["segment_codes"].num_rows for night in nights.records] == [99, 21, 12]  # v003 took the place of v002
    assert {night["pairs"].search_plan for night in nights.records} == {"cells"}
    assert all(night["pairs"].search_recall is not None for night in nights.records)


def test_maintenance_retrains_cells_and_the_next_night_searches_a_share_again(nights: Searched) -> None:
    lake, told = nights.lake, {"num_probes": 6, "searched_again_fraction": 1.0}
    run = make_night(lake.spark, lake, 3, told)
    plan = maintain_cells(lake, run, is_dry=True, is_alone=True)
    assert plan is not None
    assert (plan.version, plan.reason, plan.num_unwanted_videos) == (1, "2 probes; pairs.num_probes is 6", 4)
    assert maintain_cells(lake, run, is_dry=False, is_alone=True) == plan
    codes = (
        lake.read("segment_codes").groupBy("cells_version").agg(F.count("*"), F.count_distinct("video_id")).collect()
    )
    assert [tuple(row) for row in codes] == [(2, 128, 128)]
    assert maintain_cells(lake, run, is_dry=True, is_alone=True).reason is None  # type: ignore[union-attr]
    before = nights.read_pairs()
    search_night(nights, 3, NIGHTS[-1], told)
    after = nights.read_pairs()
    assert set(after) > set(before)  # every cell is probed now, so pairs that two probes missed are found
    expected = VECTORS[list(NIGHTS[-1].values())].astype(float)
    assert len(after) == int((np.triu(np.round(expected @ expected.T, 6) >= THRESHOLD, 1)).sum())


def test_each_night_after_training_takes_the_next_share_of_the_old_videos(spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, str(tmp_path))
    cells = Cells(np.zeros((1, DIM), np.float32), 1, 0.0, 2, FIRST_NIGHT.date())
    runs = [make_night(spark, lake, number, {"searched_again_fraction": 0.3}) for number in range(6)]
    assert [choose_searched_again(run, cells) for run in runs] == [(4, 0), (4, 1), (4, 2), (4, 3), None, None]
    assert choose_searched_again(runs[0], replace(cells, version=1)) is None
    assert choose_searched_again(make_night(spark, lake, 0, {"searched_again_fraction": 0}), cells) is None
