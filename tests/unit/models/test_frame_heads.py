"""Losses and batches of frame heads, with vectors that can be checked by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from models.frame_heads import BatchHardHead, ContrastiveHead, FrameHead, info_nce, koleo
from models.training import AugmentedFrames, TrainConfig, train
from models.whitening import fit_discriminative

if TYPE_CHECKING:
    from models.embedders import RowEmbedder

EAST, NORTH, WEST = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]
CONFIG = TrainConfig((2,), batch_size=5, epochs=8, learning_rate=0.01)
NEGATIVE = math.exp(
    -2
)  # exp of the logit of an orthogonal negative minus that of an equal positive, at temperature 1/2


def vectors(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows)


def sources(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers)


def draw_frames(num_videos: int = 6, num_copies: int = 4, dim: int = 6, noise: float = 0.3) -> AugmentedFrames:
    """Two frames of each video, and noisy copies of each frame."""
    chance = np.random.default_rng(2)
    frames = chance.normal(size=(2 * num_videos, 1, dim))
    data = frames + chance.normal(scale=noise, size=(2 * num_videos, num_copies, dim))
    return AugmentedFrames(data.astype(np.float16), np.repeat(np.arange(num_videos), 2), np.arange(num_videos) + 10)


def validate(head: RowEmbedder, data: AugmentedFrames) -> float:
    """Mean cosine of two copies of one frame, minus that of two frames."""
    one, other = (head.embed(data.descriptors[:, copy]) for copy in (0, 1))
    cosines = one @ other.T
    return float(np.diag(cosines).mean() - cosines.mean())


def test_info_nce_is_the_cross_entropy_of_identifying_the_positive() -> None:
    # Each row has its positive at cosine 1 and two negatives at cosine 0.
    loss = info_nce(vectors(EAST, NORTH, EAST, NORTH), sources(0, 1, 0, 1), 0.5)
    assert float(loss) == pytest.approx(math.log(1 + 2 * NEGATIVE))


def test_info_nce_decreases_with_the_temperature_if_positives_are_nearest() -> None:
    rows, of = vectors(EAST, NORTH, EAST, NORTH), sources(0, 1, 0, 1)
    assert float(info_nce(rows, of, 0.1)) == pytest.approx(math.log(1 + 2 * math.exp(-10)), abs=1e-6)


def test_other_frames_of_the_same_source_are_no_negatives() -> None:
    # Three frames, two of one source: these have two negatives each, the third has four.
    loss = info_nce(vectors(EAST, EAST, NORTH, EAST, EAST, NORTH), sources(0, 0, 1, 0, 0, 1), 0.5)
    assert float(loss) == pytest.approx((2 * math.log(1 + 2 * NEGATIVE) + math.log(1 + 4 * NEGATIVE)) / 3)


def test_info_nce_is_0_if_all_frames_have_one_source() -> None:
    assert float(info_nce(vectors(EAST, NORTH, WEST, EAST), sources(5, 5, 5, 5), 0.5)) == pytest.approx(0)


def test_koleo_is_minus_the_mean_log_distance_to_the_nearest_row_of_another_source() -> None:
    # The nearest of EAST and of WEST is NORTH, at distance sqrt(2). The nearest of NORTH is also at sqrt(2).
    loss = koleo(vectors(EAST, NORTH, WEST), sources(0, 1, 2))
    assert float(loss) == pytest.approx(-math.log(math.sqrt(2)))


def test_koleo_ignores_rows_of_the_same_source() -> None:
    # The nearest row of another source is NORTH for both EASTs, and an EAST for NORTH.
    loss = koleo(vectors(EAST, EAST, NORTH), sources(0, 0, 1))
    assert float(loss) == pytest.approx(-math.log(math.sqrt(2)))
    assert float(koleo(vectors(EAST, EAST), sources(3, 3))) == pytest.approx(-math.log(2))


def test_koleo_of_equal_vectors_and_its_gradient_are_finite() -> None:
    rows = vectors(EAST, EAST).requires_grad_()
    loss = koleo(rows, sources(0, 1))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-math.log(1e-3))
    assert rows.grad is not None
    assert torch.isfinite(rows.grad).all()


def test_the_contrastive_loss_is_info_nce_plus_weighted_koleo() -> None:
    head = ContrastiveHead(draw_frames(dim=3), replace(CONFIG, temperature=0.5, koleo_weight=0.3))
    torch.nn.init.eye_(head.module.weight)
    rows, of = vectors(EAST, NORTH, EAST, NORTH), sources(0, 1, 0, 1)
    expected = math.log(1 + 2 * NEGATIVE) - 0.3 * math.log(math.sqrt(2))
    assert head.loss((rows, sources(0, 1, 0, 1), of)).item() == pytest.approx(expected)


def test_the_batch_hard_loss_uses_the_furthest_positive_and_the_nearest_negative_of_each_row() -> None:
    head = BatchHardHead(draw_frames(dim=3), replace(CONFIG, margin=3.0))
    torch.nn.init.eye_(head.module.weight)
    batch = vectors(EAST, NORTH, WEST, WEST), sources(0, 0, 1, 1), sources(7, 7, 8, 8)
    # EAST: 2 - 4; NORTH: 2 - 2; each WEST: 0 - 2; each plus the margin of 3.
    assert head.loss(batch).item() == pytest.approx((1 + 3 + 1 + 1) / 4)


def test_a_frame_of_the_same_source_is_neither_positive_nor_negative() -> None:
    head = BatchHardHead(draw_frames(dim=3), replace(CONFIG, margin=3.0))
    torch.nn.init.eye_(head.module.weight)
    batch = vectors(EAST, NORTH, WEST, WEST), sources(0, 0, 1, 1), sources(7, 7, 7, 7)
    assert head.loss(batch).item() == 0


@pytest.mark.parametrize(("kind", "num_copies"), [(ContrastiveHead, 2), (BatchHardHead, 3)])
def test_an_epoch_has_each_frame_once_with_different_copies(kind: type[FrameHead], num_copies: int) -> None:
    data = draw_frames()
    head = kind(data, CONFIG)
    shown: list[int] = []
    for rows, frames, of in head.batches(np.random.default_rng(0)):
        number = len(rows) // num_copies
        assert frames.tolist() == frames.tolist()[:number] * num_copies
        assert of.tolist() == [10 + frame // 2 for frame in frames.tolist()]
        shown += frames.tolist()[:number]
        places = [
            [(head._rows[frame] == row).all(dim=1).tolist().index(True) for row in rows[start::number]]
            for start, frame in enumerate(frames.tolist()[:number])
        ]
        assert all(len(set(drawn)) == num_copies for drawn in places)
    assert sorted(shown) == list(range(12))


def test_batches_are_full_except_the_last_and_their_order_is_random() -> None:
    head = ContrastiveHead(draw_frames(), CONFIG)
    one, other = (list(head.batches(np.random.default_rng(seed))) for seed in (0, 1))
    assert [len(rows) for rows, _, _ in one] == [10, 10, 4]
    assert one[0][1].tolist() != other[0][1].tolist()


def test_a_head_is_initialised_with_the_discriminant_scaled_to_unit_columns_on_average() -> None:
    data, config = draw_frames(), replace(CONFIG, layers=(4,))
    weight = ContrastiveHead(data, config).module.weight.detach().numpy()
    assert weight.shape == (4, 6)
    assert np.square(weight).sum() == pytest.approx(4, rel=1e-5)
    start = fit_discriminative(data.descriptors, 4).projection.T
    np.testing.assert_allclose(weight, start * 2 / np.linalg.norm(start), rtol=1e-5)


@pytest.mark.parametrize("kind", [ContrastiveHead, BatchHardHead])
def test_the_exported_head_embeds_like_the_module(kind: type[FrameHead]) -> None:
    data = draw_frames()
    head = kind(data, CONFIG)
    of_module = head.embed(head._rows[:, 1]).detach().numpy()
    np.testing.assert_allclose(head.export().embed(data.descriptors[:, 1]), of_module, atol=1e-5)


@pytest.mark.parametrize("kind", [ContrastiveHead, BatchHardHead])
def test_an_exported_head_does_not_change_with_further_training(kind: type[FrameHead]) -> None:
    head = kind(draw_frames(), CONFIG)
    exported = head.export()
    before = exported.projection.copy()
    with torch.no_grad():
        head.module.weight.mul_(2)
    np.testing.assert_array_equal(exported.projection, before)


@pytest.mark.parametrize("kind", [ContrastiveHead, BatchHardHead])
def test_training_reduces_the_loss_and_makes_copies_of_a_frame_more_similar(
    kind: type[ContrastiveHead | BatchHardHead],
) -> None:
    config = replace(CONFIG, layers=(4,), batch_size=12, epochs=30, margin=0.5)
    data = draw_frames(dim=4)
    nuisance = np.random.default_rng(9).normal(scale=2, size=(12, 4, 4))
    data = replace(data, descriptors=np.concatenate([data.descriptors, nuisance], axis=2).astype(np.float16))
    _, history = train(kind(data, config), config, lambda head: validate(head, data))
    assert history[-1].loss < 0.8 * history[1].loss
    assert history[-1].average_precision > history[0].average_precision + 0.1


def test_too_few_frames_for_the_number_of_dimensions_are_rejected() -> None:
    with pytest.raises(
        ValueError, match=r"64 dimensions need more than 64 frames .* got 12 frames and 4 copies of each"
    ):
        ContrastiveHead(draw_frames(), replace(CONFIG, layers=(64,)))
