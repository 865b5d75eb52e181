"""Deep metric learning on triplets: network, loss and mining of hard negatives.

Kordopatis-Zilos et al. 2017, Near-Duplicate Video Retrieval with Deep Metric Learning (ICCV Workshops). Where the paper
and its code (MKLab-ITI/ndvr-dml) differ, this module follows the code.
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
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Indices = NDArray[np.int64]
    Flags = NDArray[np.bool_]

PAPER_CONFIG = TrainConfig(
    layers=(2500, 1000, 500),  # the input is GoogLeNet's descriptor of 5,488 values
    margin=1.0,
    learning_rate=1e-5,
    weight_decay=1e-5,
    batch_size=1000,
    epochs=10,
)
"""The network and optimiser of the paper. The official script uses a learning rate of 1e-6 (train_dml.py)."""


@dataclass(frozen=True)
class Triplets:
    """Triplets, as row indices of a matrix of video descriptors: int64 (n,) each."""

    anchors: Indices
    positives: Indices
    negatives: Indices

    def __len__(self) -> int:
        """Return the number of triplets."""
        return len(self.anchors)


def mine_hard_negatives(
    vectors: NDArray[np.float32],
    pairs: NDArray[np.int64],
    sources: NDArray[np.int64],
    max_negative_cosine: float,
    max_per_pair: int,
) -> Triplets:
    """Find, for each positive pair, the videos that are nearer to the anchor than the positive is.

    Both videos of a pair are used as anchor. A negative is hard if d(a, n) < d(a, p) before training
    (triplet_generator.py). To avoid false negatives, two kinds of videos are excluded: those of the source of the
    anchor or of the positive, and those whose cosine similarity to either exceeds `max_negative_cosine`, because they
    may be unlabelled duplicates.

    Args:
        vectors: float32 (n, dim), unit norm, before training.
        pairs: int64 (p, 2), rows of `vectors` that show the same footage.
        sources: int64 (n,), the source (footage) of each row.
        max_negative_cosine: in [-1, 1].
        max_per_pair: maximum number of negatives per anchor and positive; the nearest are used.

    Returns:
        The triplets: first all pairs in the given direction, then all in the other one. The negatives of one anchor and
        positive are in order of distance, nearest first.
    """

    def is_negative(anchor: int, positive: int, cosines: NDArray[np.float32]) -> Flags:
        has_other_source = (sources != sources[anchor]) & (sources != sources[positive])
        is_dissimilar = np.maximum(cosines, vectors @ vectors[positive]) <= max_negative_cosine
        is_candidate: Flags = has_other_source & is_dissimilar
        return is_candidate

    return _mine(vectors, pairs, is_negative, max_per_pair)


def mine_takes(vectors: NDArray[np.float32], parts: Indices, is_other_take: Flags, max_per_pair: int) -> Triplets:
    """Find, for each two copies of a part of a video, the copies of its other parts that are nearer to the anchor.

    This is not in the paper. Takes are known negatives, so none is excluded for its similarity.

    Args:
        vectors: float32 (n, dim), unit norm, before training: copies of parts.
        parts: int64 (n,), the part of each copy; parts of different videos have different numbers.
        is_other_take: bool (k, k), whether two parts are takes of one video and do not look the same.
        max_per_pair: maximum number of negatives per anchor and positive; the nearest are used.

    Returns:
        The triplets, in the order of `mine_hard_negatives`.
    """
    pairs = np.argwhere(np.triu(parts[:, None] == parts[None, :], k=1))
    return _mine(vectors, pairs, lambda anchor, _, __: is_other_take[parts[anchor]][parts], max_per_pair)


def add_triplets(mined: Triplets, others: Triplets, share: float, seed: int) -> Triplets:
    """Append some triplets to others, such that they are a share of all; fewer if there are not enough.

    Args:
        mined: triplets; all are kept, and come first.
        others: triplets; a random selection is appended, in their order.
        share: in [0, 1).
        seed: seed of the selection.
    """
    number = min(len(others), round(share / (1 - share) * len(mined)))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(others))[:number])
    both = zip(vars(mined).values(), vars(others).values(), strict=True)
    return Triplets(*(np.concatenate([first, second[chosen]]) for first, second in both))


def _mine(
    vectors: NDArray[np.float32],
    pairs: Indices,
    is_negative: Callable[[int, int, NDArray[np.float32]], Flags],
    max_per_pair: int,
) -> Triplets:
    """Find the nearest negatives of each pair, in both directions, among those nearer to the anchor than the positive.

    `is_negative(anchor, positive, cosines)` returns which rows are negatives, given their similarities to the anchor.
    """
    found: list[tuple[int, int, int]] = []
    for anchor, positive in np.concatenate([pairs, pairs[:, ::-1]]):
        cosines = vectors @ vectors[anchor]
        is_hard = cosines > cosines[positive]
        candidates = np.flatnonzero(is_hard & is_negative(anchor, positive, cosines))
        nearest = candidates[np.argsort(-cosines[candidates], kind="stable")[:max_per_pair]]
        found += [(int(anchor), int(positive), int(negative)) for negative in nearest]
    columns = np.array(found, dtype=np.int64).reshape(-1, 3).T
    return Triplets(*columns)


def triplet_loss(
    anchors: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor, margin: float
) -> torch.Tensor:
    """Return the mean of max(0, D(a, p) - D(a, n) + margin), D the squared Euclidean distance. Inputs are (n, dim)."""
    to_positive = (anchors - positives).square().sum(dim=1)
    to_negative = (anchors - negatives).square().sum(dim=1)
    return functional.relu(to_positive - to_negative + margin).mean()


class TripletHead:
    """The network of the paper, trained on mined triplets.

    Args:
        rows: float32 (n, dim), standardised video descriptors.
        triplets: row indices of `rows`.
        config: layers, margin, batch_size (triplets), seed.
        device: torch device that trains.
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
        """Yield each triplet once per epoch, in random order."""
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
        """Return the network with its current weights."""
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
