"""Whitening of descriptors, on numbers that can be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.pooling import standardise
from models.whitening import Whitening, fit_whitening, to_unit_norm


def draw_frames(num_frames: int = 400, dim: int = 12) -> np.ndarray:
    """Frames whose components vary unequally: the last a hundred times as much as the first."""
    noise = np.random.default_rng(3).normal(size=(num_frames, dim))
    return noise * np.geomspace(0.01, 1.0, dim) + np.linspace(0.0, 5.0, dim)


def test_whitened_training_frames_vary_alike_in_all_directions_and_are_not_correlated() -> None:
    frames = draw_frames()
    whitening = fit_whitening(frames, 6)
    white = (standardise(frames) - whitening.mean) @ whitening.projection
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(np.cov(white.T), np.eye(6), atol=1e-2)


def test_the_directions_of_the_largest_variance_come_first() -> None:
    whitening = fit_whitening(draw_frames(), 6)
    deviations = 1 / np.linalg.norm(whitening.projection, axis=0)
    assert list(deviations) == sorted(deviations, reverse=True)


def test_fewer_dimensions_are_the_first_of_more() -> None:
    few, more = fit_whitening(draw_frames(), 2), fit_whitening(draw_frames(), 6)
    np.testing.assert_array_equal(few.projection, more.projection[:, :2])


def test_the_largest_component_of_a_direction_is_positive() -> None:
    projection = fit_whitening(draw_frames(), 6).projection
    assert (projection[np.abs(projection).argmax(axis=0), np.arange(6)] > 0).all()


def test_the_same_frames_give_the_same_numbers() -> None:
    one, other = fit_whitening(draw_frames(), 6), fit_whitening(draw_frames(), 6)
    assert one.mean.tobytes() == other.mean.tobytes()
    assert one.projection.tobytes() == other.projection.tobytes()


def test_a_frames_brightness_and_contrast_do_not_matter() -> None:
    frames = draw_frames()
    plain, changed = fit_whitening(frames, 4), fit_whitening(frames * 7 + 3, 4)
    np.testing.assert_allclose(plain.projection, changed.projection, rtol=1e-5, atol=1e-7)


def test_as_many_frames_as_dimensions_are_too_few() -> None:
    with pytest.raises(ValueError, match="6 dimensions need more than so many frames, got 6"):
        fit_whitening(draw_frames(6), 6)


def test_embedding_subtracts_the_mean_then_projects_then_divides_by_the_norm() -> None:
    whitening = Whitening(np.array([1, 0], np.float32), np.array([[3, 0], [0, 4]], np.float32))
    np.testing.assert_allclose(whitening.embed(np.array([[2.0, 1.0], [1.0, -2.0]])), [[0.6, 0.8], [0.0, -1.0]])


def test_whitening_takes_out_what_all_videos_have_in_common() -> None:
    frames = draw_frames()
    videos = standardise(frames[:2])
    white = fit_whitening(frames, 6).embed(videos)
    assert float(videos[0] @ videos[1]) > 0.9
    assert abs(float(white[0] @ white[1])) < 0.7


def test_vectors_have_unit_norm_and_a_zero_row_stays_zero() -> None:
    vectors = to_unit_norm(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0.0, 0.0]])


def test_a_descriptor_that_is_the_mean_becomes_zeros() -> None:
    whitening = fit_whitening(draw_frames(), 6)
    np.testing.assert_array_equal(whitening.embed(whitening.mean[np.newaxis]), np.zeros((1, 6)))
