"""Fits a codebook to frames by k-means, and counts the videos that contain each word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.codebook import Codebook, normalise_blocks
from udfs.embedding.embed import read_frames

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_NUM_ITERATIONS = 25
_MAX_FRAMES_PER_WORD = 256  # if there are more, FAISS samples this many frames per word
_CHUNK_ROWS = 4096


def fit_codebook(
    frames: NDArray[np.floating[Any]], block_dims: Sequence[int], num_words: int, seed: int = 0
) -> Codebook:
    """Cluster each block of the frames into words, by Lloyd's k-means from random frames.

    It runs 25 iterations on at most 256 frames per word, on all GPUs if FAISS detects any, else on the CPU. Words are
    rounded to half precision, as an artefact stores them, so that counting uses the same words as production. All words
    have the same weight until `Codebook.weigh`. Runs on: driver. Memory: twice one block of the frames at float32.

    Args:
        frames: (n, dim), n >= num_words; the same number per video, so that long videos do not dominate.
        block_dims: lengths of the blocks: (dim,) for vector aggregation, one per layer for layer aggregation.
        num_words: words per block, >= 1.
        seed: in [0, 2^31).

    Returns:
        The codebook; on one machine the same bytes for the same frames, order and seed.

    Raises:
        ValueError: there are fewer frames than words, or the block lengths do not add up to the descriptor length.
    """
    import numpy as np

    if len(frames) < num_words:
        raise ValueError(f"{num_words} words need at least as many frames, got {len(frames)}")
    if sum(block_dims) != frames.shape[1]:
        raise ValueError(
            f"block_dims must add up to the descriptor length {frames.shape[1]}, got {sum(block_dims)}: "
            "pass the blocks of this backbone"
        )
    ends = np.cumsum(block_dims)
    words = [_cluster(frames[:, end - dim : end], num_words, seed) for dim, end in zip(block_dims, ends, strict=True)]
    return Codebook(tuple(words), np.ones(len(words) * num_words, dtype=np.float32))


def _cluster(block: NDArray[np.floating[Any]], num_words: int, seed: int) -> NDArray[np.float32]:
    """Return the cluster centres of one block: (n, block_dim) -> float32 (num_words, block_dim)."""
    import faiss
    import numpy as np

    num_frames, dim = block.shape
    rows = np.empty((num_frames, dim), dtype=np.float32)
    for begin in range(0, num_frames, _CHUNK_ROWS):
        (rows[begin : begin + _CHUNK_ROWS],) = normalise_blocks(block[begin : begin + _CHUNK_ROWS], (dim,))
    kmeans = faiss.Kmeans(
        dim,
        num_words,
        niter=_NUM_ITERATIONS,
        seed=seed,
        max_points_per_centroid=_MAX_FRAMES_PER_WORD,
        min_points_per_centroid=1,  # FAISS warns below this; fewer frames than words is an error above
        gpu=faiss.get_num_gpus() > 0,
    )
    kmeans.train(rows)
    return np.asarray(kmeans.centroids, dtype=np.float16).astype(np.float32)


def count_videos_by_word(batches: Iterator[pd.DataFrame], codebook: Codebook) -> Iterator[pd.DataFrame]:
    """Count the videos of a partition that contain each word: frame_descriptors -> (word, num_videos).

    `word` is the number of a word in the vectors of the codebook. Words without videos are left out. Runs on: executor,
    by `mapInPandas`.
    """
    import numpy as np
    import pandas as pd

    counts = np.zeros(len(codebook.idf), dtype=np.int64)
    dim = sum(codebook.block_dims)
    for batch in batches:
        for stored in batch["frame_descriptors"]:
            counts[np.unique(codebook.find_words(read_frames(stored, dim)))] += 1
    seen = np.flatnonzero(counts)
    yield pd.DataFrame({"word": seen, "num_videos": counts[seen]})
