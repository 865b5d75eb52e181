from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from udfs.illustrating.pictures import (
    MAX_STRIP_BYTES,
    choose_moments,
    draw_similarity_matrix,
    draw_strip,
    is_crop,
    outline,
)
from udfs.verifying.features import Segment, VideoFeatures
from udfs.verifying.lines import AlignedSegment


def segment(left_start: float, left_end: float, right_start: float, right_end: float) -> AlignedSegment:
    return AlignedSegment(Segment(left_start, left_end), Segment(right_start, right_end))


def open_picture(encoded: bytes, encoding: str = "JPEG") -> np.ndarray:
    with Image.open(io.BytesIO(encoded)) as image:
        assert image.format == encoding
        return np.asarray(image.convert("RGB"))


def test_moments_are_spaced_evenly_along_a_segment_and_follow_its_speed() -> None:
    moments = choose_moments([segment(0.0, 4.0, 10.0, 12.0)], 4)
    assert moments.left_seconds == (0.5, 1.5, 2.5, 3.5)
    assert moments.right_seconds == (10.25, 10.75, 11.25, 11.75)


def test_moments_cover_all_segments_in_the_order_of_the_left_video() -> None:
    moments = choose_moments([segment(4.0, 6.0, 0.0, 2.0), segment(0.0, 2.0, 8.0, 10.0)], 4)
    assert moments.left_seconds == (0.5, 1.5, 4.5, 5.5)
    assert moments.right_seconds == (8.5, 9.5, 0.5, 1.5)


def test_a_still_picture_has_one_moment() -> None:
    assert choose_moments([segment(0.0, 0.0, 0.0, 0.0)], 6) == ((0.0,), (0.0,))


def test_frames_are_centred_in_cells_of_equal_width() -> None:
    strip = open_picture(draw_strip([np.full((20, 10, 3), 250, np.uint8)] * 3, 30))
    assert strip.shape == (20, 3 * 34 - 4, 3)
    assert [bool(strip[10, x].mean() > 200) for x in (4, 15, 26, 49, 83)] == [False, True, False, True, True]


def test_a_strip_of_noise_does_not_exceed_the_size_limit() -> None:
    frames = list(np.random.default_rng(0).integers(0, 256, (6, 160, 160, 3), dtype=np.uint8))
    assert len(draw_strip(frames, 160)) <= MAX_STRIP_BYTES


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (None, False),
        ((0.0, 0.0, 1.0, 1.0), False),
        ((0.01, 0.01, 0.99, 0.99), False),
        ((0.1, 0.0, 1.0, 1.0), True),
        ((0.25, 0.25, 0.75, 0.75), True),
    ],
)
def test_a_region_of_nearly_the_whole_picture_is_not_outlined(region: tuple[float, ...] | None, expected: bool) -> None:
    assert is_crop(region) is expected


@pytest.mark.parametrize("grey", [0, 255])
def test_an_outline_surrounds_the_region_on_dark_and_bright_pictures(grey: int) -> None:
    frame = np.full((41, 81, 3), grey, np.uint8)
    drawn = outline(frame, (0.25, 0.25, 0.75, 0.75))
    across = [tuple(pixel) for pixel in drawn[20, 18:27].tolist()]
    plain, black, yellow = (grey,) * 3, (0, 0, 0), (255, 255, 0)
    assert across == [plain, plain, black, yellow, yellow, yellow, black, plain, plain]
    assert drawn[20, 60].tolist() == [0, 0, 0]
    assert drawn[10, 40].tolist() == [0, 0, 0]
    assert (frame == grey).all()


@pytest.mark.parametrize("region", [(0.5, 0.5, 0.5, 0.5), (0.6, 0.6, 0.4, 0.4), (-0.5, 0.0, 1.5, 0.5)])
def test_a_region_without_area_or_beyond_the_picture_does_not_fail(region: tuple[float, ...]) -> None:
    assert outline(np.full((9, 16, 3), 100, np.uint8), region).shape == (9, 16, 3)


def make_features(num_frames: int, dim: int = 6) -> VideoFeatures:
    vectors = np.eye(dim, dtype=np.float32)[np.arange(num_frames) % dim]
    return VideoFeatures(
        vectors, np.arange(num_frames, dtype=float), np.zeros(num_frames, np.float32), float(num_frames)
    )


def test_the_similarity_matrix_is_bright_where_frames_are_similar_and_segments_are_white() -> None:
    video = make_features(6)
    matrix = open_picture(draw_similarity_matrix(video, video, [segment(0.0, 6.0, 0.0, 6.0)]), "WEBP").astype(int)
    assert matrix.shape == (180, 180, 3)
    assert matrix[90, 90].min() > 180
    red, green, blue = matrix[5, 25]  # beside the line, in the first cell of the diagonal: the yellow of viridis
    assert min(red, green) > 200
    assert blue < 100
    assert matrix[5, 150].sum() < 300


def test_the_similarity_matrix_of_unrelated_videos_has_no_bright_cell() -> None:
    """The most similar frames of two unrelated videos are weakly similar. They do not look like a match."""
    vectors = np.zeros((6, 6), np.float32)
    vectors[:, 0], vectors[:, 5] = 0.12, 0.99  # cosine 0.12 to the first frame of the left video, 0 to the others
    right = replace(make_features(6), vectors=vectors)
    matrix = open_picture(draw_similarity_matrix(make_features(5), right, []), "WEBP").astype(int)
    assert matrix[:, :, 1].max() < 140  # the green of viridis rises with the similarity, up to 231


def test_the_similarity_matrix_of_a_clip_and_a_film_keeps_a_minimum_aspect_ratio() -> None:
    assert open_picture(draw_similarity_matrix(make_features(2), make_features(200), []), "WEBP").shape == (60, 180, 3)
    assert open_picture(draw_similarity_matrix(make_features(3000), make_features(2), []), "WEBP").shape == (180, 60, 3)
