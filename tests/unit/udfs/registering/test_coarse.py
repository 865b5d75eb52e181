from __future__ import annotations

import numpy as np
import pytest

from tests.support.pictures import film, make_texture
from udfs.registering.coarse import compare_brightness, rank_moments, reduce_stacks

TAKE = np.stack(film(scene=1, motion=1)).astype(np.float32)
OTHER = np.stack(film(scene=1, motion=2)).astype(np.float32)
INSIDE = np.ones(TAKE.shape[1:], bool)


def test_pictures_are_reduced_to_a_quarter_of_their_size_inside() -> None:
    inside = INSIDE.copy()
    inside[:, 112:] = False
    one, other = reduce_stacks(TAKE, OTHER, inside)
    assert one.shape == other.shape == (8, 31 * 28)
    assert one.dtype == np.float32


def test_each_moment_of_a_copy_fits_its_own_counterpart_best() -> None:
    rank, contrast = rank_moments(*reduce_stacks(TAKE, TAKE, INSIDE))
    assert rank == 1.0
    assert contrast > 0.8


def test_any_moment_of_another_take_fits_as_well_as_another() -> None:
    rank, contrast = rank_moments(*reduce_stacks(TAKE, OTHER, INSIDE))
    assert 0.2 < rank < 0.8
    assert abs(contrast) < 0.3


def test_moments_without_change_do_not_fit() -> None:
    still = np.zeros((3, 50), np.float32)
    assert rank_moments(still, still) == (0.0, 0.0)


@pytest.mark.parametrize("gamma", [0.6, 1.0, 1.6])
def test_a_tone_curve_explains_a_copy_of_another_brightness(gamma: float) -> None:
    left, right = reduce_stacks(TAKE, 255 * (TAKE / 255) ** gamma, INSIDE)
    found = compare_brightness(left, right)
    assert found.explained > 0.98
    assert found.differing < 0.02


def test_strangers_explain_nothing() -> None:
    stranger = np.stack([make_texture(7)] * 8).astype(np.float32)
    found = compare_brightness(*reduce_stacks(TAKE, stranger, INSIDE))
    assert found.explained < 0.2
    assert found.differing > 0.5


def test_a_flat_place_of_another_brightness_differs() -> None:
    card = np.full((4, 400), 200, np.float32)
    card[:, :100] = 20
    filled = card.copy()
    filled[:, 300:] = 150
    found = compare_brightness(card, filled)
    assert 0.2 < found.differing < 0.8
    assert compare_brightness(card, card).differing == 0
