"""Clusters of literal rows: keepers and their reasons, decisions, and equal results on driver and executors."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from jobs.tables import cluster_events, clusters, decisions, quarantine
from tests.support.lakes import TINY, make_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    Videos = Sequence[tuple[str, int | None, int]]  # video_id, day of publication, pixels along each side

LONG_PATHS = {"max_hops": 3, "min_path_probability": 0.5}
ON_SPARK = {"pairs_per_task": 4, "max_driver_pairs": 1}
COMPONENTS_ON_DRIVER = {"pairs_per_task": 4, "max_driver_pairs": 10_000}


class Night:
    """The inputs of `clusters` in a run, empty by default."""

    def __init__(self, spark: SparkSession, folder: Path, settings: dict[str, Any] | None = None) -> None:
        self.spark = spark
        self.run = make_run(spark, folder / "m.csv", TINY | {"clusters": LONG_PATHS | (settings or {})})
        self.journal = self._empty(cluster_events.TABLE.ddl)
        self.stored = self._empty(clusters.TABLE.ddl)

    def _empty(self, ddl: str) -> DataFrame:
        return self.spark.createDataFrame([], ddl)

    def cluster(
        self,
        pairs: Sequence[tuple[str, str, float]],
        videos: Videos = (),
        decided: Sequence[tuple[str, str, str]] = (),
        lost: Sequence[str] = (),
        removed: Sequence[str] = (),
    ) -> dict[str, dict[str, Any]]:
        """Build and return the rows by video_id, and extend the journal."""
        model_id, descriptor_id = self.run.model.model_id, self.run.model.descriptor_id
        named = {end for link in (*pairs, *decided) for end in link[:2]}
        days = dict.fromkeys(named) | {name: day and datetime(2024, 1, day, tzinfo=UTC) for name, day, _ in videos}
        at = datetime(2024, 1, 1, tzinfo=UTC)
        inputs = {
            "pairs": self.spark.createDataFrame(
                [(*pair, "copy", model_id) for pair in pairs],
                "left_id STRING, right_id STRING, match_probability DOUBLE, relation STRING, model_id STRING",
            ),
            "manifest": self.spark.createDataFrame(
                [(*day, at if day[0] in removed else None) for day in days.items()],
                "video_id STRING, published_at TIMESTAMP, removed_at TIMESTAMP",
            ),
            "quarantine": self.spark.createDataFrame(
                [(video_id, "NOT_FOUND", 1, None, at, "uri", "detail", "a run") for video_id in lost],
                quarantine.TABLE.schema,
            ),
            "descriptors": self.spark.createDataFrame(
                [(video_id, descriptor_id, side, side, 5.0) for video_id, _, side in videos],
                "video_id STRING, descriptor_id STRING, width_px INT, height_px INT, duration_seconds DOUBLE",
            ),
            "decisions": self.spark.createDataFrame(
                [(left, right, verdict, False, "ann", at, None) for left, right, verdict in decided],
                decisions.TABLE.ddl,
            ),
            "cluster_events": self.journal,
            "clusters": self.stored,
        }
        self.stored = clusters.build(inputs, self.run).localCheckpoint()
        told = cluster_events.build({"clusters": self.stored, "cluster_events": self.journal}, self.run)
        self.news = [row.asDict() for row in told.sort("cluster_id", "event").collect()]
        self.journal = self.journal.unionByName(told).localCheckpoint()
        return {row["video_id"]: row.asDict() for row in self.stored.collect()}


@pytest.fixture
def night(spark: SparkSession, tmp_path: Path) -> Night:
    return Night(spark, tmp_path)


def keeper_and_reason(rows: dict[str, dict[str, Any]]) -> tuple[str, str]:
    ((keeper, reason),) = {(video_id, row["keeper_reason"]) for video_id, row in rows.items() if row["is_keeper"]}
    return keeper, reason


def test_the_keeper_is_chosen_by_the_facts_of_the_tables(night: Night) -> None:
    pairs = [("a", "b", 0.9), ("b", "c", 0.9), ("x", "y", 0.9)]
    rows = night.cluster(pairs, [("a", 1, 10), ("b", 1, 20), ("c", 5, 99), ("x", None, 1), ("y", 9, 1)])
    keepers = {video_id: row["keeper_reason"] for video_id, row in rows.items() if row["is_keeper"]}
    assert keepers == {"b": "highest resolution of those published first", "y": "published first"}
    assert rows.keys() == {"a", "b", "c", "x", "y"}


def test_no_pairs_make_no_clusters(night: Night) -> None:
    assert night.cluster([], [("a", 1, 1)]) == {}
    assert night.news == []


@pytest.mark.parametrize("verdict", ["not_duplicate", "part"])
def test_decisions_join_separate_and_keep_videos(night: Night, verdict: str) -> None:
    rows = night.cluster(
        [("a", "b", 0.9), ("c", "d", 0.95), ("b", "c", 0.99)],
        decided=[("a", "d", verdict), ("d", "e", "duplicate"), ("e", "e", "keep_this")],
    )
    together = {video_id: row["cluster_id"] for video_id, row in rows.items()}
    assert together["d"] == together["e"] == together["c"] == together["b"]
    assert "a" not in rows  # the weakest pair on the path from a to d is that of a
    assert keeper_and_reason(rows) == ("e", "keep_this, decided by ann")
    assert rows["d"]["joined_by"] == "e"
    assert rows["e"]["joined_by"] is None


def make_catalogue(seed: int) -> tuple[list[tuple[str, str, float]], Videos, list[tuple[str, str, str]]]:
    chance = random.Random(seed)
    ids = [f"v{number:02d}" for number in range(60)]
    ends = sorted({tuple(sorted(chance.sample(ids, 2))) for _ in range(55)})
    pairs = [(left, right, chance.choice([0.6, 0.8, 0.95, 0.99, 1.0])) for left, right in ends]
    videos = [(video_id, chance.choice([None, 1, 2]), chance.choice([10, 20])) for video_id in ids]
    decided = [(*ends[3], "not_duplicate"), (*ends[20], "not_duplicate"), (ids[0], ids[-1], "duplicate")]
    return pairs, videos, decided


@pytest.mark.slow
def test_driver_and_spark_have_the_same_result(spark: SparkSession, tmp_path: Path) -> None:
    pairs, videos, decided = make_catalogue(seed=7)
    on_driver = Night(spark, tmp_path).cluster(pairs, videos, decided)
    chance = random.Random(1)
    for settings in (COMPONENTS_ON_DRIVER, ON_SPARK):
        chance.shuffle(pairs)
        assert Night(spark, tmp_path, settings).cluster(pairs, videos, decided) == on_driver
    assert len({row["cluster_id"] for row in on_driver.values()}) > 3


def test_a_component_with_too_many_pairs_keeps_the_most_probable(spark: SparkSession, tmp_path: Path) -> None:
    chain = [("a", "b", 0.99), ("b", "c", 0.6), ("c", "d", 0.99), ("x", "y", 0.6)]
    rows = Night(spark, tmp_path, {"pairs_per_task": 2, "max_component_pairs": 2}).cluster(chain)
    members: dict[str, set[str]] = {}
    for video_id, row in rows.items():
        members.setdefault(row["cluster_id"], set()).add(video_id)
    assert sorted(map(sorted, members.values())) == [["a", "b"], ["c", "d"], ["x", "y"]]


@pytest.mark.slow
def test_cluster_ids_are_stable_and_every_change_is_recorded_once(night: Night) -> None:
    """a-b-c grows, splits, merges again, dissolves and is restored."""
    first = night.cluster([("a", "b", 1.0), ("b", "c", 1.0)])
    (name,) = {row["cluster_id"] for row in first.values()}
    assert [(row["event"], row["num_members_before"], row["num_members_after"]) for row in night.news] == [
        ("created", 0, 3)
    ]

    night.cluster([("b", "c", 1.0), ("a", "b", 1.0)])
    assert night.news == []

    grown = night.cluster([("a", "b", 1.0), ("b", "c", 1.0), ("c", "d", 1.0), ("c", "e", 1.0), ("x", "y", 1.0)])
    assert {grown[video_id]["cluster_id"] for video_id in "abcd"} == {name}
    other = grown["x"]["cluster_id"]
    assert {(row["cluster_id"], row["event"], tuple(row["gained_ids"])) for row in night.news} == {
        (name, "grown", ("d", "e")),
        (other, "created", ("x", "y")),
    }

    split = night.cluster([("a", "b", 1.0), ("c", "d", 1.0), ("d", "e", 1.0), ("x", "y", 1.0)])
    assert {split[video_id]["cluster_id"] for video_id in "cde"} == {name}
    part = split["a"]["cluster_id"]
    assert {(row["cluster_id"], row["event"], row["other_cluster_id"]) for row in night.news} == {
        (name, "shrunk", None),
        (part, "split", name),
    }

    merged = night.cluster([("a", "b", 1.0), ("b", "c", 1.0), ("c", "d", 1.0), ("c", "e", 1.0), ("y", "z", 1.0)])
    assert {merged[video_id]["cluster_id"] for video_id in "abcde"} == {name}
    assert merged["y"]["cluster_id"] == other
    assert {(row["cluster_id"], row["event"], row["other_cluster_id"]) for row in night.news} == {
        (name, "grown", None),
        (part, "merged", name),
        (other, "grown", None),
        (other, "shrunk", None),
    }

    assert night.cluster([]) == {}
    assert {(row["cluster_id"], row["event"]) for row in night.news} == {(name, "dissolved"), (other, "dissolved")}

    again = night.cluster([("a", "b", 1.0), ("b", "c", 1.0)])
    assert again["a"]["cluster_id"] not in {name, other, part}


def test_the_half_with_the_keeper_keeps_the_id_of_a_split_cluster(night: Night) -> None:
    videos = [("a", 2, 1), ("b", 2, 1), ("c", 1, 1), ("d", 2, 1)]
    whole = night.cluster([("a", "b", 1.0), ("b", "c", 1.0), ("c", "d", 1.0)], videos)
    halves = night.cluster([("a", "b", 1.0), ("c", "d", 1.0)], videos)
    assert halves["c"]["cluster_id"] == whole["c"]["cluster_id"]
    assert halves["a"]["cluster_id"] != whole["c"]["cluster_id"]


def test_events_of_a_journal_ahead_of_the_clusters_are_not_repeated(night: Night) -> None:
    """The run was killed after the journal was committed and before the clusters were."""
    night.cluster([("a", "b", 1.0)])
    before = night.stored
    ahead = night.cluster([("a", "b", 1.0), ("b", "c", 1.0), ("x", "y", 1.0)])
    night.stored = before
    assert night.cluster([("a", "b", 1.0), ("b", "c", 1.0), ("x", "y", 1.0)]) == ahead
    assert night.news == []


def test_a_decision_about_a_lost_or_removed_video_is_not_followed(night: Night) -> None:
    decided = [("a", "b", "duplicate"), ("b", "c", "duplicate"), ("d", "e", "duplicate"), ("a", "a", "keep_this")]
    assert night.cluster([], decided=decided, lost=["a"], removed=["d"]).keys() == {"b", "c"}
    assert night.cluster([], decided=decided)["b"]["keeper_reason"] == "keep_this, decided by ann"
