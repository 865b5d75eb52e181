from __future__ import annotations

import numpy as np
import pytest

from tests.support.pictures import make_texture
from udfs.registering.keypoints import Keypoints, detect_keypoints, match_keypoints


def make_keypoints(*rows: tuple[float, ...]) -> Keypoints:
    """Keypoints of these descriptors, given by their first values, at (0, 0), (1, 0), (2, 0) and so on."""
    descriptors = np.zeros((len(rows), 128), np.float16)
    for descriptor, row in zip(descriptors, rows, strict=True):
        descriptor[: len(row)] = row
    points = np.stack([np.arange(len(rows)), np.zeros(len(rows))], axis=1).astype(np.float32)
    return Keypoints(points, descriptors)


def test_a_textured_picture_has_many_keypoints_inside_of_it_with_unit_descriptors() -> None:
    found = detect_keypoints(make_texture(1))
    assert 200 <= len(found.points) <= 620
    assert (found.points.dtype, found.descriptors.dtype) == (np.float32, np.float16)
    assert found.points.min() >= 0
    assert (found.points.max(axis=0) <= [223, 125]).all()
    assert np.linalg.norm(found.descriptors, axis=1) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("shape", [(126, 224), (1, 1), (30, 1), (1, 30), (2, 2)])
def test_a_flat_picture_has_no_keypoints(shape: tuple[int, int]) -> None:
    found = detect_keypoints(np.full(shape, 90, np.uint8))
    assert (found.points.shape, found.descriptors.shape) == ((0, 2), (0, 128))


def test_a_blob_is_found_where_it_is() -> None:
    y, x = np.mgrid[:64, :96]
    blob = 60 + 150 * np.exp(-((x - 40) ** 2 + (y - 25) ** 2) / (2 * 4.0**2))
    found = detect_keypoints(blob.astype(np.uint8))
    distances = np.linalg.norm(found.points - [40, 25], axis=1)
    assert distances.min() < 0.1


def test_mirrored_keypoints_are_those_of_the_mirrored_picture() -> None:
    picture = make_texture(1)
    mirrored = detect_keypoints(picture).mirror(224)
    detected = detect_keypoints(np.ascontiguousarray(picture[:, ::-1]))
    distances = np.linalg.norm(mirrored.points[:, None] - detected.points[None], axis=2)
    cosines = np.where(distances < 0.2, mirrored.descriptors @ detected.descriptors.T, -1).max(axis=1)
    assert np.mean(cosines > 0.97) > 0.8  # the others are at the limits of contrast and number


def test_mirroring_twice_changes_nothing() -> None:
    found = detect_keypoints(make_texture(1))
    twice = found.mirror(224).mirror(224)
    assert twice.points == pytest.approx(found.points, abs=1e-4)
    assert (twice.descriptors == found.descriptors).all()


def test_a_keypoint_matches_its_nearest_one() -> None:
    left, right = make_keypoints((0, 1), (1, 0)), make_keypoints((1, 0), (0, 0, 1), (0, 1))
    left_points, right_points = match_keypoints(left, right)
    assert left_points.tolist() == [[0, 0], [1, 0]]
    assert right_points.tolist() == [[2, 0], [0, 0]]


def test_a_keypoint_with_two_equally_near_ones_does_not_match() -> None:
    left, right = make_keypoints((1, 0)), make_keypoints((0.6, 0.8), (0.6, -0.8))
    assert [len(points) for points in match_keypoints(left, right)] == [0, 0]


def test_the_nearest_one_must_be_at_most_85_hundredths_as_far_as_the_second_nearest() -> None:
    # Squared distances are 2 - 2 cosine: .4 and 2; the ratio of the distances is .45.
    assert len(match_keypoints(make_keypoints((1, 0)), make_keypoints((0.8, 0.6), (0, 1)))[0]) == 1
    # .8 and 1.0: the ratio of the distances is .89.
    assert len(match_keypoints(make_keypoints((1, 0)), make_keypoints((0.6, 0.8), (0.5, 0.866)))[0]) == 0


@pytest.mark.parametrize(("num_left", "num_right"), [(0, 0), (0, 3), (3, 0), (3, 1)])
def test_without_a_second_nearest_keypoint_nothing_matches(num_left: int, num_right: int) -> None:
    left, right = make_keypoints(*[(1.0, 0.0)] * num_left), make_keypoints(*[(1.0, 0.0)] * num_right)
    assert [points.shape for points in match_keypoints(left, right)] == [(0, 2), (0, 2)]
