"""Pool feature maps to frame descriptors, and frame descriptors to a video's vector, as the official code does."""

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
"""Lower limit of squared norms before a division, so that zeros stay zeros (epsilon of tf.nn.l2_normalize)."""
_CHUNK_FRAMES = 256


def max_pool_maps(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Compute the descriptors of n frames from the maps of the tapped layers.

    For each layer:
    1. Set negative values to 0.
    2. Divide the channels at each position by their L2 norm.
    3. Take the maximum of each channel over all positions.
    4. Divide the result by its L2 norm.

    Then concatenate the layers in order. The concatenation is not normalised, so the norm of a descriptor is the square
    root of the number of layers, or less if a layer is zero everywhere.

    Source: MKLab-ITI/intermediate-cnn-features, model_tf.py. Step 2 is in the code but not in the paper
    (Kordopatis-Zilos et al. 2017, Near-Duplicate Video Retrieval by Aggregating Intermediate CNN Layers, section 3.1).

    Args:
        maps: one (n, channels, height, width) tensor per layer, any floating type; fastest when channels_last.

    Returns:
        float32 (n, sum of channels), on the device of the maps, values in [0, 1]. NaN or infinity in a map gives NaN.
    """
    return torch.cat([_max_pool_map(feature_map) for feature_map in maps], dim=1)


def _max_pool_map(feature_map: torch.Tensor) -> torch.Tensor:
    positive = feature_map.float().relu()
    norms = torch.linalg.vector_norm(positive, dim=1, keepdim=True).clamp_(min=MIN_SQUARED_NORM**0.5)
    directions = positive.mul_(norms.reciprocal_())
    # max_pool2d is vectorised over channels and amax is not, so it takes a third of the time on a CPU. Pooling rows
    # first, then columns, gives a GPU more parallel work.
    width, height = directions.shape[3], directions.shape[2]
    by_row = functional.max_pool2d(directions, (1, width))
    peaks = functional.max_pool2d(by_row, (height, 1)).flatten(1)
    return functional.normalize(peaks, dim=1, eps=MIN_SQUARED_NORM**0.5)


def pool_video(frame_descriptors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Average a video's frame descriptors into one vector of mean 0 and norm 1.

    1. For each frame, subtract the mean of its descriptor and divide by the L2 norm.
    2. Average over the frames.
    3. Subtract the mean of the result and divide by its L2 norm.

    Source: `global_vector` of MKLab-ITI/ndvr-dml, utils.py. Sums are in float64. Frames are processed in chunks, so
    that memory does not grow with the length of a video.

    Args:
        frame_descriptors: (n, dim), n >= 1, any floating type.

    Returns:
        float32 (dim,). Zeros if the averaged vector is constant, which happens for constant descriptors only.

    Raises:
        ValueError: there are no frames, the array is not two-dimensional, or a value is NaN or infinite.
    """
    if frame_descriptors.ndim != 2 or len(frame_descriptors) == 0:  # noqa: PLR2004  two axes: frames, values
        raise ValueError(f"frame_descriptors must have shape (n >= 1, dim), got {frame_descriptors.shape}")
    total = np.zeros(frame_descriptors.shape[1])
    for begin in range(0, len(frame_descriptors), _CHUNK_FRAMES):
        chunk = frame_descriptors[begin : begin + _CHUNK_FRAMES].astype(np.float64)
        if not np.isfinite(chunk).all():
            raise ValueError("frame_descriptors contain NaN or infinity: describe the frames again")
        total += standardise(chunk).sum(axis=0)
    vector: NDArray[np.float64] = standardise(total[np.newaxis] / len(frame_descriptors))[0]
    return vector.astype(np.float32)
