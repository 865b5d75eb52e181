from __future__ import annotations

import numpy as np
import pytest

from jobs.demo.editing.layouts import blend, film_at_angle, frame_as_meme, show_beside, show_on_backdrop, show_within
from jobs.demo.editing.overlays import draw_sticker, show_inset

GREY = np.full((100, 200, 3), 90, np.uint8)
LIGHT = np.full((50, 50, 3), 200, np.uint8)


def test_a_memes_bar_is_white_with_black_text_and_lies_above() -> None:
    framed = frame_as_meme(GREY, 0.3)
    assert framed.shape == (130, 200, 3)
    assert np.array_equal(framed[30:], GREY)
    assert {0, 255} <= set(np.unique(framed[:30]).tolist())
    assert (framed[:30] > 128).mean() > 0.5


def test_a_backdrop_is_a_dark_blur_above_and_below() -> None:
    shown = show_on_backdrop(GREY, 1.0)
    assert shown.shape == (200, 200, 3)
    assert np.array_equal(shown[50:150], GREY)
    assert (shown[:50] == 54).all()
    assert (shown[150:] == 54).all()


def test_a_picture_that_is_vertical_already_stays() -> None:
    assert np.array_equal(show_on_backdrop(GREY.transpose(1, 0, 2), 9 / 16), GREY.transpose(1, 0, 2))


def test_at_an_angle_the_right_side_shrinks_and_what_comes_free_is_black() -> None:
    filmed = film_at_angle(GREY, 0.2)
    assert filmed.shape == GREY.shape
    assert (filmed[5:95, 2] == 90).all(), "the left edge keeps its height"
    assert (filmed[:, 182:] == 0).all(), "the right one has moved in by a tenth of the width"
    assert (filmed[:15, 175] == 0).all()
    assert (filmed[30:70, 175] == 90).all()


def test_beside_a_companion_each_keeps_its_shape() -> None:
    shared = show_beside(GREY, LIGHT, 0.5)
    assert shared.shape == (100, 200, 3)
    assert (shared[25:75, :100] == 90).all()
    assert (shared[:25, :100] == 0).all()
    assert (shared[:, 100:] == 200).all()


def test_within_a_companion_the_source_lies_in_the_lower_right_corner() -> None:
    shown = show_within(GREY, LIGHT, 0.5)
    assert shown.shape == (100, 200, 3)
    assert (shown[42:92, 92:192] == 90).all(), "the margin is 4 % of the width"
    assert (shown[:42, 50:150] == 200).all()
    assert (shown[:, :50] == 0).all()


def test_a_blend_weighs_both() -> None:
    assert blend(GREY, LIGHT, 0.3)[50, 100].tolist() == [123, 123, 123], "0.7 * 90 + 0.3 * 200"
    assert blend(GREY, LIGHT, 0.3)[50, 10].tolist() == [63, 63, 63], "beside the companion there is black"


def test_an_inset_has_a_share_of_the_width_and_its_own_shape() -> None:
    assert (show_inset(GREY, LIGHT, 0.2) == 200).sum() == 40 * 40 * 3


def test_a_sticker_is_a_yellow_face() -> None:
    stuck = draw_sticker(GREY, 0.5)
    rows, columns = np.nonzero((stuck != GREY).any(axis=2))
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == pytest.approx((50, 50), abs=2)
    assert stuck[32, 85].tolist() == [250, 205, 50]
    assert (GREY == 90).all()
