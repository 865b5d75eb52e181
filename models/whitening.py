"""Linear heads in closed form: whitening by what all frames have in common, and by what edits do to a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from models.embedders import LinearHead
from models.normalise import standardise

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_VARIANCE_SHARE = 1e-10  # of the largest: what lies below is rounding


def fit_whitening(frame_descriptors: NDArray[np.floating[Any]], num_dims: int, power: float = 1.0) -> LinearHead:
    """Fit a PCA-whitening on frames of many unlike videos.

    Jegou and Chum 2012, Negative Evidences and Co-occurrences in Image Retrieval, section 4.

    Args:
        frame_descriptors: (n, dim), n > num_dims; as many frames of a long video as of a short one, lest it rule.
        num_dims: directions kept, those of the largest variance.
        power: each direction is divided by its standard deviation to this power; 1 whitens, 0 only turns.

    Returns:
        The same for the same frames in the same order; each direction's largest component is positive.

    Raises:
        ValueError: there are too few frames for so many directions, or they do not vary in so many.
    """
    if len(frame_descriptors) <= num_dims:
        raise ValueError(f"{num_dims} dimensions need more than so many frames, got {len(frame_descriptors)}")
    frames = standardise(frame_descriptors.astype(np.float64))
    mean = frames.mean(axis=0)
    variances, directions = _find_largest(np.cov((frames - mean).T), num_dims)
    projection = _sign(directions) / variances ** (power / 2)
    return LinearHead(mean.astype(np.float32), projection.astype(np.float32))


def fit_discriminative(
    views: NDArray[np.floating[Any]], num_dims: int, shrinkage: float = 1.0, power: float = 0.5
) -> LinearHead:
    """Fit a linear discriminant on views of frames: directions in which frames differ and their edited views do not.

    The scatter of views around their frame is whitened, shrunk towards a multiple of the identity, for a catalogue
    shows fewer edits than there are dimensions; in that space the directions of the largest scatter between frames are
    kept. Mikolajczyk and Matas 2007, Improving Descriptors for Fast Tree Matching by Optimal Linear Projection (ICCV);
    as "learned whitening" in Radenovic et al. 2018, Fine-tuning CNN Image Retrieval with No Human Annotation.

    Args:
        views: (frames, views, dim), two views or more.
        num_dims: directions kept.
        shrinkage: the multiple, in units of the scatter's mean eigenvalue.
        power: each direction is divided by its deviation between frames to this power; 1 whitens that too.

    Returns:
        The same for the same views in the same order; each direction's largest component is positive.

    Raises:
        ValueError: there are too few frames for so many directions, they do not vary in so many, or there is one view
            alone.
    """
    num_frames, num_views, dim = views.shape
    if num_frames <= num_dims or num_views < 2:  # noqa: PLR2004  one view has no scatter
        raise ValueError(
            f"{num_dims} dimensions need more than so many frames, and two views of each; got {num_frames} frames of "
            f"{num_views} views"
        )
    rows = standardise(views.reshape(-1, dim).astype(np.float64))
    mean = rows.mean(axis=0)
    of_frames = (rows - mean).reshape(views.shape).mean(axis=1)
    around = (rows - mean) - np.repeat(of_frames, num_views, axis=0)
    scatter = around.T @ around / len(around)
    scatter[np.diag_indices(dim)] += shrinkage * np.trace(scatter) / dim
    variances, directions = np.linalg.eigh(scatter)
    whitener = directions / np.sqrt(variances)
    between = of_frames @ whitener
    spread, turned = _find_largest(between.T @ between / num_frames, num_dims)
    projection = _sign(whitener @ turned) / spread ** (power / 2)
    return LinearHead(mean.astype(np.float32), projection.astype(np.float32))


def _find_largest(covariance: NDArray[np.float64], num_dims: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the directions of the largest variance: their variances, falling, and the directions as columns."""
    variances, directions = np.linalg.eigh(covariance)
    rank = int((variances > _MIN_VARIANCE_SHARE * variances[-1]).sum())
    if rank < num_dims:
        raise ValueError(f"{num_dims} dimensions need frames that vary in as many, got {rank}: ask for fewer")
    return variances[::-1][:num_dims], directions[:, ::-1][:, :num_dims]


def _sign(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn each column so that its largest component is positive: a solver may give it either way."""
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
    signed: NDArray[np.float64] = directions * np.sign(largest)
    return signed
