"""Nights in any order find what one search of everything finds; videos that are the same are searched as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.tables import embeddings, pairs
from tests.support.lakes import TINY, make_run, make_search_inputs, none_in_quarantine, present_in

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    Lake = dict[str, tuple[str, int]]
    """video_id -> its content, and the number of its vector in VECTORS."""
    Row = tuple[str, str, float, float]
    """left_id, right_id, cosine_similarity, match_probability."""

THRESHOLD = 0.5
NUM_VECTORS = 6
NUM_GROUPS = 8
# Each example is three searches of many Spark jobs. So there are two, and the second has several groups of videos: the
# first is Hypothesis's simplest one, in which all lakes are empty.
FEW = settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def make_vectors() -> np.ndarray:
    """Draw unit vectors of which some are near each other, and one of zeros, for each group of videos.

    Each group has four dimensions of its own, so that vectors of different groups are orthogonal.
    """
    chance = np.random.default_rng(5)
    vectors = chance.normal(size=(NUM_VECTORS, 4))
    vectors[1] = vectors[0] + chance.normal(scale=0.1, size=4)
    vectors[3] = vectors[2] + chance.normal(scale=0.4, size=4)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[5] = 0.0
    return np.kron(np.eye(NUM_GROUPS), vectors).astype(np.float32)


VECTORS = make_vectors()


def embed(spark: SparkSession, lake: Lake, model_id: str) -> DataFrame:
    rows = [
        (video_id, model_id, 0, 0.0, 8.0, content, "a run", VECTORS[number].tolist(), None, None, None)
        for video_id, (content, number) in lake.items()
    ]
    return spark.createDataFrame(rows, embeddings.TABLE.schema)


def search(spark: SparkSession, told: dict[str, Any], lake: Lake, seen: Lake, found: list[Any]) -> list[Any]:
    """Run one night's search after one that has seen some videos and found some pairs."""
    run = make_run(spark, Path("/manifest.csv"), TINY | {"pairs": {"min_cosine_similarity": THRESHOLD} | told})
    rows = embed(spark, lake, run.model.model_id)
    known = rows.union(embed(spark, seen, run.model.model_id)).distinct()
    inputs = {
        "manifest": present_in(rows),
        "quarantine": none_in_quarantine(spark),
        "embeddings": rows,
        **make_search_inputs(known, run.model.model_id),
        "seen_embeddings": embed(spark, seen, run.model.model_id),
        "pairs": spark.createDataFrame(found, pairs.TABLE.schema),
    }
    built = pairs.build(inputs, run).rows
    return built.select(*[field.name for field in pairs.TABLE.schema.fields]).collect()


def told_in(rows: list[Any]) -> list[Row]:
    columns = ("left_id", "right_id", "cosine_similarity", "alignment_similarity")
    return sorted(tuple(row[name] for name in columns) for row in rows)


def expected_in(lake: Lake) -> list[Row]:
    """Say what a search must find, by the definition: first of each content, of these the first of each vector."""
    first: dict[str, str] = {}
    for video_id in sorted(lake):
        first.setdefault(lake[video_id][0], video_id)
    found = [(first[lake[v][0]], v, 1.0, None) for v in lake if v != first[lake[v][0]]]
    leader: dict[int, str] = {}
    for video_id in sorted(first.values()):
        leader.setdefault(lake[video_id][1], video_id)
    found += [
        (leader[lake[v][1]], v, 1.0, None)
        for v in first.values()
        if v != leader[lake[v][1]] and VECTORS[lake[v][1]].any()
    ]
    searched = sorted(leader.values())
    for place, left in enumerate(searched):
        for right in searched[place + 1 :]:
            one, other = (VECTORS[lake[v][1]].astype(np.float64) for v in (left, right))
            cosine = round(float(one @ other), 6)
            if cosine >= THRESHOLD:
                found.append((left, right, cosine, None))
    return sorted(found)


