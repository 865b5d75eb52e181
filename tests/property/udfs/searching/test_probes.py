"""So many cells are chosen that as many pairs are found as are wanted, and no more cells than that."""

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
faiss.omp_set_num_threads(1)  # so little work is done before a second thread has woken up


def draw_sample(count: int, rows_of_a_video: int, seed: int) -> Chunk:
    """Draw vectors around a few topics; runs of rows belong to one video."""
    chance = np.random.default_rng(seed)
    topics = chance.normal(size=(6, DIM))
    vectors = topics[chance.integers(0, len(topics), count)] + chance.normal(scale=0.7, size=(count, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = [f"v{number // rows_of_a_video:04}" for number in range(count)]
    return Chunk(pa.array(ids), vectors.astype(np.float32))


def recall_by_probes(sample: Chunk, nearest: np.ndarray, threshold: float) -> list[float]:
    """The share of all pairs of two videos of which one's cell is among the other's nearest, by their number."""
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
def test_the_fewest_cells_that_find_enough_are_chosen(
    count: int, rows_of_a_video: int, min_recall: float, seed: int
) -> None:
    sample = draw_sample(count, rows_of_a_video, seed)
    threshold = 0.75  # few enough pairs that each row's are all looked at
    probes, nearest = choose(sample, threshold, min_recall)
    if probes.num_pairs < 100:
        return
    recalls = recall_by_probes(sample, nearest, threshold)
    assert probes.recall == recalls[probes.num_probes - 1]
    assert probes.recall >= min_recall
    assert probes.num_probes == 1 or recalls[probes.num_probes - 2] < min_recall


@given(st.integers(2, 30), st.integers(0, 99))
def test_of_too_few_pairs_nothing_is_concluded(count: int, seed: int) -> None:
    sample = draw_sample(max(count, NUM_CELLS), 1, seed)
    probes, _ = choose(sample, 0.999, 1.0)
    assert probes.num_probes == 8
    assert probes.num_pairs < 100
    assert (probes.recall is None) == (probes.num_pairs == 0)


def test_no_large_topic_speaks_for_all() -> None:
    """Of 600 equal videos each meets 599 in its own cell; those of pairs that lie apart are not drowned."""
    chance = np.random.default_rng(0)
    alike = np.tile(chance.normal(size=DIM), (600, 1))
    vectors = np.concatenate([alike, draw_sample(600, 1, 0).vectors])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sample = Chunk(pa.array([f"v{number:04}" for number in range(len(vectors))]), vectors.astype(np.float32))
    probes, _ = choose(sample, 0.7, 0.99)
    assert probes.num_probes > 1
    assert probes.num_pairs < 50 * len(vectors) + 1
