"""Bag of visual words: a video as a tf-idf weighted histogram of the words that its frames vote for.

Kordopatis-Zilos et al. 2017, Near-Duplicate Video Retrieval by Aggregating Intermediate CNN Layers (MMM). Its authors
published the descriptors' code alone; what the paper leaves open is decided, and said, here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from models.normalise import to_unit_norm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Descriptors = NDArray[np.floating[Any]]
    Tensors = Mapping[str, NDArray[np.floating[Any]]]

_CHUNK_ROWS = 256  # an hour of frames costs no more memory than a minute
_SIMILARITY_DECIMALS = 6


@dataclass(frozen=True)
class Codebook:
    """Counts the words of a video's frames; `udfs.embedding.fit_codebook` fits it.

    A descriptor is cut into blocks, and each frame votes once in each block, for the word nearest to it. One block that
    is the whole descriptor is the paper's vector aggregation; a block for each layer its layer aggregation.

    Attributes:
        words: float32 (num_words, block_dim), a block each; the block_dims add up to the descriptor's length.
        idf: float32 (num_dims,), the weight of each word, block after block.
    """

    kind: ClassVar[str] = "codebook"
    words: tuple[NDArray[np.float32], ...]
    idf: NDArray[np.float32]

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Take it from an artefact."""
        words = tuple(tensors[f"words_{block}"].astype(np.float32) for block in range(len(tensors) - 1))
        return cls(words, tensors["idf"].astype(np.float32))

    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Give what an artefact stores."""
        return {f"words_{block}": words for block, words in enumerate(self.words)} | {"idf": self.idf}

    @property
    def block_dims(self) -> tuple[int, ...]:
        """Length of each block of a descriptor."""
        return tuple(words.shape[1] for words in self.words)

    def weigh(self, num_videos_by_word: NDArray[np.int64], num_videos: int) -> Self:
        """Return the same words weighted by their inverse document frequency, ln(num_videos / num_videos_by_word).

        A word that no video has counts as if one had it: the weight stays finite and is the largest. A word that all
        have weighs nothing. (Sparck Jones 1972, A Statistical Interpretation of Term Specificity.)

        Args:
            num_videos_by_word: int64 (num_dims,), training videos of which at least one frame voted for the word.
            num_videos: training videos, >= 1.
        """
        idf = np.log(num_videos / np.maximum(num_videos_by_word, 1))
        return replace(self, idf=idf.astype(np.float32))

    def find_words(self, descriptors: Descriptors) -> NDArray[np.int64]:
        """Return the word that each frame votes for in each block: (n, dim) -> int64 (n, num_blocks), < num_dims.

        The nearest by Euclidean distance to the normalised block (`normalise_blocks`); of equals the first.
        """
        firsts = np.cumsum([0, *(len(words) for words in self.words[:-1])])
        found = np.empty((len(descriptors), len(self.words)), dtype=np.int64)
        for begin in range(0, len(descriptors), _CHUNK_ROWS):
            blocks = normalise_blocks(descriptors[begin : begin + _CHUNK_ROWS], self.block_dims)
            for place, (rows, words) in enumerate(zip(blocks, self.words, strict=True)):
                found[begin : begin + _CHUNK_ROWS, place] = _find_nearest(rows, words) + firsts[place]
        return found

    def embed_video(self, descriptors: Descriptors) -> NDArray[np.float32]:
        """Embed a video by all its frames: (n, dim) -> float32 (num_dims,), sparse, of unit norm.

        tf * idf, where tf is the share of the frames that voted for the word. Zeros where every word weighs nothing.
        """
        counts = np.bincount(self.find_words(descriptors).ravel(), minlength=len(self.idf))
        vector: NDArray[np.float32] = to_unit_norm((counts / len(descriptors) * self.idf)[np.newaxis])[0]
        return vector


def normalise_blocks(descriptors: Descriptors, block_dims: Sequence[int]) -> Iterator[NDArray[np.float32]]:
    """Cut descriptors into blocks and divide each by its own L2 norm: (n, dim) -> float32 (n, block_dim) each.

    L2 of each layer is where the published code of the descriptors ends (MKLab-ITI/intermediate-cnn-features), so words
    are sought there, and every layer has the same say in the whole. The subtraction of a vector's own mean came with
    the averaging of the later paper (`models.normalise.standardise`) and is no part of this one.
    """
    ends = np.cumsum(block_dims)
    for dim, end in zip(block_dims, ends, strict=True):
        yield to_unit_norm(descriptors[:, end - dim : end])


def _find_nearest(rows: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the number of the nearest word of each row: |r - w|^2 is least where r.w - |w|^2 / 2 is largest."""
    half_squared_norms = np.einsum("wd,wd->w", words, words) / 2
    nearest: NDArray[np.int64] = (rows @ words.T - half_squared_norms).argmax(axis=1)
    return nearest


def cosine_similarity(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compare all rows with all by their angle: unit norm (n, dim), (m, dim) -> float64 (n, m), in [-1, 1]."""
    cosines: NDArray[np.float64] = np.clip(left.astype(np.float64) @ right.T.astype(np.float64), -1.0, 1.0)
    return cosines


def euclidean_similarity(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compare all rows with all by distance: 1 - d / max d, rounded to 6 decimals: (n, dim), (m, dim) -> (n, m).

    In [0, 1], and relative: max d is that of the whole matrix, so a value means nothing beside those of another one. On
    unit vectors d^2 = 2 - 2 cos, so pairs have the same order as by `cosine_similarity`. Source: MKLab-ITI/ndvr-dml,
    evaluation.py.
    """
    one, other = left.astype(np.float64), right.astype(np.float64)
    squared = (one**2).sum(axis=1)[:, np.newaxis] + (other**2).sum(axis=1) - 2 * one @ other.T
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squared, 0.0))
    largest = float(distances.max(initial=0.0))
    return (1 - distances / (largest or 1.0)).round(_SIMILARITY_DECIMALS)
