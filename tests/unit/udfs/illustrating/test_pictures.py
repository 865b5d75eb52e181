from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from udfs.illustrating.pictures import MAX_STRIP_BYTES, cut_padding, draw_match, draw_strip, match_moments
from udfs.verifying.align import VideoFeatures


def open_picture(encoded: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(encoded)) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGB"))


def test_moments_are_even_along_a_stretch_and_follow_its_speed() -> None:
    moments = match_moments([(0.0, 4.0, 10.0, 12.0)], 4)
    assert moments.left_seconds == (0.5, 1.5, 2.5, 3.5)
    assert moments.right_seconds == (10.25, 10.75, 11.25, 11.75)


def test_moments_are_spread_over_all_stretches_in_the_order_of_the_left_video() -> None:
    moments = match_moments([(4.0, 6.0, 0.0, 2.0), (0.0, 2.0, 8.0, 10.0)], 4)
    assert moments.left_seconds == (0.5, 1.5, 4.5, 5.5)
    assert moments.right_seconds == (8.5, 9.5, 0.5, 1.5)


def test_a_still_picture_has_one_moment() -> None:
    assert match_moments([(0.0, 0.0, 0.0, 0.0)], 6) == ((0.0,), (0.0,))


@pytest.mark.parametrize(("size_px", "shape"), [((1920, 1080), (9, 16, 3)), ((1080, 1920), (16, 9, 3))])
def test_what_pads_a_picture_to_a_square_is_cut_and_a_black_picture_keeps_its_size(
    size_px: tuple[int, int], shape: tuple[int, ...]
) -> None:
    assert [frame.shape for frame in cut_padding([np.zeros((16, 16, 3), np.uint8)] * 2, size_px, 16)] == [shape] * 2


def test_a_picture_whose_pixels_are_no_squares_is_not_cut() -> None:
    frame = np.zeros((16, 16, 3), np.uint8)
    frame[2:14] = 200  # 16 x 12 on display, from 1:1 pixels of 16 x 9
    assert cut_padding([frame], (16, 9), 16)[0].shape == (12, 16, 3)


def test_frames_lie_in_the_middle_of_equal_cells() -> None:
    strip = open_picture(draw_strip([np.full((20, 10, 3), 250, np.uint8)] * 3, 30))
    assert strip.shape == (20, 3 * 34 - 4, 3)
    assert [bool(strip[10, x].mean() > 200) for x in (4, 15, 26, 49, 83)] == [False, True, False, True, True]


def test_a_strip_that_no_codec_makes_small_is_still_small_enough() -> None:
    frames = list(np.random.default_rng(0).integers(0, 256, (6, 160, 160, 3), dtype=np.uint8))
    assert len(draw_strip(frames, 160)) <= MAX_STRIP_BYTES


def make_sequence(num_frames: int, dim: int = 6) -> VideoFeatures:
    vectors = np.eye(dim, dtype=np.float32)[np.arange(num_frames) % dim]
    return VideoFeatures(
        vectors, np.arange(num_frames, dtype=float), np.zeros(num_frames, np.float32), float(num_frames)
    )


def test_the_match_is_bright_where_frames_are_similar_and_its_line_is_white() -> None:
    video = make_sequence(6)
    match = open_picture(draw_match(video, video, [(0.0, 6.0, 0.0, 6.0)])).astype(int)
    assert match.shape == (180, 180, 3)
    assert match[90, 90].min() > 180
    red, green, blue = match[5, 25]  # beside the line, in the first cell of the diagonal: viridis' yellow
    assert min(red, green) > 200
    assert blue < 100
    assert match[5, 150].sum() < 300


def test_a_clip_in_a_film_is_no_line() -> None:
    assert open_picture(draw_match(make_sequence(2), make_sequence(200), [])).shape == (60, 180, 3)
    assert open_picture(draw_match(make_sequence(3000), make_sequence(2), [])).shape == (180, 60, 3)
