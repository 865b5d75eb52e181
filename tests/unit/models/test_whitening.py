"""Linear heads in closed form, on frames with known variances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.normalise import standardise
from models.whitening import fit_discriminative, fit_whitening

if TYPE_CHECKING:
    from models.embedders import LinearHead


def draw_frames(num_frames: int = 400, dim: int = 12) -> np.ndarray:
    """Frames with different variances per component: the last deviation is a hundred times the first."""
    noise = np.random.default_rng(3).normal(size=(num_frames, dim))
    return noise * np.geomspace(0.01, 1.0, dim) + np.linspace(0.0, 5.0, dim)


def draw_copies(num_frames: int = 200, num_copies: int = 4) -> np.ndarray:
    """Copies with the same first four values per frame. The last four, which are larger, are drawn for each copy."""
    chance = np.random.default_rng(8)
    frames = np.repeat(chance.normal(size=(num_frames, 1, 4)), num_copies, axis=1)
    return np.concatenate([frames, chance.normal(scale=3.0, size=(num_frames, num_copies, 4))], axis=2)


def measure_separation(head: LinearHead, copies: np.ndarray) -> float:
    """Mean cosine of two copies of one frame, minus that of two frames."""
    cosines = head.embed(copies[:, 0]) @ head.embed(copies[:, 1]).T
    return float(np.diag(cosines).mean() - cosines.mean())


def test_whitened_training_frames_have_unit_variance_and_no_correlation() -> None:
    frames = draw_frames()
    whitening = fit_whitening(frames, 6)
    white = (standardise(frames) - whitening.mean) @ whitening.projection
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(np.cov(white.T), np.eye(6), atol=1e-2)


def test_at_power_0_frames_are_rotated_and_not_scaled() -> None:
    projection = fit_whitening(draw_frames(), 6, power=0.0).projection
    np.testing.assert_allclose(projection.T @ projection, np.eye(6), atol=1e-6)


def test_a_power_between_0_and_1_keeps_part_of_the_deviation() -> None:
    frames = draw_frames()
    none, half, full = (fit_whitening(frames, 6, power) for power in (0.0, 0.5, 1.0))
    deviations = 1 / np.linalg.norm(full.projection, axis=0)
    np.testing.assert_allclose(half.projection, none.projection / deviations**0.5, rtol=1e-5)
    turned = (standardise(frames) - half.mean) @ half.projection
    np.testing.assert_allclose(turned.std(axis=0, ddof=1), deviations**0.5, rtol=1e-5)


def test_the_directions_of_the_largest_variance_come_first() -> None:
    whitening = fit_whitening(draw_frames(), 6)
    deviations = 1 / np.linalg.norm(whitening.projection, axis=0)
    assert list(deviations) == sorted(deviations, reverse=True)


def test_fewer_dimensions_are_the_first_ones_of_more_dimensions() -> None:
    few, more = fit_whitening(draw_frames(), 2), fit_whitening(draw_frames(), 6)
    np.testing.assert_array_equal(few.projection, more.projection[:, :2])


def test_the_largest_component_of_a_direction_is_positive() -> None:
    projection = fit_whitening(draw_frames(), 6).projection
    assert (projection[np.abs(projection).argmax(axis=0), np.arange(6)] > 0).all()


def test_equal_frames_give_equal_bytes() -> None:
    one, other = fit_whitening(draw_frames(), 6), fit_whitening(draw_frames(), 6)
    assert one.mean.tobytes() == other.mean.tobytes()
    assert one.projection.tobytes() == other.projection.tobytes()


def test_brightness_and_contrast_of_a_frame_have_no_effect() -> None:
    frames = draw_frames()
    plain, changed = fit_whitening(frames, 4), fit_whitening(frames * 7 + 3, 4)
    np.testing.assert_allclose(plain.projection, changed.projection, rtol=1e-5, atol=1e-7)


def test_the_number_of_frames_must_be_larger_than_the_number_of_dimensions() -> None:
    with pytest.raises(ValueError, match="6 dimensions need more than 6 frames, got 6"):
        fit_whitening(draw_frames(6), 6)


def test_more_dimensions_than_directions_of_variance_are_rejected() -> None:
    # Each standardised frame has mean 0, so twelve values vary in eleven directions.
    assert fit_whitening(draw_frames(), 11).projection.shape == (12, 11)
    for num_dims in (12, 20):
        with pytest.raises(
            ValueError,
            match=f"{num_dims} dimensions need as many directions in which the frames vary, got 11: use fewer",
        ):
            fit_whitening(draw_frames(), num_dims)


def test_equal_frames_are_rejected() -> None:
    with pytest.raises(ValueError, match="1 dimensions need as many directions in which the frames vary, got 0"):
        fit_whitening(np.repeat(draw_frames(1), 5, axis=0), 1)


def test_whitening_removes_the_common_component() -> None:
    frames = draw_frames()
    videos = standardise(frames[:2])
    white = fit_whitening(frames, 6).embed(videos)
    assert float(videos[0] @ videos[1]) > 0.9
    assert abs(float(white[0] @ white[1])) < 0.7


def test_a_discriminant_keeps_the_values_that_edits_do_not_change() -> None:
    copies = draw_copies()
    head = fit_discriminative(copies, 3)
    kept = np.abs(head.projection).mean(axis=1)
    assert kept[:4].min() > 3 * kept[4:].max()
    assert measure_separation(head, copies) > 0.8
    assert measure_separation(fit_whitening(copies[:, 0], 3), copies) < 0.3


def test_a_discriminant_separates_frames_that_it_was_not_fitted_on() -> None:
    copies = draw_copies()
    assert measure_separation(fit_discriminative(copies[:150], 3), copies[150:]) > 0.7


def test_the_directions_of_a_discriminant_are_uncorrelated_and_scaled_by_the_power() -> None:
    copies = draw_copies()
    for power, kept in ((0.0, 1.0), (0.5, 0.5), (1.0, 0.0)):
        head = fit_discriminative(copies, 3, power=power)
        rows = standardise(copies.reshape(-1, 8)).reshape(copies.shape)
        frame_means = ((rows - head.mean) @ head.projection).mean(axis=1)
        scatter = frame_means.T @ frame_means / len(frame_means)
        variances = np.diag(measure_variances(copies))
        np.testing.assert_allclose(scatter, np.diag(variances.diagonal() ** kept), atol=2e-5)


def measure_variances(copies: np.ndarray) -> np.ndarray:
    """The between-frame variances in the directions of an unscaled discriminant."""
    head = fit_discriminative(copies, 3, power=0.0)
    frame_means = ((standardise(copies.reshape(-1, 8)) - head.mean) @ head.projection).reshape(*copies.shape[:2], 3)
    return (frame_means.mean(axis=1) ** 2).mean(axis=0)


def test_a_strongly_shrunk_discriminant_is_the_principal_component() -> None:
    copies = draw_copies()
    frame_means = standardise(copies.reshape(-1, 8)).reshape(copies.shape).mean(axis=1)
    _, directions = np.linalg.eigh(np.cov(frame_means.T))
    shrunk = fit_discriminative(copies, 1, shrinkage=1e6, power=0.0).projection[:, 0]
    assert abs(shrunk @ directions[:, -1]) / np.linalg.norm(shrunk) == pytest.approx(1, abs=1e-4)


def test_the_discriminant_is_reproducible_and_its_largest_components_are_positive() -> None:
    one, other = fit_discriminative(draw_copies(), 3), fit_discriminative(draw_copies(), 3)
    assert one.projection.tobytes() == other.projection.tobytes()
    assert (one.projection[np.abs(one.projection).argmax(axis=0), np.arange(3)] > 0).all()
    assert one.projection.dtype == one.mean.dtype == np.float32


@pytest.mark.parametrize(("num_frames", "num_copies"), [(3, 4), (200, 1)])
def test_too_few_frames_or_one_copy_of_each_are_rejected(num_frames: int, num_copies: int) -> None:
    message = (
        f"3 dimensions need more than 3 frames and at least 2 copies of each, got {num_frames} frames and {num_copies} "
        "copies of each"
    )
    with pytest.raises(ValueError, match=message):
        fit_discriminative(draw_copies(num_frames, num_copies), 3)


def test_a_discriminant_with_more_dimensions_than_directions_of_variance_is_rejected() -> None:
    assert fit_discriminative(draw_copies(), 7).projection.shape == (8, 7)
    for num_dims in (8, 20):
        with pytest.raises(ValueError, match=f"{num_dims} dimensions need as many directions .*, got 7: use fewer"):
            fit_discriminative(draw_copies(), num_dims)
