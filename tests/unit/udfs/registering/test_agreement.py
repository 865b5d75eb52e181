from __future__ import annotations

import numpy as np
import pytest

from tests.support.pictures import make_texture
from udfs.describing.local_statistics import measure_locally
from udfs.registering.agreement import ChangeAgreement, correlate_locally, measure_changes, measure_places, smooth

SHAPE = (40, 60)
INSIDE = np.ones(SHAPE, bool)
FLAT = np.full(SHAPE, 90, np.float32)


def texture(seed: int) -> np.ndarray:
    return make_texture(seed, *SHAPE).astype(np.float32)


def correlate(left: np.ndarray, right: np.ndarray, side: int = 9) -> np.ndarray:
    return correlate_locally(left, right, (measure_locally(left, side), measure_locally(right, side)), side)


def measure_differences(left: np.ndarray, right: np.ndarray, inside: np.ndarray = INSIDE) -> ChangeAgreement:
    """Measure how well differences of pictures agree, smoothed over 7 px."""
    return measure_changes(*(smooth(side, inside, 7) for side in (left, right)))


def changes_of(*pictures: np.ndarray) -> np.ndarray:
    """Pictures less their mean."""
    stack = np.stack(pictures)
    return stack - stack.mean(axis=0)


def test_a_picture_correlates_with_itself_and_with_a_brighter_copy_and_not_with_its_negative() -> None:
    picture = texture(1)
    assert correlate(picture, picture) == pytest.approx(np.ones(SHAPE), abs=0.01)
    assert correlate(picture, 0.5 * picture + 20) == pytest.approx(np.ones(SHAPE), abs=0.05)
    assert correlate(picture, 255 - picture) == pytest.approx(-np.ones(SHAPE), abs=0.01)


def test_a_flat_place_correlates_with_nothing() -> None:
    assert np.abs(correlate(FLAT, FLAT)).max() < 0.1
    assert np.abs(correlate(FLAT, texture(1))).max() < 0.1


def measure_two(left: np.ndarray, right: np.ndarray, inside: np.ndarray = INSIDE) -> tuple[float, float, float]:
    """Agreeing and disagreeing share, and correlation, of one moment."""
    contrasts = [(measure_locally(left, 9).variance, measure_locally(right, 9).variance)]
    places = measure_places([correlate(left, right)], contrasts, inside)
    return places.agreeing, places.disagreeing, places.correlation


def test_all_places_of_a_copy_agree() -> None:
    assert measure_two(texture(1), texture(1)) == (1.0, 0.0, pytest.approx(1, abs=0.01))


def test_few_places_of_strangers_agree() -> None:
    agreeing, disagreeing, correlation = measure_two(texture(1), texture(2))
    assert agreeing < 0.1
    assert disagreeing > 0.7
    assert abs(correlation) < 0.2


def test_places_without_contrast_are_not_counted() -> None:
    half = texture(1)
    half[:, 30:] = 90
    assert measure_two(half, half)[:2] == (1.0, 0.0)
    assert measure_two(FLAT, FLAT) == (0.0, 0.0, 0.0)


def test_contrast_on_one_side_only_is_disagreement() -> None:
    assert measure_two(texture(1), FLAT) == (0.0, 1.0, 0.0)
    half = texture(1)
    half[:, 30:] = 90
    agreeing, disagreeing, _ = measure_two(texture(1), half)
    assert agreeing > 0.8  # windows at the border show both
    assert 0.3 < disagreeing < 0.6


def test_the_worst_place_is_that_in_which_the_text_differs() -> None:
    left, right = texture(1), texture(1)
    right[10:24, 20:40] = texture(2)[10:24, 20:40]
    contrasts = [(measure_locally(left, 9).variance, measure_locally(right, 9).variance)]
    places = measure_places([correlate(left, right)], contrasts, INSIDE)
    assert places.agreeing > 0.8
    assert places.worst < 0.7
    assert places.correlation > 0.9


def test_places_outside_are_not_counted() -> None:
    other = texture(1)
    other[:, 30:] = texture(2)[:, 30:]
    inside = INSIDE.copy()
    inside[:, 24:] = False
    assert measure_two(texture(1), other, inside)[:2] == (1.0, 0.0)


def test_changes_of_a_copy_agree() -> None:
    changes = changes_of(texture(1), texture(2), texture(3))
    found = measure_differences(changes, changes)
    assert (found.agreement, found.pooled) == (pytest.approx(1, abs=0.05), pytest.approx(1))
    assert found.amount > 50


def test_other_changes_do_not_agree() -> None:
    left, right = changes_of(*map(texture, range(1, 9))), changes_of(*map(texture, range(11, 19)))
    found = measure_differences(left, right)
    assert abs(found.agreement) < 0.2
    assert abs(found.pooled) < 0.2


def test_opposite_changes_disagree() -> None:
    changes = changes_of(texture(1), texture(2), texture(3))
    found = measure_differences(changes, -changes)
    assert (found.agreement, found.pooled) == (pytest.approx(-1, abs=0.05), pytest.approx(-1))


def test_no_change_is_no_agreement() -> None:
    still, moving = np.zeros((3, *SHAPE), np.float32), changes_of(texture(1), texture(2), texture(3))
    for left, right in ((still, still), (still, moving), (moving, still)):
        assert measure_differences(left, right) == (0.0, 0.0, 0.0)


def test_a_change_on_one_side_only_counts_against_the_pooled_agreement() -> None:
    """The left half changes on both sides alike; the right half on the right side only."""
    right = changes_of(texture(1), texture(2), texture(3))
    left = right.copy()
    left[:, :, 30:] = 0
    found = measure_differences(left, right)
    assert found.agreement > found.pooled + 0.05
    assert 0.6 < found.pooled < 0.85  # the square root of one half is .71


def test_the_brightness_of_the_whole_picture_is_no_change() -> None:
    lamp = np.stack([np.full(SHAPE, value, np.float32) for value in (-30, 0, 30)])
    found = measure_differences(lamp, lamp)
    assert (found.agreement, found.amount) == (0.0, pytest.approx(0, abs=1e-6))


def test_changes_outside_are_not_counted() -> None:
    changes = changes_of(texture(1), texture(2), texture(3))
    inside = INSIDE.copy()
    inside[:, 30:] = False
    other = changes.copy()
    other[:, :, 36:] = 0  # changes are blurred over 7 px
    assert measure_differences(other, other, inside).amount == pytest.approx(
        measure_differences(changes, changes, inside).amount
    )
