from __future__ import annotations

import numpy as np
import pytest

from tests.support.pictures import make_texture
from udfs.registering.geometry import Registration
from udfs.registering.guesses import guess_registration


def blur(picture: np.ndarray) -> np.ndarray:
    """Remove the details that keypoints need."""
    import cv2

    smooth = cv2.GaussianBlur(picture, (0, 0), 7).astype(np.float32)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


SMOOTH = blur(make_texture(1))
OTHER = blur(make_texture(2))
HEIGHT, WIDTH = SMOOTH.shape
CORNERS = np.array([[20, 20, 1], [200, 20, 1], [20, 100, 1], [200, 100, 1]], np.float64).T


def warp(picture: np.ndarray, affine: np.ndarray) -> np.ndarray:
    import cv2

    return np.asarray(cv2.warpAffine(picture, affine, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT), np.uint8)


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize(
    "affine",
    [
        np.array([[1, 0, 0], [0, 1, 0]], np.float64),
        np.array([[1.15, 0.03, -10], [-0.02, 1.2, -9]], np.float64),
        np.array([[0.8, 0, 20], [0, 0.8, 10]], np.float64),
    ],
    ids=["same frame", "crop", "smaller"],
)
def test_a_smooth_picture_is_registered_to_its_copy(affine: np.ndarray, *, is_mirrored: bool) -> None:
    left = np.ascontiguousarray(SMOOTH[:, ::-1]) if is_mirrored else SMOOTH
    found = guess_registration([(left, warp(SMOOTH, affine))], None)
    assert found is not None
    assert (found.is_mirrored, found.num_inliers) == (is_mirrored, 0)
    assert found.affine @ CORNERS == pytest.approx(affine @ CORNERS, abs=2)


def test_pictures_of_two_sizes_are_registered() -> None:
    import cv2

    half = np.asarray(cv2.resize(SMOOTH, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA), np.uint8)
    found = guess_registration([(half, SMOOTH)], None)
    assert found is not None
    # Pixel centres are at integers: the first one of the small picture lies between the first two.
    assert found.affine == pytest.approx(np.array([[2, 0, 0.5], [0, 2, 0.5]]), abs=0.05)


def test_strangers_do_not_register() -> None:
    assert guess_registration([(SMOOTH, OTHER)], None) is None


def test_a_known_geometry_is_kept_if_it_fits_better() -> None:
    moved = np.array([[1, 0, 60], [0, 1, 0]], np.float64)
    known = Registration(moved, is_mirrored=False, num_inliers=7)
    assert guess_registration([(SMOOTH, warp(SMOOTH, moved))], known) is known


def test_a_guess_replaces_a_known_geometry_that_fits_worse() -> None:
    wrong = Registration(np.array([[0.5, 0, 60], [0, 0.5, 0]], np.float64), is_mirrored=False, num_inliers=5)
    found = guess_registration([(SMOOTH, SMOOTH)], wrong)
    assert found is not None
    assert found.affine == pytest.approx(np.array([[1, 0, 0], [0, 1, 0]]), abs=0.05)


@pytest.mark.parametrize("shape", [(126, 224), (1, 1), (1, 224), (126, 1)])
def test_flat_and_tiny_pictures_do_not_register(shape: tuple[int, int]) -> None:
    flat = np.full(shape, 90, np.uint8)
    for pair in ((flat, flat), (flat, SMOOTH), (SMOOTH, flat)):
        assert guess_registration([pair], None) is None
