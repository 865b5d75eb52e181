"""Keepers and their reasons on literal rows; the pairs that make the clusters come first in each test."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from jobs.tables import clusters
from tests.support.lakes import TINY, make_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession

    # pairs, videos as (video_id, published, pixels) -> {video_id: (cluster_id, is_keeper, reason)}
    Build = Callable[[list[tuple[str, str]], list[tuple[str, int | None, int]]], dict[str, tuple[str, bool, str]]]

FIRST = "published first"
LARGEST = "highest resolution of those published first"
SMALLEST = "smallest video_id of those published first in the highest resolution"


@pytest.fixture
def build(spark: SparkSession, tmp_path: Path) -> Build:
    run = make_run(spark, tmp_path / "m.csv", TINY)
    model_id, descriptor_id = run.model.model_id, run.model.descriptor_id

    def build(
        pairs: list[tuple[str, str]], videos: list[tuple[str, int | None, int]]
    ) -> dict[str, tuple[str, bool, str]]:
        days = {video_id: day and datetime(2024, 1, day) for video_id, day, _ in videos}  # noqa: DTZ001 -- Spark's session is in UTC
        inputs = {
            "pairs": spark.createDataFrame(
                [(left, right, "copy", model_id) for left, right in pairs],
                "left_id STRING, right_id STRING, relation STRING, model_id STRING",
            ),
            "manifest": spark.createDataFrame(list(days.items()), "video_id STRING, published_at TIMESTAMP"),
            "descriptors": spark.createDataFrame(
                [(video_id, descriptor_id, side, side) for video_id, _, side in videos],
                "video_id STRING, descriptor_id STRING, width_px INT, height_px INT",
            ),
        }
        rows = clusters.build(inputs, run).collect()
        return {row["video_id"]: (row["cluster_id"], row["is_keeper"], row["keeper_reason"]) for row in rows}

    return build


def test_the_first_published_is_kept_whatever_its_size(build: Build) -> None:
    assert build([("a", "b")], [("a", 2, 900), ("b", 1, 10)]) == {"a": ("a", False, FIRST), "b": ("a", True, FIRST)}


def test_a_date_comes_before_none(build: Build) -> None:
    assert build([("a", "b")], [("a", None, 900), ("b", 9, 10)])["b"] == ("a", True, FIRST)


def test_of_those_of_one_date_the_largest_is_kept(build: Build) -> None:
    assert build([("a", "b")], [("a", 1, 10), ("b", 1, 20)])["b"] == ("a", True, LARGEST)


def test_of_those_of_one_date_and_size_the_smallest_id_is_kept(build: Build) -> None:
    assert build([("a", "b")], [("a", None, 10), ("b", None, 10)])["a"] == ("a", True, SMALLEST)


def test_the_reason_is_against_the_runner_up_not_the_last(build: Build) -> None:
    found = build([("a", "b"), ("b", "c")], [("a", 1, 10), ("b", 1, 20), ("c", 5, 99)])
    assert found == {"a": ("a", False, LARGEST), "b": ("a", True, LARGEST), "c": ("a", False, LARGEST)}


def test_clusters_have_a_keeper_each(build: Build) -> None:
    found = build([("a", "b"), ("c", "d")], [("a", 1, 1), ("b", 2, 1), ("c", 4, 1), ("d", 3, 1)])
    assert {video_id for video_id, (_, is_keeper, _) in found.items() if is_keeper} == {"a", "d"}
    assert {cluster_id for cluster_id, _, _ in found.values()} == {"a", "c"}


def test_no_pairs_make_no_clusters(build: Build) -> None:
    assert build([], [("a", 1, 1)]) == {}
