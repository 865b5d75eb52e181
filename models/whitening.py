"""Linear heads in closed form: PCA-whitening, and linear discriminant analysis of augmented frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.embedders import LinearHead
from models.normalise import standardise

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_VARIANCE_FRACTION = 1e-10  # of the largest variance; smaller ones are rounding errors


def fit_whitening(frame_descriptors: NDArray[np.floating[Any]], num_dims: int, power: float = 1.0) -> LinearHead:
    """Fit a PCA-whitening on frames of many different videos.

    Jegou and Chum 2012, Negative Evidences and Co-occurrences in Image Retrieval, section 4.

    Args:
        frame_descriptors: (n, dim), n > num_dims; the same number of frames per video, so that long videos do not
            dominate.
        num_dims: number of directions kept, those of the largest variance.
        power: each direction is divided by its standard deviation to this power; 1 whitens, 0 only rotates.

    Returns:
        The head. It is deterministic: the largest component of each direction is positive.

    Raises:
        ValueError: the number of frames is not larger than `num_dims`, or they vary in fewer than `num_dims`
            directions.
    """
    if len(frame_descriptors) <= num_dims:
        raise ValueError(f"{num_dims} dimensions need more than {num_dims} frames, got {len(frame_descriptors)}")
    frames = standardise(frame_descriptors.astype(np.float64))
    mean = frames.mean(axis=0)
    variances, directions = _find_largest(np.cov((frames - mean).T), num_dims)
    projection = _fix_signs(directions) / variances ** (power / 2)
    return LinearHead(mean.astype(np.float32), projection.astype(np.float32))


def fit_discriminative(
    copies: NDArray[np.floating[Any]], num_dims: int, shrinkage: float = 1.0, power: float = 0.5
) -> LinearHead:
    """Fit a linear discriminant on augmented frames: directions in which frames differ and their copies do not.

    1. Compute the within-frame scatter: the deviations of the copies of a frame from their mean.
    2. Shrink it towards a multiple of the identity, because a catalogue shows fewer edits than there are dimensions.
    3. Whiten with it.
    4. Keep the directions with the largest between-frame scatter in the whitened space.

    Sources: Mikolajczyk and Matas 2007, Improving Descriptors for Fast Tree Matching by Optimal Linear Projection
    (ICCV); "learned whitening" in Radenovic et al. 2018, Fine-tuning CNN Image Retrieval with No Human Annotation.

    Args:
        copies: descriptors of augmented frames, (frames, copies, dim), at least two copies of each frame.
        num_dims: number of directions kept.
        shrinkage: the multiple of the identity, in units of the mean eigenvalue of the within-frame scatter.
        power: each direction is divided by its between-frame deviation to this power; 1 whitens the between-frame
            scatter as well.

    Returns:
        The head. It is deterministic: the largest component of each direction is positive.

    Raises:
        ValueError: the number of frames is not larger than `num_dims`, they vary in fewer than `num_dims` directions,
            or there is only one copy of each.
    """
    num_frames, num_copies, dim = copies.shape
    if num_frames <= num_dims or num_copies < 2:  # noqa: PLR2004  one copy has no scatter
        raise ValueError(
            f"{num_dims} dimensions need more than {num_dims} frames and at least 2 copies of each, got {num_frames} "
            f"frames and {num_copies} copies of each"
        )
    rows = standardise(copies.reshape(-1, dim).astype(np.float64))
    mean = rows.mean(axis=0)
    frame_means = (rows - mean).reshape(copies.shape).mean(axis=1)
    deviations = (rows - mean) - np.repeat(frame_means, num_copies, axis=0)
    scatter = deviations.T @ deviations / len(deviations)
    scatter[np.diag_indices(dim)] += shrinkage * np.trace(scatter) / dim
    variances, directions = np.linalg.eigh(scatter)
    whitener = directions / np.sqrt(variances)
    between = frame_means @ whitener
    between_variances, kept = _find_largest(between.T @ between / num_frames, num_dims)
    projection = _fix_signs(whitener @ kept) / between_variances ** (power / 2)
    return LinearHead(mean.astype(np.float32), projection.astype(np.float32))


def _find_largest(covariance: NDArray[np.float64], num_dims: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest variances in descending order, and their directions as columns."""
    variances, directions = np.linalg.eigh(covariance)
    rank = int((variances > _MIN_VARIANCE_FRACTION * variances[-1]).sum())
    if rank < num_dims:
        raise ValueError(
            f"{num_dims} dimensions need as many directions in which the frames vary, got {rank}: use fewer"
        )
    return variances[::-1][:num_dims], directions[:, ::-1][:, :num_dims]


def _fix_signs(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flip columns so that their largest component is positive, because the sign depends on the solver."""
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    signed: NDArray[np.float64] = directions * np.sign(largest)
    return signed
