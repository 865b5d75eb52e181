"""Feature maps to frame descriptors, and these to a video's vector, by the recipes of the official code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from models.normalise import standardise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MIN_SQUARED_NORM = 1e-15
"""Squared norms are raised to this before a division (tf.nn.l2_normalize, epsilon): zeros stay zeros."""
_CHUNK_FRAMES = 256


def max_pool_maps(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Turn the tapped maps of n frames into their descriptors.

    For each layer: cut negative values; divide the channels at every position by their L2 norm; take each
    channel's maximum over all positions; divide the result by its L2 norm. Then join the layers, in order. No
    L2 follows, so a descriptor's norm is the square root of the number of layers (less where a layer is zero
    everywhere).

    Source: MKLab-ITI/intermediate-cnn-features, model_tf.py. Its papers leave the second step out
    (Kordopatis-Zilos et al. 2017, Near-Duplicate Video Retrieval by Aggregating Intermediate CNN Layers,
    section 3.1); its code has it.

    Args:
        maps: one (n, channels, height, width) tensor a layer, any floating type; quickest when channels_last.

    Returns:
        float32 (n, sum of channels), on the maps' device, values in [0, 1]. NaN or infinity in a map
        gives NaN.
    """
    return torch.cat([_max_pool_map(feature_map) for feature_map in maps], dim=1)


def _max_pool_map(feature_map: torch.Tensor) -> torch.Tensor:
    positive = feature_map.float().relu()
    norms = torch.linalg.vector_norm(positive, dim=1, keepdim=True).clamp_(min=MIN_SQUARED_NORM**0.5)
    directions = positive.mul_(norms.reciprocal_())
    # max_pool2d is vectorised over channels where amax is not: a third of its time on a CPU. Rows, then
    # columns, so that a GPU has enough to do at once.
    width, height = directions.shape[3], directions.shape[2]
    by_row = functional.max_pool2d(directions, (1, width))
    peaks = functional.max_pool2d(by_row, (height, 1)).flatten(1)
    return functional.normalize(peaks, dim=1, eps=MIN_SQUARED_NORM**0.5)


def pool_video(frame_descriptors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Average a video's frame descriptors into one vector of mean 0 and norm 1.

    Each frame: subtract the vector's own mean, divide by its L2 norm. Mean over the frames. Subtract the
    vector's own mean, divide by its L2 norm. Source: `global_vector` of MKLab-ITI/ndvr-dml, utils.py. Sums
    are taken in float64, a few frames at a time: an hour of frames costs no more memory than a minute.

    Args:
        frame_descriptors: (n, dim), n >= 1, any floating type.

    Returns:
        float32 (dim,). All zeros where the mean vector is constant, which only constant descriptors give.

    Raises:
        ValueError: no frames, another number of axes, or a NaN or infinity among the values.
    """
    if frame_descriptors.ndim != 2 or len(frame_descriptors) == 0:  # noqa: PLR2004  frames, values
        raise ValueError(f"frame_descriptors must be (n >= 1, dim), got shape {frame_descriptors.shape}")
    total = np.zeros(frame_descriptors.shape[1])
    for begin in range(0, len(frame_descriptors), _CHUNK_FRAMES):
        chunk = frame_descriptors[begin : begin + _CHUNK_FRAMES].astype(np.float64)
        if not np.isfinite(chunk).all():
            raise ValueError("frame_descriptors hold NaN or infinity: the frames were not described properly")
        total += standardise(chunk).sum(axis=0)
    vector: NDArray[np.float64] = standardise(total[np.newaxis] / len(frame_descriptors))[0]
    return vector.astype(np.float32)
