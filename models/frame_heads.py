"""Linear heads that learn on frames which views show one frame: InfoNCE with KoLeo, and batch-hard triplets."""

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

    from models.training import TrainConfig, ViewSet

    Batch = tuple[torch.Tensor, ...]

_MIN_SQUARED_DISTANCE = 1e-6


class FrameHead:
    """A trainee: a linear map of standardised descriptors that starts as the linear discriminant of the views.

    Args:
        views: of the training videos.
        config: layers (one), batch_size (frames), and what the subclass takes.
        device: where it learns, as torch names devices.
    """

    views_per_frame = 2

    def __init__(self, views: ViewSet, config: TrainConfig, device: str = "cpu") -> None:
        self._views = views
        self._config = config
        flat = views.descriptors.reshape(-1, views.descriptors.shape[2])
        start = fit_discriminative(views.descriptors, config.layers[-1])
        rows = standardise(flat.astype(np.float64)).astype(np.float32) - start.mean
        self._rows = torch.from_numpy(rows.reshape(views.descriptors.shape))
        self._mean = start.mean
        # Columns of unit length on average, whatever the scale of the descriptors: Adam's steps have one size.
        scale = np.sqrt(start.projection.shape[1]) / np.linalg.norm(start.projection)
        self.module = torch.nn.Linear(start.projection.shape[0], start.projection.shape[1], bias=False)
        with torch.no_grad():
            self.module.weight.copy_(torch.from_numpy(np.ascontiguousarray(start.projection.T * scale)))
        self._device = torch.device(device)
        self.module.to(self._device)

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield (rows, frames, sources): some views of each frame, once an epoch, in a drawn order.

        Rows are (views x frames, dim), all frames' first views before their second ones.
        """
        num_frames, num_views, _ = self._views.descriptors.shape
        order = rng.permutation(num_frames)
        for begin in range(0, num_frames, self._config.batch_size):
            frames = order[begin : begin + self._config.batch_size]
            drawn = rng.permuted(np.tile(np.arange(num_views), (len(frames), 1)), axis=1)[:, : self.views_per_frame]
            places = np.tile(frames, drawn.shape[1])
            sources = torch.from_numpy(self._views.sources[self._views.videos[places]])
            batch = self._rows[places, drawn.T.ravel()], torch.from_numpy(places), sources
            yield tuple(part.to(self._device) for part in batch)

    def embed(self, rows: torch.Tensor) -> torch.Tensor:
        """Embed rows, the mean already subtracted: (n, dim) -> (n, num_dims), unit norm."""
        return functional.normalize(self.module(rows), dim=1)

    def export(self) -> LinearHead:
        """Return the head as it stands."""
        return LinearHead(self._mean, self.module.weight.detach().cpu().numpy().T.copy())


class ContrastiveHead(FrameHead):
    """Learns by InfoNCE and KoLeo, as SSCD does.

    Pizzi et al. 2022, A Self-Supervised Descriptor for Image Copy Detection (arXiv 2202.10261), section 4.
    """

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the loss of a batch, in nats."""
        rows, _, sources = batch
        vectors = self.embed(rows)
        contrast = info_nce(vectors, sources, self._config.temperature)
        return contrast + self._config.koleo_weight * koleo(vectors, sources)


class BatchHardHead(FrameHead):
    """Learns on the furthest positive and the nearest negative of each row in its batch.

    Hermans et al. 2017, In Defense of the Triplet Loss for Person Re-Identification (arXiv 1703.07737), section 2.
    """

    views_per_frame = 3

    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the mean of max(0, furthest D(a, p) - nearest D(a, n) + margin), D squared Euclidean."""
        rows, frames, sources = batch
        vectors = self.embed(rows)
        squared = 2 - 2 * vectors @ vectors.T
        is_same = frames[:, None] == frames[None, :]
        is_known = sources[:, None] == sources[None, :]
        furthest = squared.masked_fill(~is_same, -torch.inf).amax(dim=1)
        nearest = squared.masked_fill(is_known, torch.inf).amin(dim=1)
        return functional.relu(furthest - nearest + self._config.margin).mean()


def info_nce(vectors: torch.Tensor, sources: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the mean cross-entropy of finding each row's mate among all rows of other sources.

    Args:
        vectors: (2 n, dim), unit norm; rows i and i + n are views of one frame.
        sources: int (2 n,); other frames of one source are neither mates nor strangers, and are masked.
        temperature: cosines are divided by it (van den Oord et al. 2018, arXiv 1807.03748; Chen et al. 2020, SimCLR).
    """
    number = len(vectors) // 2
    rows = torch.arange(2 * number, device=vectors.device)
    mates = rows.roll(number)
    is_masked = sources[:, None] == sources[None, :]
    is_masked[rows, mates] = False
    logits = (vectors @ vectors.T / temperature).masked_fill(is_masked, -torch.inf)
    return functional.cross_entropy(logits, mates)


def koleo(vectors: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Return minus the mean log distance of each row to its nearest of another source: it spreads vectors evenly.

    Kozachenko-Leonenko's estimator of entropy: Sablayrolles et al. 2019, Spreading Vectors for Similarity Search
    (arXiv 1806.03198), section 3.
    """
    is_masked = sources[:, None] == sources[None, :]
    cosines = (vectors @ vectors.T).masked_fill(is_masked, -1.0)
    squared = (2 - 2 * cosines.amax(dim=1)).clamp_min(_MIN_SQUARED_DISTANCE)
    return -squared.sqrt().log().mean()
