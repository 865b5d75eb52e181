"""The plans of the search of all pairs: what each finds, and how one is chosen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from jobs.config.settings import PairsConfig
from jobs.contracts.run import keep_on_executors
from jobs.contracts.run_log import log_to
from jobs.pairing.candidates import Plan, choose_plan, plan_search, search_candidates
from udfs.embedding.embed import pack_vectors
from udfs.searching.codes import decode, measure_code_error

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from jobs.pairing.candidates import SearchResult

    Found = dict[tuple[str, str], float]

NUM_VIDEOS, NUM_SEGMENTS, DIM, THRESHOLD = 120, 3, 16, 0.8


def make_vectors() -> np.ndarray:
    """Draw segments of videos, float32 (videos, segments, dim), about a few centres, so that many of them meet."""
    chance = np.random.default_rng(3)
    centres = chance.normal(size=(10, DIM))
    vectors = centres[chance.integers(0, 10, (NUM_VIDEOS, NUM_SEGMENTS))]
    vectors = vectors + chance.normal(scale=0.5, size=vectors.shape)
    return (vectors / np.linalg.norm(vectors, axis=2, keepdims=True)).astype(np.float32)


VECTORS = make_vectors()


FLAT = VECTORS.reshape(-1, DIM)
CODES = decode(np.frombuffer(pack_vectors(FLAT), np.int8).reshape(FLAT.shape)).reshape(VECTORS.shape)
MARGIN = measure_code_error(FLAT).margin
"""A search by cells compares codes, with a lower threshold. Here its sample is all rows, sorted by id."""


def expected_among(is_unsearched: np.ndarray, vectors: np.ndarray = VECTORS, threshold: float = THRESHOLD) -> Found:
    """Compare all with all, in the plainest way."""
    found = {}
    for i in range(NUM_VIDEOS):
        for j in range(i + 1, NUM_VIDEOS):
            best = round(float((vectors[i].astype(float) @ vectors[j].astype(float).T).max()), 6)
            if best >= threshold and (is_unsearched[i] or is_unsearched[j]):
                found[f"v{i:03}", f"v{j:03}"] = best
    return found


def expected_of_codes(is_unsearched: np.ndarray) -> Found:
    return expected_among(is_unsearched, CODES, THRESHOLD - MARGIN)


def to_rows(spark: SparkSession, is_unsearched: np.ndarray) -> DataFrame:
    rows = [
        (f"v{i:03}", j, VECTORS[i, j].tolist(), bool(is_unsearched[i]))
        for i in range(NUM_VIDEOS)
        for j in range(NUM_SEGMENTS)
    ]
    return spark.createDataFrame(rows, "video_id STRING, segment_index INT, vector ARRAY<FLOAT>, is_unsearched BOOLEAN")


def search(rows: DataFrame, plan: str, **told: Any) -> tuple[Found, SearchResult]:
    config = PairsConfig(plan=plan, **told)
    done = search_candidates(rows, THRESHOLD, config, plan_search(rows, config), keep_on_executors)
    found = done.rows.collect()
    assert len({row[:2] for row in found}) == len(found)
    return {(row[0], row[1]): row[2] for row in found}, done


ALL = np.ones(NUM_VIDEOS, dtype=bool)


@pytest.mark.parametrize("block_rows", [50, 5000])
def test_blocks_find_all_and_each_once_whatever_their_size(
    spark: SparkSession, block_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.pairing.candidates._MIN_BLOCK_ROWS", 1)
    found, done = search(to_rows(spark, ALL), "exact", block_rows=block_rows)
    assert found == expected_among(ALL)
    assert done.recall is None


@pytest.mark.parametrize("num_unsearched", [1, 30])
def test_what_is_new_is_held_against_all_and_the_rest_is_left(
    spark: SparkSession, num_unsearched: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.pairing.candidates._MIN_BLOCK_ROWS", 1)
    is_unsearched = np.arange(NUM_VIDEOS) % NUM_VIDEOS < num_unsearched
    found, _ = search(to_rows(spark, is_unsearched), "auto", block_rows=60)
    assert found == expected_among(is_unsearched)


def test_nothing_new_finds_nothing(spark: SparkSession) -> None:
    assert search(to_rows(spark, ~ALL), "auto")[0] == {}


@pytest.mark.parametrize("block_rows", [40, 5000], ids=["cells are cut", "no cell is cut"])
def test_cells_find_all_where_every_cell_is_looked_in(spark: SparkSession, block_rows: int) -> None:
    found, done = search(to_rows(spark, ALL), "cells", cell_rows=60, num_probes=99, block_rows=block_rows)
    assert found == expected_of_codes(ALL)
    assert found.keys() >= expected_among(ALL).keys()
    assert done.recall == 1.0


@pytest.mark.parametrize("max_queries", [1000, 1], ids=["the new ones are sent to the stored", "all are joined"])
def test_of_what_cells_find_the_pairs_with_a_new_video_are_given(
    spark: SparkSession, max_queries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.pairing.cell_search.MAX_QUERIES", max_queries)
    is_unsearched = np.arange(NUM_VIDEOS) % 3 == 0
    told = {"cell_rows": 60, "num_probes": 99, "max_exact_teraflop": 1e-9}
    found, done = search(to_rows(spark, is_unsearched), "cells", **told)
    assert found == expected_of_codes(is_unsearched)
    assert done.recall == 1.0


def test_cells_that_miss_some_say_so_and_find_no_others(spark: SparkSession) -> None:
    found, done = search(to_rows(spark, ALL), "cells", cell_rows=12, num_probes=1, recall_rows=400)
    expected = expected_of_codes(ALL)
    assert found.items() <= expected.items() or all(expected[pair] >= found[pair] for pair in found)
    assert 0 < len(found) < len(expected)
    assert done.recall == pytest.approx(len(found) / len(expected), abs=0.02)


@pytest.mark.parametrize("wanted", [0.5, 1.0])
def test_so_many_cells_are_looked_in_as_find_the_share_that_is_wanted(spark: SparkSession, wanted: float) -> None:
    """The sample is all there is here, so what is chosen by it holds for all."""
    found, done = search(to_rows(spark, ALL), "cells", cell_rows=12, min_search_recall=wanted, recall_rows=400)
    share = len(found) / len(expected_of_codes(ALL))
    assert share >= wanted
    assert (share == 1.0) == (wanted == 1.0)
    assert done.recall == pytest.approx(share, abs=0.02)


def test_a_sample_of_no_rows_estimates_nothing(spark: SparkSession) -> None:
    assert search(to_rows(spark, ALL), "cells", cell_rows=60, recall_rows=0)[1].recall is None


def test_the_log_tells_the_plan_and_why(spark: SparkSession, tmp_path: Path) -> None:
    with log_to(tmp_path / "log.jsonl", "a-run"):
        plan_search(to_rows(spark, ALL), PairsConfig())
    (line,) = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert (line["message"], line["plan"], line["num_vectors"]) == ("search planned", "exact", 360)
    assert line["why"] == "2.07e-06 TFLOP, at most 200"


@pytest.mark.parametrize(
    ("num_rows", "num_unsearched", "told", "expected"),
    [
        (10_000, 10_000, {}, Plan("exact", "0.0256 TFLOP, at most 200", 10_000, 10_000)),
        (
            1_000_000,
            1_000_000,
            {},
            Plan("cells", "exact search would take 256 TFLOP, more than 200", 1_000_000, 1_000_000),
        ),
        (1_000_000, 10_000, {}, Plan("incremental", "5.09 TFLOP for new vectors, at most 200", 1_000_000, 10_000)),
        (
            1_000_000,
            10_000,
            {"incremental": False, "plan": "exact"},
            Plan("exact", "as configured", 1_000_000, 1_000_000),
        ),
        (10_000, 10_000, {"plan": "cells"}, Plan("cells", "as configured", 10_000, 10_000)),
        (10_000, 10, {"plan": "cells"}, Plan("incremental", "5.12e-05 TFLOP for new vectors, at most 200", 10_000, 10)),
        (
            2_000_000,
            900_000,
            {},
            Plan("cells", "exact search would take 1.02e+03 TFLOP, more than 200", 2_000_000, 900_000),
        ),
        (
            2_000_000,
            900_000,
            {"incremental": False},
            Plan("cells", "exact search would take 1.02e+03 TFLOP, more than 200", 2_000_000, 2_000_000),
        ),
        (0, 0, {}, Plan("exact", "0 TFLOP, at most 200", 0, 0)),
    ],
)
def test_the_plan_is_chosen_by_what_exact_search_would_cost(
    num_rows: int, num_unsearched: int, told: dict[str, Any], expected: Plan
) -> None:
    assert choose_plan(num_rows, num_unsearched, 256, PairsConfig(**told)) == expected


def test_cells_of_the_lake_are_used_whatever_exact_search_would_cost() -> None:
    assert choose_plan(1000, 10, 256, PairsConfig(), has_cells=True) == Plan("cells", "the lake has cells", 1000, 10)
    assert choose_plan(1000, 10, 256, PairsConfig(incremental=False), has_cells=True).num_unsearched == 1000
