"""Training a backbone on: its real weights, generated pictures, a few steps."""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from models.backbones import build_backbone
from models.describer import load_describer
from models.pooling import max_pool_maps
from models.registry import get_backbone
from models.tuning import Bank, Lite0, TuningConfig, _PlacedBank, tune
from models.weights import load_state_dict
from models.whitening import fit_discriminative
from tests.support.videos import draw_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = get_backbone("efficientnet_lite0")
SHOWN = torch.arange(4).repeat_interleave(2)
CONFIG = TuningConfig(steps=4, learning_rate=2e-4, warmup_steps=1, averaging_decay=0.5, share=1.0)


@pytest.fixture(scope="module")
def frames() -> NDArray[np.uint8]:
    """Return four frames of four sources."""
    return np.stack([draw_picture(3 + number, (224, 224), seed=number) for number in range(4)])


@pytest.fixture(scope="module")
def views(frames: NDArray[np.uint8]) -> torch.Tensor:
    """Return two views of each frame that the head has not seen the like of: its negative, and turned."""
    return torch.from_numpy(np.stack([view for frame in frames for view in (255 - frame, np.rot90(frame))]))


@pytest.fixture(scope="module")
def bank(frames: NDArray[np.uint8]) -> Bank:
    describer = load_describer(SPEC.name)
    of_frames = describer.describe(frames)
    head = fit_discriminative(np.stack([of_frames, describer.describe(frames // 2)], axis=1), 3)
    return Bank(head.embed(of_frames), np.arange(4), head)


def make_net() -> Lite0:
    return Lite0(SPEC, load_state_dict(SPEC))


def test_the_network_that_learns_describes_as_the_one_that_runs(frames: NDArray[np.uint8]) -> None:
    with torch.inference_mode():
        found = make_net()(torch.from_numpy(frames)).numpy()
    np.testing.assert_allclose(found, load_describer(SPEC.name).describe(frames), atol=1e-4)


@pytest.mark.slow
def test_the_farthest_view_comes_nearer_to_its_frame_and_the_result_runs(bank: Bank, views: torch.Tensor) -> None:
    losses: list[float] = []
    state = tune(make_net(), bank, repeat((views, SHOWN)), CONFIG, on_step=lambda _, loss: losses.append(loss))
    assert len(losses) == 4
    assert losses[-1] < 0.8 * losses[0]
    net = build_backbone(SPEC, {name: value.float() for name, value in state.items()})
    pixels = (views.permute(0, 3, 1, 2).float() / 255 - torch.tensor(SPEC.mean).view(1, 3, 1, 1)) / torch.tensor(
        SPEC.std
    ).view(1, 3, 1, 1)
    vectors = bank.head.embed(max_pool_maps(net(pixels)).numpy())
    before = bank.head.embed(load_describer(SPEC.name).describe(views.numpy()))
    wanted = bank.vectors[SHOWN.numpy()]
    assert (vectors * wanted).sum(axis=1).min() > (before * wanted).sum(axis=1).min()


@pytest.mark.slow
def test_a_share_of_none_leaves_the_network_as_it_was_and_statistics_never_change(
    bank: Bank, views: torch.Tensor
) -> None:
    start = load_state_dict(SPEC)
    state = tune(make_net(), bank, repeat((views, SHOWN)), replace(CONFIG, steps=1, share=0.0))
    assert state.keys() == {name for name in start if not name.startswith("_fc.")}
    for name, value in state.items():
        assert torch.equal(value, start[name].to(value.dtype))
    assert state["_bn0.running_var"].dtype == torch.float32
    assert state["_bn0.weight"].dtype == torch.float16


def test_frames_of_one_source_are_not_held_apart(bank: Bank, frames: NDArray[np.uint8]) -> None:
    """A bank in which each frame stands twice: as two sources the second is a rival, as one it is none."""
    descriptors = torch.from_numpy(load_describer(SPEC.name).describe(frames))
    twice = np.concatenate([bank.vectors, bank.vectors])

    def measure(sources: list[int]) -> float:
        placed = _PlacedBank(Bank(twice, np.array(sources), bank.head), "cpu")
        return placed.measure_loss(descriptors, torch.arange(4), 0.06).item()

    assert measure([0, 1, 2, 3, 0, 1, 2, 3]) < measure([0, 1, 2, 3, 4, 5, 6, 7]) - 0.5


def test_the_loss_is_least_where_views_lie_on_their_frames(bank: Bank, frames: NDArray[np.uint8]) -> None:
    placed = _PlacedBank(bank, "cpu")
    descriptors = torch.from_numpy(load_describer(SPEC.name).describe(frames))
    right = placed.measure_loss(descriptors, torch.arange(4), 0.06).item()
    wrong = placed.measure_loss(descriptors, torch.tensor([1, 2, 3, 0]), 0.06).item()
    assert right < 0.1 < wrong
