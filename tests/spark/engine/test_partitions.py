"""The rows do not depend on how they are distributed over tasks and blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs.lake.lake import Lake
from jobs.pipeline import STAGES
from jobs.tables import attempts, descriptors, pairs, thumbnails
from tests.support.lakes import make_run, none_in_quarantine, read_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described

# Only the calls of the decoder may depend on what was decoded before.
COMPARED = (
    "content_sha256",
    "num_frames",
    "duration_seconds",
    "frame_seconds",
    "video_descriptor",
    "frame_descriptors",
)


def describe_again(spark: SparkSession, described: Described, settings: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Describe the catalogue with other settings: video_id -> compared columns, of the described videos."""
    run = make_run(spark, described.manifest, described.settings | {"describe": settings})
    inputs = {
        "manifest": Lake(spark, str(described.lake)).read("manifest"),
        "descriptors": spark.createDataFrame([], descriptors.TABLE.schema),
        "thumbnails": spark.createDataFrame([], thumbnails.TABLE.schema),
        "quarantine": none_in_quarantine(spark),
    }
    chosen = attempts.select_due(inputs, run).collect()
    due = attempts.make_requests(spark, chosen, run.config.describe.videos_per_task)
    rows = attempts.build({"due": due}, run).where("error_code IS NULL").collect()
    return {row["video_id"]: tuple(row[name] for name in COMPARED) for row in rows}


@pytest.mark.parametrize(
    "settings",
    [{"videos_per_task": 1}, {"videos_per_task": 5, "decoders_per_task": 3}],
    ids=["a task a video", "three decoders a task"],
)
def test_descriptors_are_equal_to_the_byte(spark: SparkSession, described: Described, settings: dict[str, Any]) -> None:
    stored = {row["video_id"]: tuple(row[n] for n in COMPARED) for row in read_rows(described.lake, "descriptors")}
    assert describe_again(spark, described, settings) == stored


@pytest.mark.parametrize("block_rows", [1, 2, 5])
def test_pairs_do_not_depend_on_the_size_of_a_block(spark: SparkSession, described: Described, block_rows: int) -> None:
    settings = described.settings | {"pairs": {"block_rows": block_rows}}
    run = make_run(spark, described.manifest, settings)
    lake = Lake(spark, str(described.lake))
    (stage,) = (stage for stage in STAGES if stage.name == pairs.TABLE.name)
    inputs = {name: lake.read(name) for name in stage.reads if name not in {"seen_embeddings", "pairs"}}
    built = pairs.build(inputs, run).rows
    found = sorted((row["left_id"], row["right_id"], row["cosine_similarity"]) for row in built.collect())
    stored = read_rows(described.lake, "pairs")
    assert found == sorted((row["left_id"], row["right_id"], row["cosine_similarity"]) for row in stored)
