"""Linear heads trained to match the augmented copies of a frame: InfoNCE with KoLeo, and batch-hard triplets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from models.embedders import LinearHead
from models.normalise import standardise
from models.whitening import fit_discriminative

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.training import AugmentedFrames, TrainConfig

    Batch = tuple[torch.Tensor, ...]

_MIN_SQUARED_DISTANCE = 1e-6


class FrameHead:
    """A linear head during training. It is initialised with the linear discriminant of the training data.

    Args:
        training_data: augmented frames of the training videos.
        config: layers (one), batch_size (frames), and the fields that the subclass uses.
        device: torch device that trains.
    """

    copies_per_frame = 2

    def __init__(self, training_data: AugmentedFrames, config: TrainConfig, device: str = "cpu") -> None:
        self._data = training_data
        self._config = config
        copies = training_data.descriptors
        flat = copies.reshape(-1, copies.shape[2])
        start = fit_discriminative(copies, config.layers[-1])
        rows = standardise(flat.astype(np.float64)).astype(np.float32) - start.mean
        self._rows = torch.from_numpy(rows.reshape(copies.shape))
        self._mean = start.mean
        # Adam's step size does not depend on the scale of the weights, so columns are scaled to unit length on average.
        scale = np.sqrt(start.projection.shape[1]) / np.linalg.norm(start.projection)
        self.module = torch.nn.Linear(start.projection.shape[0], start.projection.shape[1], bias=False)
        with torch.no_grad():
            self.module.weight.copy_(torch.from_numpy(np.ascontiguousarray(start.projection.T * scale)))
        self._device = torch.device(device)
        self.module.to(self._device)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield (rows, frames, sources): each frame once per epoch, in random order, with random copies of it.

        Rows are (copies x frames, dim): the first copies of all frames, then their second copies, and so on. A frame
        has `copies_per_frame` copies, or all if there are fewer.
        """
        num_frames, num_copies, _ = self._data.descriptors.shape
        order = rng.permutation(num_frames)
        for begin in range(0, num_frames, self._config.batch_size):
            frames = order[begin : begin + self._config.batch_size]
            chosen = rng.permuted(np.tile(np.arange(num_copies), (len(frames), 1)), axis=1)[:, : self.copies_per_frame]
            places = np.tile(frames, chosen.shape[1])
            sources = torch.from_numpy(self._data.sources[self._data.videos[places]])
            batch = self._rows[places, chosen.T.ravel()], torch.from_numpy(places), sources
            yield tuple(part.to(self._device) for part in batch)

    def embed(self, rows: torch.Tensor) -> torch.Tensor:
        """Embed rows whose mean is subtracted: (n, dim) -> (n, num_dims), unit norm."""
        return functional.normalize(self.module(rows), dim=1)

    def export(self) -> LinearHead:
        """Return the head with its current weights."""
        return LinearHead(self._mean, self.module.weight.detach().cpu().numpy().T.copy())


class ContrastiveHead(FrameHead):
    """Head trained with InfoNCE and KoLeo, like SSCD.

    Pizzi et al. 2022, A Self-Supervised Descriptor for Image Copy Detection (arXiv 2202.10261), section 4.
    """

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the loss of a batch, in nats."""
        rows, _, sources = batch
        vectors = self.embed(rows)
        contrast = info_nce(vectors, sources, self._config.temperature)
        return contrast + self._config.koleo_weight * koleo(vectors, sources)


class BatchHardHead(FrameHead):
    """Head trained on the furthest positive and the nearest negative of each row in the batch.

    Hermans et al. 2017, In Defense of the Triplet Loss for Person Re-Identification (arXiv 1703.07737), section 2.
    """

    copies_per_frame = 3

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the mean of max(0, D(a, furthest p) - D(a, nearest n) + margin), D the squared Euclidean distance."""
        rows, frames, sources = batch
        vectors = self.embed(rows)
        squared = 2 - 2 * vectors @ vectors.T
        is_same = frames[:, None] == frames[None, :]
        has_same_source = sources[:, None] == sources[None, :]
        furthest = squared.masked_fill(~is_same, -torch.inf).amax(dim=1)
        nearest = squared.masked_fill(has_same_source, torch.inf).amin(dim=1)
        return functional.relu(furthest - nearest + self._config.margin).mean()


def info_nce(vectors: torch.Tensor, sources: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the mean cross-entropy of identifying each row's positive among all rows of other sources.

    Source: van den Oord et al. 2018, arXiv 1807.03748; Chen et al. 2020, SimCLR.

    Args:
        vectors: (2 n, dim), unit norm; rows i and i + n are copies of the same frame, so each is the positive of the
            other.
        sources: int (2 n,), the source of each row. Other frames of the same source are masked: they are neither
            positives nor negatives.
        temperature: divisor of the cosine similarities.
    """
    num_frames = len(vectors) // 2
    rows = torch.arange(2 * num_frames, device=vectors.device)
    positives = rows.roll(num_frames)
    is_masked = sources[:, None] == sources[None, :]
    is_masked[rows, positives] = False
    logits = (vectors @ vectors.T / temperature).masked_fill(is_masked, -torch.inf)
    return functional.cross_entropy(logits, positives)


def koleo(vectors: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Return minus the mean log distance of each row to the nearest row of another source.

    Minimising it spreads the vectors evenly over the sphere. It is the Kozachenko-Leonenko estimator of entropy:
    Sablayrolles et al. 2019, Spreading Vectors for Similarity Search
    (arXiv 1806.03198), section 3.
    """
    is_masked = sources[:, None] == sources[None, :]
    cosines = (vectors @ vectors.T).masked_fill(is_masked, -1.0)
    squared = (2 - 2 * cosines.amax(dim=1)).clamp_min(_MIN_SQUARED_DISTANCE)
    return -squared.sqrt().log().mean()
