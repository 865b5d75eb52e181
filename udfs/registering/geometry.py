"""The geometry of two pictures of the same footage: an affine map from the one to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from udfs.registering.keypoints import match_keypoints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from udfs.registering.keypoints import Keypoints

    Points = NDArray[np.float32]

_MIN_MATCHES = 4
_MAX_ERROR_PX = 2.5
_MAX_ITERATIONS = 2000
_MIN_SCALE, _MAX_SCALE = 0.08, 12.0
_MAX_STRETCH = 3.0  # of one axis against the other: formats differ by 16:9 to 1:1 at most, and edits add little
_GRID_PX = 6  # inliers in one cell count once: a hundred keypoints on one logo are one piece of evidence
_MIRROR_FACTOR, _MIN_MIRROR_INLIERS = 1.5, 8  # a mirrored copy is rare: it must register clearly better


@dataclass(frozen=True)
class Registration:
    """How a left picture maps to a right one.

    Attributes:
        affine: float64 (2, 3), from left to right px, of the left picture or of its mirror image.
        is_mirrored: whether the left picture is mirrored first.
        num_inliers: distinct places that the map explains.
    """

    affine: NDArray[np.float64]
    is_mirrored: bool
    num_inliers: int


class Matches(NamedTuple):
    """Matched points of two pictures, left and right: float32 (m, 2) px each.

    Attributes:
        plain: of the pictures.
        mirrored: of the mirror image of the left picture, and the right picture.
    """

    plain: tuple[Points, Points]
    mirrored: tuple[Points, Points]


def match_both_ways(left: Keypoints, right: Keypoints, left_width_px: int) -> Matches:
    """Match two pictures, and the mirror image of the left one with the right one."""
    return Matches(match_keypoints(left, right), match_keypoints(left.mirror(left_width_px), right))


def register(matches: Matches) -> Registration | None:
    """Register two pictures, plain and mirrored, and return the better registration, or None if neither registers."""
    plain = _register(*matches.plain, is_mirrored=False)
    mirrored = _register(*matches.mirrored, is_mirrored=True)
    if plain is None or mirrored is None:
        return plain or mirrored
    is_mirrored = mirrored.num_inliers >= max(_MIN_MIRROR_INLIERS, _MIRROR_FACTOR * plain.num_inliers)
    return mirrored if is_mirrored else plain


def _register(source: Points, target: Points, *, is_mirrored: bool) -> Registration | None:
    """Fit an affine map by MAGSAC++ (Barath et al. 2020, arXiv 1912.05909), as OpenCV implements it."""
    import cv2

    if len(source) < _MIN_MATCHES:
        return None
    found, inliers = cv2.estimateAffine2D(
        source,
        target,
        method=cv2.USAC_MAGSAC,
        ransacReprojThreshold=_MAX_ERROR_PX,
        maxIters=_MAX_ITERATIONS,
    )
    if found is None:
        return None
    affine = np.asarray(found, np.float64)
    if not is_plausible(affine[:, :2]):
        return None
    is_inlier = inliers.ravel() > 0
    return Registration(affine, is_mirrored, count_places(source[is_inlier], target[is_inlier]))


def is_plausible(linear: NDArray[np.floating[Any]]) -> bool:
    """Whether a map scales by a likely factor, stretches little, and does not mirror."""
    large, small = np.linalg.svd(linear, compute_uv=False)
    return bool(
        np.linalg.det(linear) > 0 and small > _MIN_SCALE and large < _MAX_SCALE and large < _MAX_STRETCH * small
    )


def count_places(source: NDArray[np.float32], target: NDArray[np.float32]) -> int:
    """Count the distinct places of matches, the fewer of both sides: float32 (n, 2) px each."""
    return min(len(np.unique((points // _GRID_PX).astype(int), axis=0)) for points in (source, target))


def count_support(registration: Registration, matches: Matches) -> int:
    """Count the distinct places of matches that the geometry of other pictures explains."""
    source, target = matches.mirrored if registration.is_mirrored else matches.plain
    mapped = source @ registration.affine[:, :2].T + registration.affine[:, 2]
    is_near = np.linalg.norm(mapped - target, axis=1) <= 2 * _MAX_ERROR_PX
    return count_places(source[is_near], target[is_near])
