"""Fine-tuning of a backbone: its real weights, generated pictures, a few steps."""

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
from models.tuning import TeacherVectors, TrainableLite0, TuningConfig, _TuningLoss, fine_tune
from models.weights import load_state_dict
from models.whitening import fit_discriminative
from tests.support.videos import draw_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.slow  # the backbone is trained for a few steps

SPEC = get_backbone("efficientnet_lite0")
TARGETS = torch.arange(4).repeat_interleave(2)
CONFIG = TuningConfig(steps=4, learning_rate=2e-4, warmup_steps=1, averaging_decay=0.5, trained_fraction=1.0)


@pytest.fixture(scope="module")
def frames() -> NDArray[np.uint8]:
    """Four frames of four sources."""
    return np.stack([draw_picture(3 + number, (224, 224), seed=number) for number in range(4)])


@pytest.fixture(scope="module")
def edited(frames: NDArray[np.uint8]) -> torch.Tensor:
    """Two edited copies of each frame with edits that the head was not fitted on: inverted, and rotated."""
    return torch.from_numpy(np.stack([copy for frame in frames for copy in (255 - frame, np.rot90(frame))]))


@pytest.fixture(scope="module")
def teacher(frames: NDArray[np.uint8]) -> TeacherVectors:
    describer = load_describer(SPEC.name)
    unedited = describer.describe(frames)
    head = fit_discriminative(np.stack([unedited, describer.describe(frames // 2)], axis=1), 3)
    return TeacherVectors(head.embed(unedited), np.arange(4), head)


def make_net() -> TrainableLite0:
    return TrainableLite0(SPEC, load_state_dict(SPEC))


def test_the_trainable_network_gives_the_same_descriptors_as_the_describer(frames: NDArray[np.uint8]) -> None:
    with torch.inference_mode():
        found = make_net()(torch.from_numpy(frames)).numpy()
    np.testing.assert_allclose(found, load_describer(SPEC.name).describe(frames), atol=1e-4)


@pytest.mark.slow
def test_fine_tuning_moves_edited_frames_nearer_to_their_targets(teacher: TeacherVectors, edited: torch.Tensor) -> None:
    losses: list[float] = []
    state = fine_tune(
        make_net(), teacher, repeat((edited, TARGETS)), CONFIG, on_step=lambda _, loss: losses.append(loss)
    )
    assert len(losses) == 4
    assert losses[-1] < 0.8 * losses[0]
    net = build_backbone(SPEC, {name: value.float() for name, value in state.items()})
    pixels = (edited.permute(0, 3, 1, 2).float() / 255 - torch.tensor(SPEC.mean).view(1, 3, 1, 1)) / torch.tensor(
        SPEC.std
    ).view(1, 3, 1, 1)
    vectors = teacher.head.embed(max_pool_maps(net(pixels)).numpy())
    before = teacher.head.embed(load_describer(SPEC.name).describe(edited.numpy()))
    wanted = teacher.vectors[TARGETS.numpy()]
    assert (vectors * wanted).sum(axis=1).min() > (before * wanted).sum(axis=1).min()


@pytest.mark.slow
def test_a_trained_fraction_of_0_gives_the_original_network(teacher: TeacherVectors, edited: torch.Tensor) -> None:
    start = load_state_dict(SPEC)
    state = fine_tune(make_net(), teacher, repeat((edited, TARGETS)), replace(CONFIG, steps=1, trained_fraction=0.0))
    assert state.keys() == {name for name in start if not name.startswith("_fc.")}
    for name, value in state.items():
        assert torch.equal(value, start[name].to(value.dtype))
    assert state["_bn0.running_var"].dtype == torch.float32
    assert state["_bn0.weight"].dtype == torch.float16


def test_frames_of_the_same_source_are_not_negatives(teacher: TeacherVectors, frames: NDArray[np.uint8]) -> None:
    """Each frame is in the teacher twice. The second one raises the loss only if it has another source."""
    descriptors = torch.from_numpy(load_describer(SPEC.name).describe(frames))
    twice = np.concatenate([teacher.vectors, teacher.vectors])

    def measure(sources: list[int]) -> float:
        loss = _TuningLoss(TeacherVectors(twice, np.array(sources), teacher.head), "cpu")
        return loss.measure(descriptors, torch.arange(4), 0.06).item()

    assert measure([0, 1, 2, 3, 0, 1, 2, 3]) < measure([0, 1, 2, 3, 4, 5, 6, 7]) - 0.5


def test_the_loss_is_small_if_the_vectors_equal_their_targets(
    teacher: TeacherVectors, frames: NDArray[np.uint8]
) -> None:
    loss = _TuningLoss(teacher, "cpu")
    descriptors = torch.from_numpy(load_describer(SPEC.name).describe(frames))
    right = loss.measure(descriptors, torch.arange(4), 0.06).item()
    wrong = loss.measure(descriptors, torch.tensor([1, 2, 3, 0]), 0.06).item()
    assert right < 0.1 < wrong
