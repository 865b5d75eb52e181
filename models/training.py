"""Train a head on descriptors of augmented frames: epochs with checkpoints; held-out footage selects the best epoch.

The descriptors of a whole catalogue fit into memory, so this runs on one machine: the driver, on its GPU if it has one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from models.normalise import standardise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from models.embedders import Embedder, RowEmbedder


@dataclass(frozen=True)
class AugmentedFrames:
    """Descriptors of the augmented frames of many videos.

    Attributes:
        descriptors: float16 (frames, copies, dim). Copy 0 is the unedited frame. Each other copy has the same edits in
            all frames of a video.
        videos: int64 (frames,), ascending: the index of each frame's video.
        sources: int64 (videos,), the source (footage) of each video. Videos of the same source are not negatives.
    """

    descriptors: NDArray[np.float16]
    videos: NDArray[np.int64]
    sources: NDArray[np.int64]

    def select(self, is_selected: NDArray[np.bool_]) -> AugmentedFrames:
        """Return the videos that are True in `is_selected`, bool (videos,)."""
        kept = is_selected[self.videos]
        renumbered = np.cumsum(is_selected) - 1
        return AugmentedFrames(self.descriptors[kept], renumbered[self.videos[kept]], self.sources[is_selected])

    def average(self) -> NDArray[np.float32]:
        """Return the averaged descriptor of each copy of each video: float32 (videos, copies, dim), standardised."""
        num_videos, (_, num_copies, dim) = len(self.sources), self.descriptors.shape
        averaged = np.empty((num_videos, num_copies, dim), dtype=np.float32)
        bounds = np.searchsorted(self.videos, np.arange(num_videos + 1))
        for video in range(num_videos):
            frames = self.descriptors[bounds[video] : bounds[video + 1]].astype(np.float64)
            rows = standardise(frames.reshape(-1, dim)).reshape(frames.shape)
            averaged[video] = standardise(rows.mean(axis=0))
        return averaged

    def embed(self, embedder: Embedder, fusion: str) -> NDArray[np.float32]:
        """Return the vector of each copy of each video: float32 (videos, copies, num_dims), unit norm."""
        if fusion == "early":
            return np.stack([[embedder.embed_video(row[None]) for row in video] for video in self.average()])
        bounds = np.searchsorted(self.videos, np.arange(len(self.sources) + 1))
        spans = [self.descriptors[begin:end] for begin, end in pairwise(bounds)]
        return np.stack([[embedder.embed_video(span[:, copy]) for copy in range(span.shape[1])] for span in spans])


@dataclass(frozen=True)
class TrainConfig:
    """How a head is trained. Not every objective uses every field.

    Attributes:
        layers: number of outputs of each layer; the last is the length of the vectors.
        margin: margin (gamma) of the triplet loss.
        learning_rate: learning rate of Adam.
        weight_decay: weight decay of Adam.
        batch_size: triplets or frames per batch, depending on the objective.
        epochs: passes over the training data.
        temperature: temperature of InfoNCE.
        koleo_weight: weight of the KoLeo term.
        seed: seed of all random numbers.
    """

    layers: tuple[int, ...] = (512,)
    margin: float = 1.0
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    batch_size: int = 256
    epochs: int = 12
    temperature: float = 0.05
    koleo_weight: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """Result of an epoch: the mean loss of its batches, and the average precision on held-out footage."""

    number: int
    loss: float
    average_precision: float


class TrainableHead(Protocol):
    """A head during training."""

    module: torch.nn.Module

    def batches(self, rng: np.random.Generator) -> Iterable[Any]:
        """Yield the batches of one epoch."""

    def loss(self, batch: Any) -> torch.Tensor:  # noqa: ANN401 -- what `batches` yields
        """Return the loss of a batch, a scalar."""

    def export(self) -> RowEmbedder:
        """Return the embedder with the current weights."""


def train(
    head: TrainableHead,
    config: TrainConfig,
    validate: Callable[[RowEmbedder], float],
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> tuple[RowEmbedder, list[Epoch]]:
    """Train a head. Return the embedder of the best epoch, and the results of all epochs. Runs on: driver.

    Epoch 0 is the head before training. Among epochs of equal average precision the first is the best. The result is
    reproducible for the same data, config and number of threads.

    Args:
        head: the head, initialised.
        config: learning rate, epochs, seed.
        validate: returns the average precision of an embedder on held-out footage, in [0, 1].
        checkpoint: file that is written after each epoch. If it exists with the same config, training resumes from it.
        on_epoch: called with the result of each epoch, including those of the checkpoint.
    """
    optimiser = torch.optim.Adam(head.module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    best = head.export()
    history = [Epoch(0, float("nan"), validate(best))]
    best_state = _copy_state(head.module)
    saved = _read_checkpoint(checkpoint, config)
    if saved is not None:
        head.module.load_state_dict(saved["best"])
        best, best_state = head.export(), saved["best"]
        head.module.load_state_dict(saved["module"])
        optimiser.load_state_dict(saved["optimiser"])
        history = [Epoch(*epoch) for epoch in saved["history"]]
    for epoch in history:
        on_epoch(epoch)
    for number in range(len(history), config.epochs + 1):
        loss = _run_epoch(head, optimiser, np.random.default_rng([config.seed, number]))
        embedder = head.export()
        history.append(Epoch(number, loss, validate(embedder)))
        if history[-1].average_precision > max(epoch.average_precision for epoch in history[:-1]):
            best, best_state = embedder, _copy_state(head.module)
        if checkpoint is not None:
            _write_checkpoint(checkpoint, config, head.module, optimiser, best_state, history)
        on_epoch(history[-1])
    return best, history


def _run_epoch(head: TrainableHead, optimiser: torch.optim.Optimizer, rng: np.random.Generator) -> float:
    losses = []
    for batch in head.batches(rng):
        optimiser.zero_grad()
        loss = head.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    return float(np.mean(losses)) if losses else float("nan")


def _copy_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _read_checkpoint(file: Path | None, config: TrainConfig) -> dict[str, Any] | None:
    """Read a checkpoint. Return None if there is none, or if its config differs in more than the number of epochs."""
    if file is None or not file.is_file():
        return None
    saved: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return saved if saved["config"] == _identify(config) else None


def _write_checkpoint(
    file: Path,
    config: TrainConfig,
    module: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    best: dict[str, torch.Tensor],
    history: list[Epoch],
) -> None:
    """Replace the checkpoint atomically, so that the previous one remains if the process is killed."""
    unfinished = file.with_suffix(".unfinished")
    saved = {
        "config": _identify(config),
        "module": module.state_dict(),
        "optimiser": optimiser.state_dict(),
        "best": best,
        "history": [list(asdict(epoch).values()) for epoch in history],
    }
    torch.save(saved, unfinished)
    unfinished.replace(file)


def _identify(config: TrainConfig) -> dict[str, Any]:
    return {name: value for name, value in asdict(config).items() if name != "epochs"}
