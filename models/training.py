"""Training a head on descriptors: views in, epochs with checkpoints, the best epoch by footage held out.

A whole catalogue's views fit in memory, so this runs on one machine: the driver, on its GPU if it has one.
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
class ViewSet:
    """Descriptors of views of frames of many videos.

    Attributes:
        descriptors: float16 (frames, views, dim); view 0 is the frame as it is, view v the same edits in all frames
            of a video.
        videos: int64 (frames,), ascending: which video each frame is of.
        sources: int64 (videos,), which footage each video shows: two videos of one source are never negatives.
    """

    descriptors: NDArray[np.float16]
    videos: NDArray[np.int64]
    sources: NDArray[np.int64]

    def select(self, is_taken: NDArray[np.bool_]) -> ViewSet:
        """Keep the videos that are True in bool (videos,)."""
        kept = is_taken[self.videos]
        renumbered = np.cumsum(is_taken) - 1
        return ViewSet(self.descriptors[kept], renumbered[self.videos[kept]], self.sources[is_taken])

    def average(self) -> NDArray[np.float32]:
        """Return the averaged descriptor of each view of each video: float32 (videos, views, dim), standardised."""
        num_videos, (_, num_views, dim) = len(self.sources), self.descriptors.shape
        averaged = np.empty((num_videos, num_views, dim), dtype=np.float32)
        bounds = np.searchsorted(self.videos, np.arange(num_videos + 1))
        for video in range(num_videos):
            frames = self.descriptors[bounds[video] : bounds[video + 1]].astype(np.float64)
            rows = standardise(frames.reshape(-1, dim)).reshape(frames.shape)
            averaged[video] = standardise(rows.mean(axis=0))
        return averaged

    def embed(self, embedder: Embedder, fusion: str) -> NDArray[np.float32]:
        """Embed each view of each video: float32 (videos, views, num_dims), unit norm."""
        if fusion == "early":
            return np.stack([[embedder.embed_video(row[None]) for row in video] for video in self.average()])
        bounds = np.searchsorted(self.videos, np.arange(len(self.sources) + 1))
        spans = [self.descriptors[begin:end] for begin, end in pairwise(bounds)]
        return np.stack([[embedder.embed_video(span[:, view]) for view in range(span.shape[1])] for span in spans])


@dataclass(frozen=True)
class TrainConfig:
    """How a head is trained. Not every objective uses every field.

    Attributes:
        layers: outputs of each layer; the last is the length of the vectors.
        margin: gamma of the triplet loss.
        learning_rate: of Adam.
        weight_decay: of Adam.
        batch_size: triplets, videos or frames in a batch.
        epochs: passes over the training views.
        temperature: of InfoNCE.
        koleo_weight: of the KoLeo term.
        seed: of everything that is drawn.
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
    """What an epoch came to: the mean loss of its batches, and average precision on footage held out."""

    number: int
    loss: float
    average_precision: float


class Trainee(Protocol):
    """A head that learns."""

    module: torch.nn.Module

    def batches(self, rng: np.random.Generator) -> Iterable[Any]:
        """Yield the batches of one epoch."""

    def loss(self, batch: Any) -> torch.Tensor:  # noqa: ANN401 -- what `batches` yields
        """Return the loss of a batch, a scalar."""

    def export(self) -> RowEmbedder:
        """Return what has been learnt so far, as it will run."""


def train(
    trainee: Trainee,
    config: TrainConfig,
    validate: Callable[[RowEmbedder], float],
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> tuple[RowEmbedder, list[Epoch]]:
    """Train and return the head of the best epoch, with what each epoch came to. Runs on: driver.

    Epoch 0 is the head before training; of equal epochs the earlier wins. The same views, config and number of
    threads give the same numbers.

    Args:
        trainee: starts as its objective says.
        config: learning rate, epochs, seed.
        validate: average precision of a head on footage held out, in [0, 1].
        checkpoint: file that each epoch is saved to; where it holds one of the same config, training goes on from it.
        on_epoch: told of each epoch, those of the checkpoint included.
    """
    optimiser = torch.optim.Adam(trainee.module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    best = trainee.export()
    history = [Epoch(0, float("nan"), validate(best))]
    best_state = _copy_state(trainee.module)
    saved = _read_checkpoint(checkpoint, config)
    if saved is not None:
        trainee.module.load_state_dict(saved["best"])
        best, best_state = trainee.export(), saved["best"]
        trainee.module.load_state_dict(saved["module"])
        optimiser.load_state_dict(saved["optimiser"])
        history = [Epoch(*epoch) for epoch in saved["history"]]
    for epoch in history:
        on_epoch(epoch)
    for number in range(len(history), config.epochs + 1):
        loss = _run_epoch(trainee, optimiser, np.random.default_rng([config.seed, number]))
        head = trainee.export()
        history.append(Epoch(number, loss, validate(head)))
        if history[-1].average_precision > max(epoch.average_precision for epoch in history[:-1]):
            best, best_state = head, _copy_state(trainee.module)
        if checkpoint is not None:
            _write_checkpoint(checkpoint, config, trainee.module, optimiser, best_state, history)
        on_epoch(history[-1])
    return best, history


def _run_epoch(trainee: Trainee, optimiser: torch.optim.Optimizer, rng: np.random.Generator) -> float:
    losses = []
    for batch in trainee.batches(rng):
        optimiser.zero_grad()
        loss = trainee.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    return float(np.mean(losses)) if losses else float("nan")


def _copy_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def _read_checkpoint(file: Path | None, config: TrainConfig) -> dict[str, Any] | None:
    """Read a checkpoint; None where there is none, or one of another config (but for the number of epochs)."""
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
    """Replace the checkpoint in one step, so that a kill leaves the last one."""
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
