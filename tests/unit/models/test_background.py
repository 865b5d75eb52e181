from __future__ import annotations

import numpy as np
import pytest

from models.background import Background


def background(*frames: tuple[float, float], sources: tuple[int, ...] | None = None) -> Background:
    """A background of two-dimensional vectors. By default each frame has its own source."""
    numbers = range(len(frames)) if sources is None else sources
    return Background(np.float32(frames), np.array(numbers, np.int32))


def test_a_background_must_have_one_source_per_frame() -> None:
    with pytest.raises(
        ValueError, match="the background has 2 frames but 1 sources; it must have one source per frame"
    ):
        background((1, 0), (0, 1), sources=(7,))


def test_the_similarity_is_the_mean_over_the_three_nearest_frames() -> None:
    stored = background((1, 0), (0.6, 0.8), (0, 1), (-1, 0))
    assert stored.measure(np.float32([[0.6, -0.8]])).tolist() == pytest.approx([(0.6 - 0.28 - 0.6) / 3])


def test_with_fewer_than_three_frames_the_mean_is_over_all_of_them() -> None:
    stored = background((1, 0), (0.6, 0.8), sources=(0, 0))
    assert stored.measure(np.float32([[0, 1], [-1, 0]])).tolist() == pytest.approx([0.4, -0.8])


def test_long_videos_are_processed_in_chunks() -> None:
    angles = np.linspace(0, 3, 1000)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    np.testing.assert_allclose(background((1, 0)).measure(vectors), np.cos(angles), atol=1e-6)


def test_the_footage_of_a_training_video_is_excluded() -> None:
    stored = background((1, 0), (0.8, 0.6), (0, 1), (0, -1), (0, -1), sources=(7, 7, 8, 9, 9))
    shown = np.float32([[1, 0], [0.8, 0.6]])
    assert stored.measure(shown).tolist() == pytest.approx([0.0, (0.6 - 0.6 - 0.6) / 3])
    assert Background(stored.vectors[:2], stored.sources[:2]).measure(shown).tolist() == [0.0, 0.0]


def test_a_source_with_a_mean_similarity_below_the_limit_is_not_excluded() -> None:
    stored = background((1, 0), (1, 0), (1, 0), (0, 1), sources=(7, 7, 7, 8))
    shown = np.float32([[1, 0], [0.48, 0.8772685]])  # .74 on average, below the limit
    assert stored.measure(shown)[0] == pytest.approx(1.0)
    closer = np.float32([[1, 0], [0.52, 0.8541663]])  # .76, above the limit: source 7 is excluded
    assert stored.measure(closer)[0] == pytest.approx(0.0)


def test_a_source_that_is_similar_in_one_direction_only_is_not_excluded() -> None:
    # One frame of eight is black, so the mean similarity of the source's frames to the video is .125.
    stored = background((1, 0), *[(0, 1)] * 7, sources=(7,) * 8)
    assert stored.measure(np.float32([[1, 0], [1, 0]])).tolist() == pytest.approx([1 / 3, 1 / 3])
