from __future__ import annotations

import numpy as np
import pytest
import torch

from models.pooling import max_pool_maps, pool_video


def one_row_map(*positions: tuple[float, ...]) -> torch.Tensor:
    """A map of one frame with height 1, given as the channels at each position from left to right."""
    return torch.tensor(positions).T[None, :, None, :]


def test_every_position_is_normalised_before_the_maximum() -> None:
    """(3, 4) has norm 5 and becomes (.6, .8). (0, 2) becomes (0, 1). The maxima are (.6, 1), with norm sqrt(1.36).

    Left out, the bright position would win both channels: (3, 4) / 5.
    """
    found = max_pool_maps([one_row_map((3.0, 4.0), (0.0, 2.0))])
    assert found.tolist() == [[pytest.approx(0.6 / 1.36**0.5), pytest.approx(1 / 1.36**0.5)]]
    assert found[0, 0].item() != pytest.approx(0.6, abs=0.05)


def test_the_brightness_of_a_position_has_no_effect() -> None:
    dim, bright = ((3.0, 4.0), (0.0, 2.0)), ((300.0, 400.0), (0.0, 2.0))
    assert torch.allclose(max_pool_maps([one_row_map(*dim)]), max_pool_maps([one_row_map(*bright)]))


def test_negative_values_are_set_to_0_before_the_norm() -> None:
    assert max_pool_maps([one_row_map((-3.0, 4.0))]).tolist() == [[0.0, 1.0]]


def test_the_maximum_is_taken_over_rows_and_columns() -> None:
    feature_map = torch.zeros(1, 3, 2, 3)
    feature_map[0, 0, 0, 2] = 5.0  # top right
    feature_map[0, 1, 1, 0] = 7.0  # bottom left
    assert max_pool_maps([feature_map]).tolist() == [[pytest.approx(0.5**0.5), pytest.approx(0.5**0.5), 0.0]]


def test_layers_are_concatenated_in_order_each_with_norm_1() -> None:
    found = max_pool_maps([one_row_map((0.0, 9.0)), one_row_map((3.0, 4.0))])
    assert found.tolist() == [[0.0, 1.0, pytest.approx(0.6), pytest.approx(0.8)]]
    assert found.norm().item() == pytest.approx(2**0.5)


def test_frames_are_pooled_independently() -> None:
    frames = torch.cat([one_row_map((1.0, 0.0)), one_row_map((0.0, 1.0))])
    assert max_pool_maps([frames]).tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_layer_that_is_zero_everywhere_stays_zero() -> None:
    assert max_pool_maps([torch.full((1, 2, 2, 2), -1.0), one_row_map((1.0, 0.0))]).tolist() == [[0, 0, 1, 0]]


def test_nan_in_a_map_gives_nan() -> None:
    assert max_pool_maps([one_row_map((float("nan"), 1.0), (1.0, 1.0))]).isnan().any()
    assert max_pool_maps([one_row_map((float("inf"), 1.0), (1.0, 1.0))]).isnan().any()


def test_the_maps_are_not_modified() -> None:
    feature_map = one_row_map((-3.0, 4.0))
    max_pool_maps([feature_map])
    assert feature_map.flatten().tolist() == [-3.0, 4.0]


def test_memory_format_and_bf16_change_the_rounding_only() -> None:
    feature_map = torch.randn(2, 24, 9, 7, generator=torch.Generator().manual_seed(3))
    expected = max_pool_maps([feature_map])
    assert torch.allclose(max_pool_maps([feature_map.to(memory_format=torch.channels_last)]), expected, atol=1e-6)
    rounded = max_pool_maps([feature_map.bfloat16()])
    assert rounded.dtype == torch.float32
    assert torch.allclose(rounded, expected, atol=1e-2)


def test_a_videos_vector_is_the_standardised_mean_of_its_standardised_frames() -> None:
    """(3, 0, 0) -> (2, -1, -1) / sqrt 6; (0, 3, 0) -> (-1, 2, -1) / sqrt 6; their mean has the direction (1, 1, -2)."""
    found = pool_video(np.array([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]]))
    assert found.dtype == np.float32
    assert found.tolist() == [pytest.approx(1 / 6**0.5), pytest.approx(1 / 6**0.5), pytest.approx(-2 / 6**0.5)]


def test_norm_and_offset_of_a_frame_have_no_effect() -> None:
    plain = pool_video(np.array([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]]))
    assert pool_video(np.array([[31.0, 1.0, 1.0], [5.0, 8.0, 5.0]])) == pytest.approx(plain, abs=1e-6)


def test_a_videos_vector_has_mean_0_and_norm_1() -> None:
    frames = np.random.default_rng(1).random((700, 3088), dtype=np.float32)
    found = pool_video(frames).astype(np.float64)
    assert found.mean() == pytest.approx(0, abs=1e-8)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


def test_the_order_of_frames_has_no_effect() -> None:
    generator = np.random.default_rng(2)
    frames = generator.random((1000, 64), dtype=np.float32)
    shuffled = frames[generator.permutation(1000)]
    assert np.abs(pool_video(frames) - pool_video(shuffled)).max() <= 1e-7


def test_float16_frames_are_accepted() -> None:
    frames = np.random.default_rng(4).random((3, 16))
    assert pool_video(frames.astype(np.float16)) == pytest.approx(pool_video(frames), abs=1e-3)


def test_constant_frames_give_zeros() -> None:
    assert pool_video(np.full((2, 4), 0.1, dtype=np.float32)).tolist() == [0, 0, 0, 0]
    one = np.array([[3.0, 0.0, 0.0], [0.1, 0.1, 0.1]])
    assert pool_video(one) == pytest.approx(pool_video(one[:1]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_are_rejected(bad: float) -> None:
    frames = np.ones((300, 3), dtype=np.float32)
    frames[299, 1] = bad
    with pytest.raises(ValueError, match="NaN or infinity"):
        pool_video(frames)


def test_a_video_without_frames_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"must have shape \(n >= 1, dim\), got \(0, 3\)"):
        pool_video(np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"got \(3,\)"):
        pool_video(np.zeros(3))
