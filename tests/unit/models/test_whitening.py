"""Linear heads in closed form, on frames whose variances are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.normalise import standardise
from models.whitening import fit_discriminative, fit_whitening

if TYPE_CHECKING:
    from models.embedders import LinearHead


def draw_frames(num_frames: int = 400, dim: int = 12) -> np.ndarray:
    """Frames whose components vary unequally: the last a hundred times as much as the first."""
    noise = np.random.default_rng(3).normal(size=(num_frames, dim))
    return noise * np.geomspace(0.01, 1.0, dim) + np.linspace(0.0, 5.0, dim)


def draw_views(num_frames: int = 200, num_views: int = 4) -> np.ndarray:
    """Views that keep the first four numbers of a frame and draw the last four, which are larger, anew."""
    chance = np.random.default_rng(8)
    frames = np.repeat(chance.normal(size=(num_frames, 1, 4)), num_views, axis=1)
    return np.concatenate([frames, chance.normal(scale=3.0, size=(num_frames, num_views, 4))], axis=2)


def tell_apart(head: LinearHead, views: np.ndarray) -> float:
    """Mean cosine of two views of one frame less that of two frames."""
    cosines = head.embed(views[:, 0]) @ head.embed(views[:, 1]).T
    return float(np.diag(cosines).mean() - cosines.mean())


def test_whitened_training_frames_vary_alike_in_all_directions_and_are_not_correlated() -> None:
    frames = draw_frames()
    whitening = fit_whitening(frames, 6)
    white = (standardise(frames) - whitening.mean) @ whitening.projection
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(np.cov(white.T), np.eye(6), atol=1e-2)


def test_at_power_0_frames_are_turned_and_not_scaled() -> None:
    projection = fit_whitening(draw_frames(), 6, power=0.0).projection
    np.testing.assert_allclose(projection.T @ projection, np.eye(6), atol=1e-6)


def test_a_power_between_leaves_that_part_of_a_directions_deviation() -> None:
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


def test_more_dimensions_than_the_frames_vary_in_are_too_many() -> None:
    # Each standardised frame has mean 0: twelve numbers vary in eleven directions.
    assert fit_whitening(draw_frames(), 11).projection.shape == (12, 11)
    for num_dims in (12, 20):
        with pytest.raises(
            ValueError,
            match=f"{num_dims} dimensions need frames that vary in as many, got 11: ask for fewer",
        ):
            fit_whitening(draw_frames(), num_dims)


def test_frames_that_are_all_the_same_vary_in_no_direction() -> None:
    with pytest.raises(ValueError, match="1 dimensions need frames that vary in as many, got 0"):
        fit_whitening(np.repeat(draw_frames(1), 5, axis=0), 1)


def test_whitening_takes_out_what_all_videos_have_in_common() -> None:
    frames = draw_frames()
    videos = standardise(frames[:2])
    white = fit_whitening(frames, 6).embed(videos)
    assert float(videos[0] @ videos[1]) > 0.9
    assert abs(float(white[0] @ white[1])) < 0.7


def test_a_discriminant_keeps_what_views_of_a_frame_share_and_leaves_what_edits_change() -> None:
    views = draw_views()
    head = fit_discriminative(views, 3)
    kept = np.abs(head.projection).mean(axis=1)
    assert kept[:4].min() > 3 * kept[4:].max()
    assert tell_apart(head, views) > 0.8
    assert tell_apart(fit_whitening(views[:, 0], 3), views) < 0.3


def test_a_discriminant_tells_frames_apart_that_it_was_not_fitted_on() -> None:
    views = draw_views()
    assert tell_apart(fit_discriminative(views[:150], 3), views[150:]) > 0.7


def test_the_directions_of_a_discriminant_are_not_correlated_between_frames_and_the_power_divides_them() -> None:
    views = draw_views()
    for power, kept in ((0.0, 1.0), (0.5, 0.5), (1.0, 0.0)):
        head = fit_discriminative(views, 3, power=power)
        rows = standardise(views.reshape(-1, 8)).reshape(views.shape)
        of_frames = ((rows - head.mean) @ head.projection).mean(axis=1)
        scatter = of_frames.T @ of_frames / len(of_frames)
        spread = np.diag(fit_spread(views))
        np.testing.assert_allclose(scatter, np.diag(spread.diagonal() ** kept), atol=2e-5)


def fit_spread(views: np.ndarray) -> np.ndarray:
    """The variances between frames in the directions of a discriminant that is not scaled."""
    head = fit_discriminative(views, 3, power=0.0)
    of_frames = ((standardise(views.reshape(-1, 8)) - head.mean) @ head.projection).reshape(*views.shape[:2], 3)
    return (of_frames.mean(axis=1) ** 2).mean(axis=0)


def test_the_more_a_discriminant_is_shrunk_the_nearer_it_is_to_principal_components() -> None:
    views = draw_views()
    of_frames = standardise(views.reshape(-1, 8)).reshape(views.shape).mean(axis=1)
    _, directions = np.linalg.eigh(np.cov(of_frames.T))
    shrunk = fit_discriminative(views, 1, shrinkage=1e6, power=0.0).projection[:, 0]
    assert abs(shrunk @ directions[:, -1]) / np.linalg.norm(shrunk) == pytest.approx(1, abs=1e-4)


def test_the_same_views_give_the_same_discriminant_with_the_largest_component_of_each_direction_positive() -> None:
    one, other = fit_discriminative(draw_views(), 3), fit_discriminative(draw_views(), 3)
    assert one.projection.tobytes() == other.projection.tobytes()
    assert (one.projection[np.abs(one.projection).argmax(axis=0), np.arange(3)] > 0).all()
    assert one.projection.dtype == one.mean.dtype == np.float32


@pytest.mark.parametrize(("num_frames", "num_views"), [(3, 4), (200, 1)])
def test_too_few_frames_or_one_view_alone_make_no_discriminant(num_frames: int, num_views: int) -> None:
    message = (
        f"3 dimensions need more than so many frames, and two views of each; got {num_frames} frames of {num_views} "
        "views"
    )
    with pytest.raises(ValueError, match=message):
        fit_discriminative(draw_views(num_frames, num_views), 3)


def test_a_discriminant_of_more_dimensions_than_the_frames_vary_in_is_refused() -> None:
    assert fit_discriminative(draw_views(), 7).projection.shape == (8, 7)
    for num_dims in (8, 20):
        with pytest.raises(ValueError, match=f"{num_dims} dimensions need frames that vary in as many, got 7: ask for"):
            fit_discriminative(draw_views(), num_dims)
