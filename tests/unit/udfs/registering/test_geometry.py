from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from tests.support.pictures import edit, make_texture
from udfs.registering.geometry import Registration, count_places, count_support, match_both_ways, register
from udfs.registering.keypoints import Keypoints, detect_keypoints

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURE = make_texture(1)  # 224 x 126 px
NOTHING = Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float16))


def save_as_jpeg(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    return Image.open(file)


def register_copy(change: Callable[[Image.Image], Image.Image]) -> Registration:
    """Register the picture with an edited copy of it."""
    (copy,) = edit([PICTURE], change)
    found = register(match_both_ways(detect_keypoints(PICTURE), detect_keypoints(copy), 224))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("change", "affine"),
    [
        (lambda picture: picture, [[1, 0, 0], [0, 1, 0]]),
        (lambda picture: picture.resize((160, 90)), [[5 / 7, 0, 0], [0, 5 / 7, 0]]),
        (lambda picture: picture.resize((224, 100)), [[1, 0, 0], [0, 100 / 126, 0]]),
        (lambda picture: picture.crop((28, 14, 196, 112)), [[1, 0, -28], [0, 1, -14]]),
        (lambda picture: picture.transpose(Image.Transpose.ROTATE_90), [[0, 1, 0], [-1, 0, 223]]),
        (lambda picture: ImageEnhance.Brightness(picture).enhance(0.5), [[1, 0, 0], [0, 1, 0]]),
        (save_as_jpeg, [[1, 0, 0], [0, 1, 0]]),
    ],
    ids=["same", "smaller", "squeezed", "cropped", "quarter turn", "darker", "compressed"],
)
def test_a_copy_registers_with_the_map_of_its_edit(
    change: Callable[[Image.Image], Image.Image], affine: list[list[float]]
) -> None:
    found = register_copy(change)
    assert not found.is_mirrored
    assert found.num_inliers >= 80
    assert found.affine[:, :2] == pytest.approx(np.array(affine)[:, :2], abs=0.01)
    assert found.affine[:, 2] == pytest.approx(np.array(affine)[:, 2], abs=0.6)


def test_a_mirrored_copy_registers_with_the_mirror_image() -> None:
    found = register_copy(ImageOps.mirror)
    assert found.is_mirrored
    assert found.affine == pytest.approx(np.array([[1, 0, 0], [0, 1, 0]]), abs=0.05)


def test_strangers_register_at_no_more_than_a_few_places() -> None:
    keypoints = detect_keypoints(PICTURE)
    strangers = [detect_keypoints(make_texture(seed)) for seed in range(2, 8)]
    found = [register(match_both_ways(keypoints, stranger, 224)) for stranger in strangers]
    assert max(0 if registration is None else registration.num_inliers for registration in found) < 8


def test_a_picture_without_keypoints_does_not_register() -> None:
    keypoints = detect_keypoints(PICTURE)
    assert register(match_both_ways(NOTHING, NOTHING, 224)) is None
    assert register(match_both_ways(keypoints, NOTHING, 224)) is None
    assert register(match_both_ways(NOTHING, keypoints, 224)) is None


def test_a_copy_stretched_to_more_than_three_times_its_format_does_not_register() -> None:
    y, x = np.mgrid[:10, :10].reshape(2, -1) * 10.0
    points = np.stack([x, y], axis=1).astype(np.float32)
    descriptors = np.eye(100, 128, dtype=np.float16)
    left = Keypoints(points, descriptors)
    stretched = register(match_both_ways(left, Keypoints(points * np.float32([2.5, 1]), descriptors), 100))
    assert stretched is not None
    assert stretched.affine == pytest.approx(np.array([[2.5, 0, 0], [0, 1, 0]]), abs=1e-3)
    assert register(match_both_ways(left, Keypoints(points * np.float32([4, 1]), descriptors), 100)) is None


def test_the_same_pictures_register_in_the_same_way_each_time() -> None:
    one, other = register_copy(save_as_jpeg), register_copy(save_as_jpeg)
    assert (one.affine.tolist(), one.num_inliers) == (other.affine.tolist(), other.num_inliers)


def test_matches_in_one_cell_of_6_px_count_as_one_place() -> None:
    source = np.float32([[0, 0], [5, 5], [6, 0], [100, 100]])
    assert count_places(source, source) == 3
    assert count_places(source, np.zeros((4, 2), np.float32)) == 1
    assert count_places(source[:0], source[:0]) == 0


def test_a_geometry_is_supported_by_pictures_that_it_explains() -> None:
    keypoints, stranger = detect_keypoints(PICTURE), detect_keypoints(make_texture(2))
    moved = Keypoints(keypoints.points + np.float32([30, 0]), keypoints.descriptors)
    same = Registration(np.float64([[1, 0, 0], [0, 1, 0]]), is_mirrored=False, num_inliers=100)
    pairs = [(keypoints, keypoints), (keypoints, moved), (keypoints, stranger), (NOTHING, keypoints)]
    explained, *others, none = (count_support(same, match_both_ways(*pair, 224)) for pair in pairs)
    assert explained >= 200
    assert max(others) <= 3
    assert none == 0


def test_a_mirrored_geometry_is_supported_by_mirrored_pictures() -> None:
    keypoints = detect_keypoints(PICTURE)
    mirrored = Registration(np.float64([[1, 0, 0], [0, 1, 0]]), is_mirrored=True, num_inliers=100)
    with_mirror, with_itself = (
        count_support(mirrored, match_both_ways(keypoints, other, 224)) for other in (keypoints.mirror(224), keypoints)
    )
    assert with_mirror >= 200
    assert with_itself <= 3
