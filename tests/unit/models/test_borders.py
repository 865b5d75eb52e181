"""Removal of borders, on frames whose content is noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.borders import cut_borders, find_content

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]

PX = 40
BLACK, RED, GREY = (0, 0, 0), (200, 30, 40), (128, 128, 128)


def draw_noise(height: int = PX, width: int = PX, seed: int = 0) -> Frame:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def frame_with(content: Frame, top: int, left: int, colour: tuple[int, int, int] = BLACK) -> Frame:
    """A frame of one colour with the content at (top, left)."""
    frame = np.full((PX, PX, 3), colour, np.uint8)
    frame[top : top + content.shape[0], left : left + content.shape[1]] = content
    return frame


def cut(frame: Frame) -> Frame:
    return cut_borders(frame[np.newaxis])[0]


@pytest.mark.parametrize("colour", [BLACK, RED, (255, 255, 255)])
@pytest.mark.parametrize(
    ("top", "height", "left", "width"),
    [(10, 20, 0, 40), (0, 40, 12, 16), (5, 20, 8, 30), (0, 30, 0, 40), (0, 40, 9, 31)],
    ids=["letterbox", "pillarbox", "both", "only below", "only left"],
)
def test_the_content_is_the_picture_inside_bars_of_one_colour(
    colour: tuple[int, int, int], top: int, height: int, left: int, width: int
) -> None:
    frame = frame_with(draw_noise(height, width), top, left, colour)
    assert find_content(frame) == (top, top + height, left, left + width)


def test_bars_that_vary_by_a_few_levels_after_compression_are_borders() -> None:
    frame = frame_with(draw_noise(20, 40), 10, 0, GREY)
    waver = np.random.default_rng(1).integers(-6, 7, (PX, PX, 1))
    frame[:10] += waver[:10].astype(np.uint8)
    frame[30:] += waver[30:].astype(np.uint8)
    assert find_content(frame) == (10, 30, 0, 40)


def test_a_row_that_varies_by_13_levels_is_no_border() -> None:
    frame = frame_with(draw_noise(20, 40), 10, 0, GREY)
    frame[4, 7] = 140
    assert find_content(frame) == (10, 30, 0, 40)
    frame[4, 7] = 141
    assert find_content(frame) == (4, 30, 0, 40)


def test_bars_inside_bars_are_removed() -> None:
    inner = np.full((30, 40, 3), RED, np.uint8)
    inner[4:26, 6:34] = draw_noise(22, 28)
    assert find_content(frame_with(inner, 5, 0)) == (9, 31, 6, 34)


def test_bars_above_and_below_may_be_of_different_colours() -> None:
    frame = frame_with(draw_noise(20, 40), 10, 0, BLACK)
    frame[30:] = RED
    assert find_content(frame) == (10, 30, 0, 40)


@pytest.mark.parametrize("colour", [BLACK, RED])
def test_a_flat_frame_is_unchanged(colour: tuple[int, int, int]) -> None:
    frame = np.full((PX, PX, 3), colour, np.uint8)
    assert find_content(frame) == (0, 40, 0, 40)
    np.testing.assert_array_equal(cut(frame), frame)


def test_content_narrower_than_a_fifth_of_the_frame_is_ignored() -> None:
    assert find_content(frame_with(draw_noise(8, 8), 20, 3)) == (20, 28, 3, 11)
    speck = frame_with(draw_noise(7, 30), 20, 3)
    assert find_content(speck) == (0, 40, 0, 40)
    np.testing.assert_array_equal(cut(speck), speck)


def test_a_gradient_is_no_border() -> None:
    levels = np.add.outer(np.arange(PX), np.arange(PX)) * 3
    frame = np.repeat(levels[..., np.newaxis], 3, axis=2).astype(np.uint8)
    assert find_content(frame) == (0, 40, 0, 40)
    np.testing.assert_array_equal(cut(frame), frame)


@pytest.mark.parametrize("turned", [False, True])
def test_a_picture_that_fades_to_a_dark_edge_has_no_border(*, turned: bool) -> None:
    levels = np.minimum(255, np.arange(PX) * 3).astype(np.uint8)
    fading = np.broadcast_to(levels[:, None, None], (PX, PX, 3))
    assert find_content(fading.transpose(1, 0, 2) if turned else fading) == (0, PX, 0, PX)


def test_adjacent_flat_areas_are_removed_one_after_another() -> None:
    content = draw_noise()
    content[:20] = 60
    content[:8] = 0
    assert find_content(content) == (20, PX, 0, PX)


def test_a_frame_without_borders_is_returned_byte_by_byte() -> None:
    frame = draw_noise()
    assert cut(frame).tobytes() == frame.tobytes()


@pytest.mark.parametrize(("height", "width"), [(20, 40), (40, 22)])
def test_a_frame_with_only_the_letterbox_of_its_decoder_is_returned_byte_by_byte(height: int, width: int) -> None:
    frame = frame_with(draw_noise(height, width), (PX - height) // 2, (PX - width) // 2)
    assert cut(frame).tobytes() == frame.tobytes()


def test_content_that_fills_a_side_is_centred_and_its_bars_become_zeros() -> None:
    content = draw_noise(20, 40)
    np.testing.assert_array_equal(cut(frame_with(content, 3, 0, RED)), frame_with(content, 10, 0))


def test_smaller_content_is_scaled_so_that_its_longer_side_fills_the_square() -> None:
    content = np.zeros((10, 20, 3), np.uint8)
    content[:, :10], content[:, 10:] = (250, 0, 0), (0, 0, 250)
    square = cut(frame_with(content, 2, 7, GREY))
    assert not square[:10].any()
    assert not square[30:].any()
    assert square[12:28, 2:17].reshape(-1, 3).tolist() == [[250, 0, 0]] * (16 * 15)
    assert square[12:28, 23:38].reshape(-1, 3).tolist() == [[0, 0, 250]] * (16 * 15)


def test_frames_are_processed_independently() -> None:
    barred, whole = frame_with(draw_noise(20, 24), 5, 5, RED), draw_noise(seed=2)
    together = cut_borders(np.stack([barred, whole]))
    np.testing.assert_array_equal(together[0], cut(barred))
    np.testing.assert_array_equal(together[1], whole)


def test_input_frames_are_not_modified_and_no_frames_give_no_frames() -> None:
    frame = frame_with(draw_noise(20, 24), 5, 5, RED)
    before = frame.copy()
    cut(frame)
    np.testing.assert_array_equal(frame, before)
    assert cut_borders(np.empty((0, PX, PX, 3), np.uint8)).shape == (0, PX, PX, 3)
