"""Epochs and checkpoints, with a head whose only weight counts its steps, and augmented frames."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from models.embedders import Identity, LinearHead
from models.frame_heads import ContrastiveHead
from models.training import AugmentedFrames, Epoch, TrainConfig, train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from models.embedders import RowEmbedder

HALF = math.sqrt(0.5)
# Two frames of video 0 and one of video 1, with two copies of each. The first copies of video 0, standardised, are
# (1, -1, 0) and (1, 0, -1), both divided by sqrt(2). The second copies have another order and contrast.
FRAMES = AugmentedFrames(
    np.array([[[1, -1, 0], [5, 5, 9]], [[3, 1, -1 + 0], [9, 5, 5]], [[0, 2, 0], [0, 1, 2]]], np.float16),
    np.array([0, 0, 1]),
    np.array([7, 4]),
)


class Counter:
    """A head whose only weight grows by the learning rate with each batch, because the loss is minus the weight."""

    def __init__(self, num_batches: int = 1) -> None:
        self.module = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(self.module.weight)
        self._num_batches = num_batches

    def batches(self, rng: np.random.Generator) -> Iterator[int]:
        del rng
        yield from range(self._num_batches)

    def loss(self, batch: int) -> torch.Tensor:
        del batch
        return -self.module.weight.sum()

    def export(self) -> LinearHead:
        return LinearHead(np.zeros(1, np.float32), self.module.weight.detach().numpy().copy())


COUNT = TrainConfig(learning_rate=1.0, epochs=4)


def number_of(head: RowEmbedder) -> int:
    """The number of steps of a counter when it was exported."""
    return round(float(head.to_tensors()["projection"][0, 0]))


def scored(*scores: float) -> Callable[[RowEmbedder], float]:
    """A validation function that returns the score of the number of steps of a counter."""
    return lambda head: scores[number_of(head)]


def draw_frames(num_videos: int = 12, seed: int = 0) -> AugmentedFrames:
    """Three frames of each video, and two noisy copies of each frame."""
    chance = np.random.default_rng(seed)
    frames = chance.normal(size=(3 * num_videos, 1, 8)) + chance.normal(scale=0.5, size=(3 * num_videos, 3, 8))
    return AugmentedFrames(frames.astype(np.float16), np.repeat(np.arange(num_videos), 3), np.arange(num_videos))


def test_selecting_keeps_the_frames_of_the_selected_videos_and_renumbers_these() -> None:
    kept = FRAMES.select(np.array([False, True]))
    assert kept.videos.tolist() == [0]
    assert kept.sources.tolist() == [4]
    assert kept.descriptors.tolist() == [[[0, 2, 0], [0, 1, 2]]]
    everything = FRAMES.select(np.array([True, True]))
    assert everything.videos.tolist() == [0, 0, 1]


def test_the_averaged_descriptor_of_each_copy_is_the_standardised_mean_of_its_standardised_frames() -> None:
    averaged = FRAMES.average()
    assert (averaged.shape, averaged.dtype) == ((2, 2, 3), np.float32)
    # (1, -1, 0) and (1, 0, -1), divided by sqrt(2)
    np.testing.assert_allclose(averaged[0, 0], np.array([2, -1, -1]) / math.sqrt(6), atol=1e-6)
    # (-1, -1, 2) and (2, -1, -1), divided by sqrt(6)
    np.testing.assert_allclose(averaged[0, 1], np.array([1, -2, 1]) / math.sqrt(6), atol=1e-6)
    np.testing.assert_allclose(averaged[1, 1], [-HALF, 0, HALF], atol=1e-6)


def test_early_fusion_embeds_the_averaged_descriptor_and_late_fusion_averages_embedded_frames() -> None:
    head = LinearHead(np.zeros(3, np.float32), np.array([[1, 0], [0, 1], [0, 0]], np.float32))
    early, late = FRAMES.embed(head, "early"), FRAMES.embed(head, "late")
    assert early.shape == late.shape == (2, 2, 2)
    assert early.dtype == late.dtype == np.float32
    np.testing.assert_allclose(early[0, 0], np.array([2, -1]) / math.sqrt(5), rtol=1e-6)
    # The angles of the two embedded frames are 45 and 0 degrees.
    expected = np.array([HALF + 1, -HALF])
    np.testing.assert_allclose(late[0, 0], expected / np.linalg.norm(expected), rtol=1e-6)


def test_both_fusions_of_the_identity_give_the_averaged_descriptor() -> None:
    np.testing.assert_allclose(FRAMES.embed(Identity(), "early"), FRAMES.average(), atol=1e-6)
    np.testing.assert_allclose(FRAMES.embed(Identity(), "late"), FRAMES.average(), atol=1e-6)


def test_the_head_of_the_best_epoch_and_the_results_of_all_epochs_are_returned() -> None:
    head, history = train(Counter(), COUNT, scored(0.2, 0.3, 0.6, 0.5, 0.4))
    assert number_of(head) == 2
    assert [epoch.number for epoch in history] == [0, 1, 2, 3, 4]
    assert [epoch.average_precision for epoch in history] == [0.2, 0.3, 0.6, 0.5, 0.4]
    assert math.isnan(history[0].loss)
    assert [epoch.loss for epoch in history[1:]] == pytest.approx([0, -1, -2, -3])


def test_the_first_of_equal_epochs_is_the_best() -> None:
    head, _ = train(Counter(), COUNT, scored(0.2, 0.6, 0.6, 0.6, 0.6))
    assert number_of(head) == 1


def test_if_training_makes_the_head_worse_the_initial_head_is_returned() -> None:
    head, _ = train(Counter(), COUNT, scored(0.9, 0.3, 0.6, 0.5, 0.4))
    assert number_of(head) == 0


def test_the_loss_of_an_epoch_is_the_mean_of_its_batches() -> None:
    _, history = train(Counter(num_batches=3), replace(COUNT, epochs=1), lambda _: 0.5)
    assert history[1].loss == pytest.approx((0 - 1 - 2) / 3)


def test_the_loss_of_an_epoch_without_batches_is_nan() -> None:
    _, history = train(Counter(num_batches=0), replace(COUNT, epochs=1), lambda _: 0.5)
    assert math.isnan(history[1].loss)


def test_each_epoch_is_reported_when_it_ends() -> None:
    reported: list[Epoch] = []
    _, history = train(Counter(), COUNT, scored(*[0.5] * 5), on_epoch=reported.append)
    assert reported == history


def test_training_resumes_from_a_checkpoint_with_the_best_head_so_far(tmp_path: Path) -> None:
    validate = scored(0.1, 0.9, 0.3, 0.4, 0.5)
    train(Counter(), replace(COUNT, epochs=2), validate, tmp_path / "run.pt")
    reported: list[int] = []
    again = Counter()
    head, history = train(again, COUNT, validate, tmp_path / "run.pt", lambda epoch: reported.append(epoch.number))
    assert number_of(head) == 1
    assert number_of(again.export()) == 4
    assert [epoch.average_precision for epoch in history] == [0.1, 0.9, 0.3, 0.4, 0.5]
    assert reported == [0, 1, 2, 3, 4]


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    validate = scored(0.1, 0.2, 0.9, 0.4, 0.5)
    _, history = train(Counter(), COUNT, validate, tmp_path / "run.pt")
    head, again = train(Counter(num_batches=9), COUNT, validate, tmp_path / "run.pt")
    assert number_of(head) == 2
    assert again[1:] == history[1:]


@pytest.mark.parametrize("changed", [{"learning_rate": 0.5}, {"seed": 1}, {"layers": (7,)}, {"batch_size": 3}])
def test_a_checkpoint_of_another_config_is_ignored(changed: dict[str, float], tmp_path: Path) -> None:
    validate = scored(*[0.5] * 5)
    train(Counter(), COUNT, validate, tmp_path / "run.pt")
    again = Counter()
    train(again, replace(COUNT, epochs=1, **changed), validate, tmp_path / "run.pt")
    assert float(again.export().projection[0, 0]) == pytest.approx(changed.get("learning_rate", 1))


@pytest.mark.parametrize("num_before", [1, 3])
def test_an_interrupted_training_gives_the_same_result_as_an_uninterrupted_one(num_before: int, tmp_path: Path) -> None:
    frames, config = draw_frames(), TrainConfig((4,), batch_size=10, epochs=5, seed=3)

    def validate(head: RowEmbedder) -> float:
        return float(np.abs(head.embed(frames.descriptors[:, 0])).mean())

    whole, history = train(ContrastiveHead(frames, config), config, validate)
    part = replace(config, epochs=num_before)
    train(ContrastiveHead(frames, part), part, validate, tmp_path / "run.pt")
    resumed, again = train(ContrastiveHead(frames, config), config, validate, tmp_path / "run.pt")
    assert again[1:] == history[1:]
    assert resumed.to_tensors()["projection"].tobytes() == whole.to_tensors()["projection"].tobytes()


def test_a_kill_within_an_epoch_loses_only_that_epoch(tmp_path: Path) -> None:
    def dies_at_three(head: RowEmbedder) -> float:
        if number_of(head) == 3:
            raise KeyboardInterrupt
        return 0.5

    with pytest.raises(KeyboardInterrupt):
        train(Counter(), COUNT, dies_at_three, tmp_path / "run.pt")
    reported: list[int] = []
    again = Counter(num_batches=1)
    train(again, COUNT, scored(*[0.5] * 5), tmp_path / "run.pt", lambda epoch: reported.append(epoch.number))
    assert number_of(again.export()) == 4
    assert reported == [0, 1, 2, 3, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not() -> None:
    def projection(seed: int) -> bytes:
        config = TrainConfig((4,), batch_size=10, epochs=2, seed=seed)
        better_every_time = iter((0.1, 0.2, 0.3))
        head, _ = train(ContrastiveHead(draw_frames(), config), config, lambda _: next(better_every_time))
        return head.to_tensors()["projection"].tobytes()

    assert projection(0) == projection(0)
    assert projection(0) != projection(1)
