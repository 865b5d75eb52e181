"""The normalisations of descriptors and vectors. They need numpy only, so that the driver can import them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_DEVIATION_NORM = 1e-7  # a smaller norm of the deviations is rounding error: the vector is constant


def standardise(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subtract each row's own mean and divide the row by its L2 norm: float64 (n, dim) -> (n, dim).

    Source: `global_vector` of MKLab-ITI/ndvr-dml, utils.py.
    """
    centred = vectors - vectors.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    standardised: NDArray[np.float64] = centred / np.maximum(norms, _MIN_DEVIATION_NORM)
    return standardised


def to_unit_norm(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Divide each row by its L2 norm: (n, dim) -> float32 (n, dim). A zero row stays zero."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    return unit


def average_unit_rows(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the normalised mean of unit vectors: (n, dim), n >= 1 -> float32 (dim,), unit norm or zeros."""
    mean: NDArray[np.float64] = rows.mean(axis=0, dtype=np.float64)
    direction: NDArray[np.float32] = to_unit_norm(mean[None])[0]
    return direction
