"""SIFT keypoints of a thumbnail, and matches between two thumbnails."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_KEYPOINTS = 600
_MIN_CONTRAST = 0.02
_OFFSET_PX = 0.25  # OpenCV's SIFT doubles the picture first, and does not correct the positions for it
_MAX_DISTANCE_RATIO = 0.85  # of the nearest to the second nearest descriptor (Lowe 2004, section 7.1, uses 0.8)
_SPATIAL_BINS, _ORIENTATION_BINS = 4, 8
_TINY = 1e-6


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of a picture.

    Attributes:
        points: float32 (n, 2), x and y in px.
        descriptors: float16 (n, 128), RootSIFT, unit norm: a picture then takes at most 160 KB.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.float16]

    def mirror(self, width_px: int) -> Keypoints:
        """Return the keypoints of the picture flipped from left to right, without detecting them again.

        A flip reverses the rows of a descriptor's spatial bins and negates its orientations, because both are measured
        relative to the orientation of the keypoint. The cosine to a detected descriptor is .999.
        """
        shape = (-1, _SPATIAL_BINS, _SPATIAL_BINS, _ORIENTATION_BINS)
        negated = -np.arange(_ORIENTATION_BINS) % _ORIENTATION_BINS
        descriptors = self.descriptors.reshape(shape)[:, ::-1][..., negated].reshape(-1, 128)
        points = np.stack([width_px - 1 - self.points[:, 0], self.points[:, 1]], axis=1)
        return Keypoints(points.astype(np.float32), descriptors)


def detect_keypoints(picture: NDArray[np.uint8]) -> Keypoints:
    """Detect up to 600 keypoints of a grey picture, uint8 (h, w).

    SIFT: Lowe 2004, Distinctive Image Features from Scale-Invariant Keypoints. RootSIFT: Arandjelovic and Zisserman
    2012, Three things everyone should know to improve object retrieval, section 2. Runs on: executor, and the machine
    that checks one video.
    """
    found, descriptors = _detector().detectAndCompute(picture, None)
    if descriptors is None:
        return Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float16))
    points = np.array([point.pt for point in found], np.float32) - _OFFSET_PX
    roots = np.sqrt(descriptors / (descriptors.sum(axis=1, keepdims=True) + _TINY))
    return Keypoints(points, roots.astype(np.float16))


@cache
def _detector() -> Any:  # noqa: ANN401 -- OpenCV's types are incomplete
    import cv2

    cv2.setNumThreads(1)  # a Spark task has one core
    create: Any = cv2.SIFT_create  # type: ignore[attr-defined]  # the stubs lack it
    return create(nfeatures=_MAX_KEYPOINTS, contrastThreshold=_MIN_CONTRAST)


def match_keypoints(left: Keypoints, right: Keypoints) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Match each left keypoint with the nearest right one, if the second nearest is clearly farther.

    Returns:
        The points of the matches, left and right: float32 (m, 2) each.
    """
    if len(left.points) < 1 or len(right.points) < 2:  # noqa: PLR2004 -- a second nearest is needed
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    cosines = left.descriptors.astype(np.float32) @ right.descriptors.astype(np.float32).T
    rows, nearest = np.arange(len(cosines)), cosines.argmax(axis=1)
    best = cosines[rows, nearest]
    cosines[rows, nearest] = -1
    # Squared distances of unit vectors are 2 - 2 cosine.
    is_clear = np.maximum(0, 1 - best) < _MAX_DISTANCE_RATIO**2 * (1 - cosines.max(axis=1))
    return left.points[is_clear], right.points[nearest[is_clear]]
