"""What frame heads learn by, on vectors that can be followed by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from models.frame_heads import BatchHardHead, ContrastiveHead, FrameHead, info_nce, koleo
from models.training import TrainConfig, ViewSet, train
from models.whitening import fit_discriminative

if TYPE_CHECKING:
    from models.embedders import RowEmbedder

EAST, NORTH, WEST = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]
CONFIG = TrainConfig((2,), batch_size=5, epochs=8, learning_rate=0.01)
STRANGER = math.exp(-2)  # what a stranger at a right angle weighs against a mate at 0, at temperature 1/2


def vectors(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows)


def sources(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers)


def draw_views(num_videos: int = 6, num_views: int = 4, dim: int = 6, noise: float = 0.3) -> ViewSet:
    """Two frames of each video, and noisy views of each frame."""
    chance = np.random.default_rng(2)
    frames = chance.normal(size=(2 * num_videos, 1, dim))
    views = frames + chance.normal(scale=noise, size=(2 * num_videos, num_views, dim))
    return ViewSet(views.astype(np.float16), np.repeat(np.arange(num_videos), 2), np.arange(num_videos) + 10)


def validate(head: RowEmbedder, views: ViewSet) -> float:
    """Mean cosine of two views of one frame less that of two frames."""
    one, other = (head.embed(views.descriptors[:, view]) for view in (0, 1))
    cosines = one @ other.T
    return float(np.diag(cosines).mean() - cosines.mean())


def test_info_nce_is_the_cross_entropy_of_finding_the_mate_among_strangers() -> None:
    # each row has its mate at cosine 1 and two strangers at 0
    loss = info_nce(vectors(EAST, NORTH, EAST, NORTH), sources(0, 1, 0, 1), 0.5)
    assert float(loss) == pytest.approx(math.log(1 + 2 * STRANGER))


def test_info_nce_falls_with_the_temperature_where_mates_are_nearest() -> None:
    rows, of = vectors(EAST, NORTH, EAST, NORTH), sources(0, 1, 0, 1)
    assert float(info_nce(rows, of, 0.1)) == pytest.approx(math.log(1 + 2 * math.exp(-10)), abs=1e-6)


def test_other_frames_of_one_source_are_no_strangers() -> None:
    # three frames, two of one source: these have two strangers each, the third has four
    loss = info_nce(vectors(EAST, EAST, NORTH, EAST, EAST, NORTH), sources(0, 0, 1, 0, 0, 1), 0.5)
    assert float(loss) == pytest.approx((2 * math.log(1 + 2 * STRANGER) + math.log(1 + 4 * STRANGER)) / 3)


def test_where_all_frames_are_of_one_source_there_is_nothing_to_tell_apart() -> None:
    assert float(info_nce(vectors(EAST, NORTH, WEST, EAST), sources(5, 5, 5, 5), 0.5)) == pytest.approx(0)


def test_koleo_is_minus_the_mean_log_distance_to_the_nearest_of_another_source() -> None:
    # EAST and WEST have NORTH nearest, at the root of 2, and so has NORTH
    loss = koleo(vectors(EAST, NORTH, WEST), sources(0, 1, 2))
    assert float(loss) == pytest.approx(-math.log(math.sqrt(2)))


def test_koleo_does_not_drive_views_of_one_source_apart() -> None:
    # the nearest of another source: NORTH of both EASTs, an EAST of NORTH
    loss = koleo(vectors(EAST, EAST, NORTH), sources(0, 0, 1))
    assert float(loss) == pytest.approx(-math.log(math.sqrt(2)))
    assert float(koleo(vectors(EAST, EAST), sources(3, 3))) == pytest.approx(-math.log(2))


def test_koleo_of_equal_vectors_is_finite_and_so_is_its_slope() -> None:
    rows = vectors(EAST, EAST).requires_grad_()
    loss = koleo(rows, sources(0, 1))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-math.log(1e-3))
    assert rows.grad is not None
    assert torch.isfinite(rows.grad).all()


def test_the_contrastive_loss_is_info_nce_plus_its_share_of_koleo() -> None:
    head = ContrastiveHead(draw_views(dim=3), replace(CONFIG, temperature=0.5, koleo_weight=0.3))
    torch.nn.init.eye_(head.module.weight)
    rows, of = vectors(EAST, NORTH, EAST, NORTH), sources(0, 1, 0, 1)
    expected = math.log(1 + 2 * STRANGER) - 0.3 * math.log(math.sqrt(2))
    assert head.loss((rows, sources(0, 1, 0, 1), of)).item() == pytest.approx(expected)


def test_the_batch_hard_loss_takes_the_furthest_positive_and_the_nearest_negative_of_each_row() -> None:
    head = BatchHardHead(draw_views(dim=3), replace(CONFIG, margin=3.0))
    torch.nn.init.eye_(head.module.weight)
    batch = vectors(EAST, NORTH, WEST, WEST), sources(0, 0, 1, 1), sources(7, 7, 8, 8)
    # EAST 2 - 4, NORTH 2 - 2, either WEST 0 - 2; each plus 3
    assert head.loss(batch).item() == pytest.approx((1 + 3 + 1 + 1) / 4)


def test_a_frame_of_the_same_source_is_neither_positive_nor_negative() -> None:
    head = BatchHardHead(draw_views(dim=3), replace(CONFIG, margin=3.0))
    torch.nn.init.eye_(head.module.weight)
    batch = vectors(EAST, NORTH, WEST, WEST), sources(0, 0, 1, 1), sources(7, 7, 7, 7)
    assert head.loss(batch).item() == 0


@pytest.mark.parametrize(("kind", "num_views"), [(ContrastiveHead, 2), (BatchHardHead, 3)])
def test_an_epoch_shows_different_views_of_each_frame_once(kind: type[FrameHead], num_views: int) -> None:
    views = draw_views()
    head = kind(views, CONFIG)
    shown: list[int] = []
    for rows, frames, of in head.batches(np.random.default_rng(0)):
        number = len(rows) // num_views
        assert frames.tolist() == frames.tolist()[:number] * num_views
        assert of.tolist() == [10 + frame // 2 for frame in frames.tolist()]
        shown += frames.tolist()[:number]
        places = [
            [(head._rows[frame] == row).all(dim=1).tolist().index(True) for row in rows[start::number]]
            for start, frame in enumerate(frames.tolist()[:number])
        ]
        assert all(len(set(drawn)) == num_views for drawn in places)
    assert sorted(shown) == list(range(12))


def test_batches_are_full_but_for_the_last_and_their_order_is_drawn() -> None:
    head = ContrastiveHead(draw_views(), CONFIG)
    one, other = (list(head.batches(np.random.default_rng(seed))) for seed in (0, 1))
    assert [len(rows) for rows, _, _ in one] == [10, 10, 4]
    assert one[0][1].tolist() != other[0][1].tolist()


def test_a_head_starts_as_the_discriminant_of_its_views_scaled_to_columns_of_unit_length_on_average() -> None:
    views, config = draw_views(), replace(CONFIG, layers=(4,))
    weight = ContrastiveHead(views, config).module.weight.detach().numpy()
    assert weight.shape == (4, 6)
    assert np.square(weight).sum() == pytest.approx(4, rel=1e-5)
    start = fit_discriminative(views.descriptors, 4).projection.T
    np.testing.assert_allclose(weight, start * 2 / np.linalg.norm(start), rtol=1e-5)


@pytest.mark.parametrize("kind", [ContrastiveHead, BatchHardHead])
def test_what_is_exported_embeds_as_the_module_does(kind: type[FrameHead]) -> None:
    views = draw_views()
    head = kind(views, CONFIG)
    of_module = head.embed(head._rows[:, 1]).detach().numpy()
    np.testing.assert_allclose(head.export().embed(views.descriptors[:, 1]), of_module, atol=1e-5)


@pytest.mark.parametrize("kind", [ContrastiveHead, BatchHardHead])
def test_an_export_does_not_change_with_further_learning(kind: type[FrameHead]) -> None:
    head = kind(draw_views(), CONFIG)
    exported = head.export()
    before = exported.projection.copy()
    with torch.no_grad():
        head.module.weight.mul_(2)
    np.testing.assert_array_equal(exported.projection, before)


@pytest.mark.parametrize("kind", [ContrastiveHead, BatchHardHead])
def test_the_loss_falls_and_views_of_a_frame_come_together_as_a_head_learns_what_changes_from_view_to_view(
    kind: type[ContrastiveHead | BatchHardHead],
) -> None:
    config = replace(CONFIG, layers=(4,), batch_size=12, epochs=30, margin=0.5)
    views = draw_views(dim=4)
    nuisance = np.random.default_rng(9).normal(scale=2, size=(12, 4, 4))
    views = replace(views, descriptors=np.concatenate([views.descriptors, nuisance], axis=2).astype(np.float16))
    _, history = train(kind(views, config), config, lambda head: validate(head, views))
    assert history[-1].loss < 0.8 * history[1].loss
    assert history[-1].average_precision > history[0].average_precision + 0.1


def test_too_few_frames_for_the_length_of_the_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match=r"64 dimensions need more than so many frames, .* got 12 frames of 4 views"):
        ContrastiveHead(draw_views(), replace(CONFIG, layers=(64,)))
