"""Random edits of generated pictures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.frame_augmentations import EDITS, apply_edits, draw_edit_names, fit_to_square, resize
from tests.support.videos import draw_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]

SIZES = [(64, 48), (48, 64), (63, 113), (9, 200), (200, 9), (8, 8)]  # height, width
PICTURE, OTHER = draw_picture(3, (96, 64)), draw_picture(5, (50, 70), seed=1)


def edit(name: str, picture: Picture = PICTURE, other: Picture = OTHER, seed: int = 0) -> Picture:
    return apply_edits(picture, other, (name,), np.random.default_rng(seed))


def is_within(part: Picture, whole: Picture) -> bool:
    """Whether a picture is part of another one, unchanged."""
    height, width, _ = part.shape
    windows = np.lib.stride_tricks.sliding_window_view(whole, (height, width, 3))[:, :, 0]
    return bool((windows == part).all(axis=(2, 3, 4)).any())


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("name", EDITS)
def test_each_edit_accepts_pictures_of_any_size(name: str, size: tuple[int, int]) -> None:
    picture = draw_picture(3, size[::-1])
    for seed, other in enumerate((OTHER, draw_picture(5, (200, 9), seed=1), draw_picture(5, (9, 200), seed=1))):
        edited = edit(name, picture, other, seed)
        assert (edited.dtype, edited.ndim, edited.shape[2]) == (np.uint8, 3, 3)
        assert min(edited.shape) >= 1


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_does_not_modify_its_inputs(name: str) -> None:
    picture, other = PICTURE.copy(), OTHER.copy()
    for seed in range(5):
        edit(name, picture, other, seed)
    np.testing.assert_array_equal(picture, PICTURE)
    np.testing.assert_array_equal(other, OTHER)


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_accepts_read_only_arrays_and_negative_strides(name: str) -> None:
    """Decoders return read-only arrays, and other edits return arrays with negative strides."""
    picture, other = PICTURE[:, ::-1], np.rot90(OTHER)
    picture.flags.writeable = other.flags.writeable = False
    np.testing.assert_array_equal(edit(name, picture, other), edit(name, picture.copy(), other.copy()))


@pytest.mark.parametrize("name", EDITS)
def test_the_result_of_an_edit_depends_on_the_seed(name: str) -> None:
    edited = [edit(name, seed=seed).tobytes() for seed in range(20)]
    assert edited == [edit(name, seed=seed).tobytes() for seed in range(20)]
    assert len(set(edited)) > 1


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_the_picture(name: str) -> None:
    edited = edit(name)
    assert edited.shape != PICTURE.shape or not (edited == PICTURE).all()


@pytest.mark.parametrize("name", sorted(EDITS.keys() - {"inset_other", "show_in_other", "beside_other", "blend_other"}))
def test_edits_of_one_picture_do_not_use_the_other(name: str) -> None:
    np.testing.assert_array_equal(edit(name, other=OTHER), edit(name, other=OTHER[:5]))


def test_edits_are_applied_in_order() -> None:
    edited = apply_edits(PICTURE, OTHER, ("turn", "crop"), np.random.default_rng(4))
    rng = np.random.default_rng(4)
    np.testing.assert_array_equal(edited, EDITS["crop"](EDITS["turn"](PICTURE, OTHER, rng), OTHER, rng))


def test_without_edits_the_picture_is_unchanged() -> None:
    np.testing.assert_array_equal(apply_edits(PICTURE, OTHER, (), np.random.default_rng(0)), PICTURE)


@pytest.mark.parametrize("seed", range(5))
def test_a_crop_keeps_50_to_95_percent_of_each_side(seed: int) -> None:
    edited = edit("crop", seed=seed)
    assert 32 <= edited.shape[0] <= 61
    assert 48 <= edited.shape[1] <= 91
    assert is_within(edited, PICTURE)


@pytest.mark.parametrize("seed", range(5))
def test_a_picture_is_rotated_by_multiples_of_90_degrees(seed: int) -> None:
    turned = edit("turn", seed=seed)
    assert any(np.array_equal(turned, np.rot90(PICTURE, quarters)) for quarters in (1, 2, 3))


def test_most_flips_are_horizontal() -> None:
    edited = Counter(edit("flip", seed=seed).tobytes() for seed in range(60))
    assert set(edited) == {PICTURE[:, ::-1].tobytes(), PICTURE[::-1].tobytes()}
    assert edited[PICTURE[:, ::-1].tobytes()] > 40


@pytest.mark.parametrize("name", ["pad", "meme"])
def test_bands_are_around_the_picture(name: str) -> None:
    edited = edit(name)
    assert edited.shape[0] > 64
    assert is_within(PICTURE[20:], edited)  # text may be as high as a band and overlap the picture


@pytest.mark.parametrize(
    "name", ["rotate", "perspective", "colour", "tint", "blur", "pixelate", "noise", "text", "sticker"]
)
def test_edits_of_pixels_do_not_change_the_size(name: str) -> None:
    assert edit(name).shape == PICTURE.shape


def test_a_stretch_changes_only_the_width() -> None:
    heights, widths = zip(*(edit("stretch", seed=seed).shape[:2] for seed in range(10)), strict=True)
    assert set(heights) == {64}
    assert min(widths) >= 48
    assert max(widths) <= 192


def test_compression_gives_a_smaller_picture_of_the_same_aspect_ratio() -> None:
    height, width, _ = edit("compress").shape
    assert 80 <= width <= 240
    assert height == pytest.approx(width * 64 / 96, abs=1)


def test_blurred_sides_change_landscape_to_portrait_and_portrait_to_landscape() -> None:
    portrait = edit("blurred_sides")
    assert portrait.shape[1] == 96
    assert portrait.shape[0] > 96
    assert is_within(PICTURE, portrait)
    upright = draw_picture(3, (48, 80))
    landscape = edit("blurred_sides", upright)
    assert landscape.shape[0] == 80
    assert landscape.shape[1] > 80
    assert is_within(upright, landscape)


def test_two_pictures_are_combined_as_inset_or_side_by_side() -> None:
    white, black = np.full((60, 80, 3), 255, np.uint8), np.zeros((40, 40, 3), np.uint8)
    inset, shown = edit("inset_other", white, black), edit("show_in_other", white, black)
    assert inset.shape == white.shape
    assert 0.02 < (inset == 0).mean() < 0.17
    assert shown.shape == black.shape
    assert 0.1 < (shown == 255).mean() < 0.7
    beside = edit("beside_other", white, black)
    assert beside.shape == (60, 140, 3)
    assert {beside[0, 0, 0], beside[0, -1, 0]} == {0, 255}


def test_a_blend_is_between_both_pictures_and_nearer_to_the_first() -> None:
    white, black = np.full((60, 80, 3), 255, np.uint8), np.zeros((40, 40, 3), np.uint8)
    blended = edit("blend_other", white, black)
    assert blended.shape == white.shape
    assert 127 <= blended.min() == blended.max() <= 230


def test_pixelation_gives_blocks_of_one_colour() -> None:
    edited = edit("pixelate", draw_picture(3, (448, 300)))
    rows = (np.diff(edited.astype(int), axis=0) != 0).any(axis=(1, 2))
    assert 10 < rows.sum() < 150


def test_one_to_three_different_edits_are_drawn() -> None:
    drawn = [draw_edit_names(np.random.default_rng(seed)) for seed in range(300)]
    counts = Counter(map(len, drawn))
    assert counts.keys() == {1, 2, 3}
    assert 120 < counts[1] < 180
    assert all(len(set(names)) == len(names) for names in drawn)
    assert {name for names in drawn for name in names} == set(EDITS)


def test_the_drawn_edits_depend_on_the_seed_only() -> None:
    assert draw_edit_names(np.random.default_rng(7)) == draw_edit_names(np.random.default_rng(7))


def test_a_picture_is_centred_in_a_square_of_zeros_and_its_longer_side_fills_it() -> None:
    square = fit_to_square(np.full((10, 20, 3), 200, np.uint8), 40)
    assert (square.shape, square.dtype) == ((40, 40, 3), np.uint8)
    assert (square[10:30] == 200).all()
    assert not square[:10].any()
    assert not square[30:].any()
    pillar = fit_to_square(np.full((80, 20, 3), 200, np.uint8), 40)
    assert (pillar[:, 15:25] == 200).all()
    assert not pillar[:, :15].any()
    assert not pillar[:, 25:].any()


def test_a_picture_of_the_right_size_is_not_resampled() -> None:
    square = fit_to_square(PICTURE, 96)
    np.testing.assert_array_equal(square[16:80], PICTURE)


def test_the_shorter_side_has_at_least_one_pixel() -> None:
    square = fit_to_square(np.full((400, 2, 3), 200, np.uint8), 40)
    assert (square == 200).all(axis=(0, 2)).sum() == 1


def test_a_size_below_one_pixel_becomes_one_pixel() -> None:
    assert resize(PICTURE, 0, 7).shape == (1, 7, 3)


def test_edits_that_show_other_footage_can_be_left_out() -> None:
    names = {name for seed in range(200) for name in draw_edit_names(np.random.default_rng(seed), shows_other=False)}
    assert names == {name for name in EDITS if "other" not in name}
