"""Frames to the words of a codebook by k-means, and videos to how many of them have each word."""

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
_MAX_FRAMES_PER_WORD = 256  # FAISS draws so many times num_words frames, by the seed, where there are more
_CHUNK_ROWS = 4096


def fit_codebook(
    frames: NDArray[np.floating[Any]], block_dims: Sequence[int], num_words: int, seed: int = 0
) -> Codebook:
    """Cluster each block of the frames to words, by Lloyd's k-means from frames drawn by the seed.

    25 iterations, at most 256 frames a word; on all GPUs if FAISS sees any, else on the CPU. The words are rounded to
    half precision, as an artefact stores them, so that what is counted with them is what will run. All words weigh the
    same until `Codebook.weigh`. Runs on: driver. Memory: one block of the frames at float32, twice.

    Args:
        frames: (n, dim), n >= num_words; as many of a long video as of a short one, lest it rule.
        block_dims: lengths of the blocks: (dim,) for vector aggregation, those of the layers for layer aggregation.
        num_words: words of each block, >= 1.
        seed: in [0, 2^31).

    Returns:
        The same bytes for the same frames in the same order and the same seed, on one machine.

    Raises:
        ValueError: there are fewer frames than words, or the blocks do not make up the descriptors.
    """
    import numpy as np

    if len(frames) < num_words:
        raise ValueError(f"{num_words} words need at least as many frames, got {len(frames)}")
    if sum(block_dims) != frames.shape[1]:
        raise ValueError(f"blocks of {sum(block_dims)} numbers cannot make up descriptors of {frames.shape[1]}")
    ends = np.cumsum(block_dims)
    words = [_cluster(frames[:, end - dim : end], num_words, seed) for dim, end in zip(block_dims, ends, strict=True)]
    return Codebook(tuple(words), np.ones(len(words) * num_words, dtype=np.float32))


def _cluster(block: NDArray[np.floating[Any]], num_words: int, seed: int) -> NDArray[np.float32]:
    """Return the centres of one block's clusters: (n, block_dim) -> float32 (num_words, block_dim)."""
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
        min_points_per_centroid=1,  # fewer would be warned of; too few for so many words is an error above
        gpu=faiss.get_num_gpus() > 0,
    )
    kmeans.train(rows)
    return np.asarray(kmeans.centroids, dtype=np.float16).astype(np.float32)


def count_videos_by_word(batches: Iterator[pd.DataFrame], codebook: Codebook) -> Iterator[pd.DataFrame]:
    """Count the videos of a partition that have each word: frame_descriptors -> (word, num_videos), once a partition.

    A word is its number in the codebook's vectors. Words that none has are left out. Runs on: executor, by
    `mapInPandas`.
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
