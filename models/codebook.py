"""Bag of visual words: a video's vector is the tf-idf weighted histogram of the words of its frames.

Kordopatis-Zilos et al. 2017, Near-Duplicate Video Retrieval by Aggregating Intermediate CNN Layers (MMM). Its authors
published only the code of the descriptors. Where the paper leaves a choice open, the docstrings here state ours.
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

_CHUNK_ROWS = 256  # so that memory does not grow with the length of a video
_SIMILARITY_DECIMALS = 6


@dataclass(frozen=True)
class Codebook:
    """Visual words and their weights; `udfs.embedding.fit_codebook` fits them.

    A descriptor is split into blocks. In each block, each frame is assigned to the nearest word. One block that is the
    whole descriptor is the paper's vector aggregation; one block per layer is its layer aggregation.

    Attributes:
        words: one float32 (num_words, block_dim) array per block; the block_dims add up to the descriptor's length.
        idf: float32 (num_dims,), the weight of each word, in the order of the blocks.
    """

    kind: ClassVar[str] = "codebook"
    words: tuple[NDArray[np.float32], ...]
    idf: NDArray[np.float32]

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Create the codebook from the tensors of an artefact."""
        words = tuple(tensors[f"words_{block}"].astype(np.float32) for block in range(len(tensors) - 1))
        return cls(words, tensors["idf"].astype(np.float32))

    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the tensors that an artefact stores."""
        return {f"words_{block}": words for block, words in enumerate(self.words)} | {"idf": self.idf}

    @property
    def block_dims(self) -> tuple[int, ...]:
        """Length of each block of a descriptor."""
        return tuple(words.shape[1] for words in self.words)

    def weigh(self, num_videos_by_word: NDArray[np.int64], num_videos: int) -> Self:
        """Return the same words weighted by their inverse document frequency, ln(num_videos / num_videos_by_word).

        A word that occurs in no video is treated as if it occurred in one, so that its weight is finite; it has the
        largest weight. A word that occurs in all videos has weight 0. Source: Sparck Jones 1972, A Statistical
        Interpretation of Term Specificity.

        Args:
            num_videos_by_word: int64 (num_dims,), number of training videos with at least one frame of the word.
            num_videos: number of training videos, >= 1.
        """
        idf = np.log(num_videos / np.maximum(num_videos_by_word, 1))
        return replace(self, idf=idf.astype(np.float32))

    def find_words(self, descriptors: Descriptors) -> NDArray[np.int64]:
        """Return the nearest word of each frame in each block: (n, dim) -> int64 (n, num_blocks), in [0, num_dims).

        Nearest by Euclidean distance to the normalised block (`normalise_blocks`); among equal distances, the first.
        """
        firsts = np.cumsum([0, *(len(words) for words in self.words[:-1])])
        found = np.empty((len(descriptors), len(self.words)), dtype=np.int64)
        for begin in range(0, len(descriptors), _CHUNK_ROWS):
            blocks = normalise_blocks(descriptors[begin : begin + _CHUNK_ROWS], self.block_dims)
            for place, (rows, words) in enumerate(zip(blocks, self.words, strict=True)):
                found[begin : begin + _CHUNK_ROWS, place] = _find_nearest(rows, words) + firsts[place]
        return found

    def embed_video(self, descriptors: Descriptors) -> NDArray[np.float32]:
        """Embed a video from all its frames: (n, dim) -> float32 (num_dims,), sparse, unit norm.

        The value of a word is tf * idf, where tf is the fraction of the frames with this word. If all words of the
        video have weight 0, the vector is zero.
        """
        counts = np.bincount(self.find_words(descriptors).ravel(), minlength=len(self.idf))
        vector: NDArray[np.float32] = to_unit_norm((counts / len(descriptors) * self.idf)[np.newaxis])[0]
        return vector


def normalise_blocks(descriptors: Descriptors, block_dims: Sequence[int]) -> Iterator[NDArray[np.float32]]:
    """Split descriptors into blocks and divide each block by its L2 norm: (n, dim) -> float32 (n, block_dim) per block.

    The published code of the descriptors (MKLab-ITI/intermediate-cnn-features) ends with the L2 normalisation of each
    layer, so words are searched in this space and all layers have the same weight. The subtraction of the mean
    (`models.normalise.standardise`) belongs to the averaging of the later paper and is not done here.
    """
    ends = np.cumsum(block_dims)
    for dim, end in zip(block_dims, ends, strict=True):
        yield to_unit_norm(descriptors[:, end - dim : end])


def _find_nearest(rows: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the index of the nearest word of each row: |r - w|^2 is smallest where r.w - |w|^2 / 2 is largest."""
    half_squared_norms = np.einsum("wd,wd->w", words, words) / 2
    nearest: NDArray[np.int64] = (rows @ words.T - half_squared_norms).argmax(axis=1)
    return nearest


def cosine_similarity(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cosine similarity of all pairs of unit rows: (n, dim), (m, dim) -> float64 (n, m), in [-1, 1]."""
    cosines: NDArray[np.float64] = np.clip(left.astype(np.float64) @ right.T.astype(np.float64), -1.0, 1.0)
    return cosines


def euclidean_similarity(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return 1 - d / max d, rounded to 6 decimals, for the Euclidean distance d of all pairs of rows.

    (n, dim), (m, dim) -> float64 (n, m), in [0, 1]. The values are relative to max d of this matrix, so values of
    different matrices are not comparable. For unit vectors d^2 = 2 - 2 cos, so the order of pairs is that of
    `cosine_similarity`. Source: MKLab-ITI/ndvr-dml, evaluation.py.
    """
    one, other = left.astype(np.float64), right.astype(np.float64)
    squared = (one**2).sum(axis=1)[:, np.newaxis] + (other**2).sum(axis=1) - 2 * one @ other.T
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squared, 0.0))
    largest = float(distances.max(initial=0.0))
    return (1 - distances / (largest or 1.0)).round(_SIMILARITY_DECIMALS)
