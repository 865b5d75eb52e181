"""The smallest number of cells with the required recall is chosen."""

from __future__ import annotations

import faiss
import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from udfs.searching.cells import find_cells, train_centroids
from udfs.searching.chunks import Chunk
from udfs.searching.probes import Probes, choose_probes

DIM = 8
NUM_CELLS = 12
faiss.omp_set_num_threads(1)  # starting a second thread takes longer than the work


def draw_sample(count: int, rows_of_a_video: int, seed: int) -> Chunk:
    """Draw vectors around a few topics. Consecutive rows belong to one video."""
    rng = np.random.default_rng(seed)
    topics = rng.normal(size=(6, DIM))
    vectors = topics[rng.integers(0, len(topics), count)] + rng.normal(scale=0.7, size=(count, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [f"v{number // rows_of_a_video:04}" for number in range(count)]
    return Chunk(pa.array(ids), vectors.astype(np.float32))


def recall_by_probes(sample: Chunk, nearest: np.ndarray, threshold: float) -> list[float]:
    """Return, for each number of cells, the share of pairs in which one row's cell is among the other's nearest."""
    ids = sample.video_ids.to_pylist()
    similarities = sample.vectors @ sample.vectors.T
    pairs = [
        (i, j)
        for i in range(len(ids))
        for j in range(i)
        if ids[i] != ids[j] and similarities[i, j] >= threshold
    ]  # fmt: skip
    return [
        np.mean([nearest[i, 0] in nearest[j, :count] or nearest[j, 0] in nearest[i, :count] for i, j in pairs])
        for count in range(1, nearest.shape[1] + 1)
    ]


def choose(sample: Chunk, threshold: float, min_recall: float) -> tuple[Probes, np.ndarray]:
    centroids = train_centroids(sample.vectors, NUM_CELLS, 0)
    nearest = find_cells(centroids, sample.vectors, NUM_CELLS)
    return choose_probes(sample, nearest, threshold, min_recall, seed=1), nearest


@given(st.integers(80, 160), st.integers(1, 3), st.sampled_from([0.5, 0.8, 0.95, 1.0]), st.integers(0, 99))
def test_the_smallest_sufficient_number_of_cells_is_chosen(
    count: int, rows_of_a_video: int, min_recall: float, seed: int
) -> None:
    sample = draw_sample(count, rows_of_a_video, seed)
    threshold = 0.75  # so that no row has more pairs than are evaluated
    probes, nearest = choose(sample, threshold, min_recall)
    if probes.num_pairs < 100:
        return
    recalls = recall_by_probes(sample, nearest, threshold)
    assert probes.recall == recalls[probes.num_probes - 1]
    assert probes.recall >= min_recall
    assert probes.num_probes == 1 or recalls[probes.num_probes - 2] < min_recall


@given(st.integers(2, 30), st.integers(0, 99))
def test_too_few_pairs_lead_to_the_default(count: int, seed: int) -> None:
    sample = draw_sample(max(count, NUM_CELLS), 1, seed)
    probes, _ = choose(sample, 0.999, 1.0)
    assert probes.num_probes == 8
    assert probes.num_pairs < 100
    assert (probes.recall is None) == (probes.num_pairs == 0)


def test_a_large_topic_does_not_dominate() -> None:
    """Each of 600 equal videos has 599 pairs within its own cell. Pairs across cells still count."""
    rng = np.random.default_rng(0)
    equal = np.tile(rng.normal(size=DIM), (600, 1))
    vectors = np.concatenate([equal, draw_sample(600, 1, 0).vectors])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sample = Chunk(pa.array([f"v{number:04}" for number in range(len(vectors))]), vectors.astype(np.float32))
    probes, _ = choose(sample, 0.7, 0.99)
    assert probes.num_probes > 1
    assert probes.num_pairs < 50 * len(vectors) + 1
