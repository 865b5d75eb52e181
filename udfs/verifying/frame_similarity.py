"""The similarity of each frame of one video to each frame of another, normalised by the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from udfs.verifying.features import VideoFeatures

BACKGROUND_SHARE = 0.4
"""The share of both frames' similarity to the background that is subtracted from their cosine."""
MIN_SIMILARITY = 0.15
"""The least normalised similarity that counts in favour of an alignment."""
SAME_PICTURE_SIMILARITY = 0.4
"""From this normalised similarity on, two frames show one picture, and more similarity is no more evidence."""


def compare_frames(left: VideoFeatures, right: VideoFeatures) -> NDArray[np.float32]:
    """Return the normalised similarity of all frames: float32 (left frames, right frames); about 0 if unrelated.

    similarity(i, j) = cosine(i, j) - BACKGROUND_SHARE * (background(i) + background(j)). A frame that resembles many
    videos, such as a black one, therefore proves little (score normalisation: Pizzi et al. 2022, A Self-Supervised
    Descriptor for Image Copy Detection, arXiv 2202.10261). Thin long videos first.
    """
    similarities: NDArray[np.float32] = left.vectors @ right.vectors.T
    similarities -= BACKGROUND_SHARE * (left.backgrounds[:, None] + right.backgrounds[None, :])
    return similarities
