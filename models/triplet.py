"""Deep metric learning on triplets: networks, losses and the mining of hard negatives.

Kordopatis-Zilos et al. 2017, Near-Duplicate Video Retrieval with Deep Metric Learning (ICCV Workshops); where paper
and code differ, the code counts: MKLab-ITI/ndvr-dml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from models.embedders import TanhNetwork
from models.training import TrainConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Indices = NDArray[np.int64]

PAPER = TrainConfig(
    layers=(2500, 1000, 500),  # of GoogLeNet's 5,488 numbers
    margin=1.0,
    learning_rate=1e-5,
    weight_decay=1e-5,
    batch_size=1000,
    epochs=10,
)
"""The paper's network and optimiser; the official script's own learning rate is 1e-6 (train_dml.py)."""


@dataclass(frozen=True)
class Triplets:
    """Rows of a matrix of video descriptors: int64 (n,) each."""

    anchors: Indices
    positives: Indices
    negatives: Indices

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.anchors)


def mine_hard_negatives(
    vectors: NDArray[np.float32],
    pairs: NDArray[np.int64],
    sources: NDArray[np.int64],
    max_negative_cosine: float,
    max_per_pair: int,
) -> Triplets:
    """Find for each positive pair the videos that lie nearer to the anchor than the positive does.

    Both ends of a pair are anchors in turn. A negative is hard where d(a, n) < d(a, p) before learning
    (triplet_generator.py). None is false: a video of the anchor's or the positive's source is no candidate, nor is one
    whose cosine to either exceeds `max_negative_cosine`, for it may be a duplicate that nobody has labelled.

    Args:
        vectors: float32 (n, dim), unit norm, before learning.
        pairs: int64 (p, 2), rows of `vectors` that show the same footage.
        sources: int64 (n,), the footage of each row.
        max_negative_cosine: in [-1, 1].
        max_per_pair: the nearest so many of them are taken.

    Returns:
        In the order of the pairs; of one anchor the nearest negative first.
    """
    found: list[tuple[int, int, int]] = []
    for anchor, positive in np.concatenate([pairs, pairs[:, ::-1]]):
        cosines = vectors @ vectors[anchor]
        is_hard = cosines > cosines[positive]
        is_stranger = (sources != sources[anchor]) & (sources != sources[positive])
        is_safe = np.maximum(cosines, vectors @ vectors[positive]) <= max_negative_cosine
        candidates = np.flatnonzero(is_hard & is_stranger & is_safe)
        nearest = candidates[np.argsort(-cosines[candidates], kind="stable")[:max_per_pair]]
        found += [(int(anchor), int(positive), int(negative)) for negative in nearest]
    columns = np.array(found, dtype=np.int64).reshape(-1, 3).T
    return Triplets(*columns)


def triplet_loss(
    anchors: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor, margin: float
) -> torch.Tensor:
    """Return the mean of max(0, D(a, p) - D(a, n) + margin), D the squared Euclidean distance. Each (n, dim)."""
    to_positive = (anchors - positives).square().sum(dim=1)
    to_negative = (anchors - negatives).square().sum(dim=1)
    return functional.relu(to_positive - to_negative + margin).mean()


class TanhTrainee:
    """The paper's network, trained on triplets that were mined before.

    Args:
        rows: float32 (n, dim), standardised video descriptors.
        triplets: rows of it.
        config: layers, margin, batch_size (triplets), seed.
        device: where it learns, as torch names devices.
    """

    def __init__(self, rows: NDArray[np.float32], triplets: Triplets, config: TrainConfig, device: str = "cpu") -> None:
        self._rows = torch.from_numpy(rows).to(device)
        self._triplets = triplets
        self._config = config
        generator = torch.Generator().manual_seed(config.seed)
        self.module = torch.nn.ModuleList()
        for inputs, outputs in zip((rows.shape[1], *config.layers), config.layers, strict=False):
            layer = torch.nn.Linear(inputs, outputs)
            torch.nn.init.xavier_uniform_(layer.weight, generator=generator)
            torch.nn.init.zeros_(layer.bias)
            self.module.append(layer)
        self.module.to(device)

    def batches(self, rng: np.random.Generator) -> Iterator[Triplets]:
        """Yield each triplet once an epoch, in a drawn order."""
        order = rng.permutation(len(self._triplets))
        for begin in range(0, len(order), self._config.batch_size):
            taken = order[begin : begin + self._config.batch_size]
            mined = self._triplets
            yield Triplets(mined.anchors[taken], mined.positives[taken], mined.negatives[taken])

    def loss(self, batch: Triplets) -> torch.Tensor:
        """Return the triplet loss of a batch."""
        anchors, positives, negatives = map(self._embed, (batch.anchors, batch.positives, batch.negatives))
        return triplet_loss(anchors, positives, negatives, self._config.margin)

    def export(self) -> TanhNetwork:
        """Return the network as it stands."""
        layers = [layer for layer in self.module if isinstance(layer, torch.nn.Linear)]
        return TanhNetwork(
            tuple(layer.weight.detach().cpu().numpy().T.copy() for layer in layers),
            tuple(layer.bias.detach().cpu().numpy().copy() for layer in layers),
        )

    def _embed(self, rows: Indices) -> torch.Tensor:
        vectors = self._rows[rows]
        for layer in self.module:
            vectors = torch.tanh(layer(vectors))
        return functional.normalize(vectors, dim=1)
