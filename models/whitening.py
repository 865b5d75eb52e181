"""Whitening of video descriptors: what all videos have in common is taken out, and every direction weighs the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.pooling import standardise

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Whitening:
    """A linear map from standardised descriptors to white ones.

    PCA-whitening of descriptors for retrieval: Jegou and Chum 2012, Negative Evidences and Co-occurrences in Image
    Retrieval, section 4.

    Attributes:
        mean: float32 (dim,), of the training frames.
        projection: float32 (dim, num_dims), principal directions over their standard deviations.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    def embed(self, video_descriptors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Whiten video descriptors, as `models.pooling.pool_video` gives them.

        Args:
            video_descriptors: (n, dim), each of mean 0 and norm 1.

        Returns:
            float32 (n, num_dims), unit norm. A row whose descriptor is the mean itself becomes zeros.
        """
        white = (video_descriptors.astype(np.float64) - self.mean) @ self.projection.astype(np.float64)
        return to_unit_norm(white)


def to_unit_norm(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Divide each row by its L2 norm; a zero row stays zero. (n, dim) -> float32 (n, dim)."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    return unit


def fit_whitening(frame_descriptors: NDArray[np.floating[Any]], num_dims: int) -> Whitening:
    """Fit on frames of many unlike videos.

    Args:
        frame_descriptors: (n, dim), n > num_dims; as many frames of a long video as of a short one, lest it rule.
        num_dims: directions kept, those of the largest variance.

    Returns:
        The same for the same frames in the same order; each direction's largest component is positive.

    Raises:
        ValueError: there are too few frames for so many directions.
    """
    if len(frame_descriptors) <= num_dims:
        raise ValueError(f"{num_dims} dimensions need more than so many frames, got {len(frame_descriptors)}")
    frames = standardise(frame_descriptors.astype(np.float64))
    mean = frames.mean(axis=0)
    variances, directions = np.linalg.eigh(np.cov((frames - mean).T))
    variances, directions = variances[::-1][:num_dims], directions[:, ::-1][:, :num_dims]
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(num_dims)]
    projection = directions * np.sign(largest) / np.sqrt(variances)
    return Whitening(mean.astype(np.float32), projection.astype(np.float32))
