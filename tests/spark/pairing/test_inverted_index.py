"""The inverted index finds what FAISS finds, to the last decimal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from udfs.searching.chunks import Chunk
from udfs.searching.inverted_index import search_inverted_index
from udfs.searching.pair_search import search_videos

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    Found = set[tuple[str, str, float]]

# Each example is a Spark job: few of them, all with the one session.
FEW = settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])


def draw_vectors(count: int, seed: int) -> np.ndarray:
    """Draw sparse vectors of 40 dimensions: near copies among them, negative weights, and rows of zeros."""
    chance = np.random.default_rng(seed)
    vectors = chance.normal(0.3, 1.0, (count, 40)) * (chance.random((count, 40)) < 0.15)
    vectors[1::3] = vectors[: len(vectors[1::3])] * chance.uniform(0.8, 1.2, vectors[1::3].shape)
    vectors[5::11] = 0.0
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)


def by_words(spark: SparkSession, vectors: dict[str, np.ndarray], threshold: float) -> list[tuple[str, str, float]]:
    rows = [(video_id, vector.tolist()) for video_id, vector in vectors.items()]
    frame: DataFrame = spark.createDataFrame(rows, "video_id STRING, vector ARRAY<FLOAT>")
    found = search_inverted_index(frame, threshold).collect()
    return [(row["left_id"], row["right_id"], row["cosine_similarity"]) for row in found]


def by_faiss(vectors: dict[str, np.ndarray], threshold: float) -> Found:
    rows = Chunk(pa.array(list(vectors)), np.stack(list(vectors.values())))
    found = search_videos(rows, None, threshold, self_join=True)
    return set() if found is None else {tuple(row.values()) for row in found.to_pylist()}


@FEW
@given(st.integers(2, 60), st.integers(0, 999), st.sampled_from([0.01, 0.2, 0.5, 0.9, 1.0]))
def test_it_finds_what_faiss_finds_with_the_same_similarities(
    spark: SparkSession, count: int, seed: int, threshold: float
) -> None:
    order = np.random.default_rng(seed).permutation(count)
    vectors = {f"v{number:02}": vector for number, vector in zip(order, draw_vectors(count, seed), strict=True)}
    found = by_words(spark, vectors, threshold)
    assert len(found) == len(set(found))
    assert set(found) == by_faiss(vectors, threshold)


def test_a_pair_comes_once_with_the_smaller_id_first(spark: SparkSession) -> None:
    both = np.array([0.6, 0.0, 0.8], np.float32)
    alone = np.array([0.0, 1.0, 0.0], np.float32)
    assert by_words(spark, {"b": both, "a": both, "c": alone}, 0.5) == [("a", "b", 1.0)]


def test_the_threshold_is_held_to_the_sixth_decimal(spark: SparkSession) -> None:
    vectors = {"a": np.array([1.0, 0.0], np.float32), "b": np.array([0.8, 0.6], np.float32)}
    assert by_words(spark, vectors, 0.8) == [("a", "b", 0.8)]
    assert by_words(spark, vectors, 0.800002) == []


@pytest.mark.parametrize("threshold", [0.0, -0.5])
def test_a_threshold_that_unrelated_videos_reach_is_an_error(spark: SparkSession, threshold: float) -> None:
    with pytest.raises(
        ValueError, match=f"threshold of an inverted index must be > 0, got {threshold}: .* share a word"
    ):
        by_words(spark, {"a": np.array([1.0], np.float32)}, threshold)