@st.composite
def draw_nights(draw: st.DrawFn) -> list[Lake]:
    """Draw the videos of a lake after each of three nights: videos are added, change their content, and are removed."""
    nights: list[Lake] = [{}, {}, {}]
    for group in range(NUM_GROUPS):
        numbers = draw(st.lists(st.integers(0, NUM_VECTORS - 1), min_size=8, max_size=8))
        lake: Lake = {}
        for night in nights:
            ids = st.integers(0, 8)
            for video, content in draw(st.dictionaries(ids, st.none() | st.integers(0, 7), max_size=6)).items():
                if content is None:
                    lake.pop(f"g{group}v{video}", None)
                else:
                    lake[f"g{group}v{video}"] = (f"{group} {content}", NUM_VECTORS * group + numbers[content])
            night.update(lake)
    return nights


@pytest.mark.slow
@FEW
@given(draw_nights())
def test_nights_in_any_order_find_what_one_search_of_everything_finds(spark: SparkSession, nights: list[Lake]) -> None:
    seen: Lake = {}
    found: list[Any] = []
    for lake in nights:
        found = search(spark, {}, lake, seen, found)
        assert told_in(found) == expected_in(lake)
        seen = lake


@pytest.fixture(scope="module")
def first_night(spark: SparkSession) -> list[Any]:
    return search(spark, {}, {"b": ("x", 0), "c": ("y", 1), "e": ("z", 2)}, {}, [])


def test_a_smaller_id_of_a_content_takes_the_pairs_of_the_one_that_was_first(
    spark: SparkSession, first_night: list[Any]
) -> None:
    assert [row[:2] for row in told_in(first_night)] == [("b", "c")]
    seen = {"b": ("x", 0), "c": ("y", 1), "e": ("z", 2)}
    second = search(spark, {}, {"a": ("x", 0)} | seen, seen, first_night)
    assert [row[:2] for row in told_in(second)] == [("a", "b"), ("a", "c")]


def test_one_that_stood_for_others_and_is_gone_leaves_its_pairs_to_the_next(spark: SparkSession) -> None:
    seen: Lake = {"a": ("w", 0), "b": ("x", 0), "c": ("y", 1)}
    first = search(spark, {}, seen, {}, [])
    assert [row[:2] for row in told_in(first)] == [("a", "b"), ("a", "c")]
    second = search(spark, {}, {"b": ("x", 0), "c": ("y", 1)}, seen, first)
    assert [row[:2] for row in told_in(second)] == [("b", "c")]


def test_pairs_of_what_was_seen_are_taken_as_they_are_stored(spark: SparkSession, first_night: list[Any]) -> None:
    seen: Lake = {"b": ("x", 0), "c": ("y", 1), "e": ("z", 2)}
    changed = [row.asDict() | {"match_probability": 0.123, "run_id": "the first"} for row in first_night]
    second = search(spark, {}, seen | {"d": ("u", 5)}, seen, changed)
    assert {(row["match_probability"], row["run_id"]) for row in second} == {(0.123, "the first")}


def test_switched_off_all_is_searched_again(spark: SparkSession, first_night: list[Any]) -> None:
    seen: Lake = {"b": ("x", 0), "c": ("y", 1), "e": ("z", 2)}
    changed = [row.asDict() | {"match_probability": 0.123} for row in first_night]
    second = search(spark, {"incremental": False}, seen, seen, changed)
    assert [row["match_probability"] for row in second] == [row["match_probability"] for row in first_night]


def test_twins_are_surely_and_wholly_copies(spark: SparkSession) -> None:
    (row,) = search(spark, {}, {"b": ("x", 5), "a": ("x", 5)}, {}, [])
    told = row.asDict()
    assert (told["left_id"], told["right_id"], told["relation"]) == ("a", "b", "copy")
    assert (told["match_probability"], told["cosine_similarity"], told["alignment_similarity"]) == (1.0, 1.0, None)
    assert (told["left_start_seconds"], told["left_end_seconds"], told["right_coverage"]) == (0.0, 8.0, 1.0)


def test_many_of_one_content_have_one_pair_each(spark: SparkSession) -> None:
    lake: Lake = {f"v{number:02}": ("x", 0) for number in range(40)} | {"w": ("y", 1)}
    found = told_in(search(spark, {}, lake, {}, []))
    assert len(found) == 40
    assert {left for left, *_ in found} == {"v00"}
