"""What turns descriptors into vectors once it has been trained: numpy alone, so that a worker need not load torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from models.normalise import average_unit_rows, standardise, to_unit_norm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Descriptors = NDArray[np.floating[Any]]
    Tensors = Mapping[str, NDArray[np.floating[Any]]]

_CHUNK_ROWS = 256  # an hour of frames costs no more memory than a minute


class Embedder(Protocol):
    """Descriptors of one video in, one vector out."""

    def embed_video(self, descriptors: Descriptors) -> NDArray[np.float32]:
        """Embed a video: (n, dim) -> float32 (num_dims,), of unit norm, or zeros where there is nothing to tell.

        The rows are its frames' descriptors (late fusion), or its averaged descriptor alone (early fusion).
        """


class RowEmbedder(ABC):
    """Embeds each row by itself; a video is the normalised mean of its rows' unit vectors.

    With frames as rows that is late fusion, with the averaged descriptor as the only row early fusion (Kordopatis-Zilos
    et al. 2017, Near-Duplicate Video Retrieval with Deep Metric Learning, section 3.3).
    """

    kind: ClassVar[str]

    @abstractmethod
    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Give what an artefact stores."""

    @abstractmethod
    def _embed_chunk(self, descriptors: Descriptors) -> NDArray[np.float32]: ...

    def embed(self, descriptors: Descriptors) -> NDArray[np.float32]:
        """Embed rows: (n, dim) -> float32 (n, num_dims), each of unit norm or zeros."""
        chunks = range(0, len(descriptors), _CHUNK_ROWS)
        return np.concatenate([self._embed_chunk(descriptors[begin : begin + _CHUNK_ROWS]) for begin in chunks])

    def embed_video(self, descriptors: Descriptors) -> NDArray[np.float32]:
        """Embed a video: see `Embedder`."""
        return average_unit_rows(self.embed(descriptors))


class Identity(RowEmbedder):
    """The descriptor itself, as the metric-learning paper's un-learned baseline."""

    kind: ClassVar[str] = "identity"

    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Give nothing: there are no numbers."""
        return {}

    def _embed_chunk(self, descriptors: Descriptors) -> NDArray[np.float32]:
        return to_unit_norm(standardise(descriptors.astype(np.float64)))


@dataclass(frozen=True)
class LinearHead(RowEmbedder):
    """A linear map of standardised descriptors.

    Attributes:
        mean: float32 (dim,), subtracted.
        projection: float32 (dim, num_dims).
    """

    kind: ClassVar[str] = "linear"
    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Take it from an artefact."""
        return cls(tensors["mean"].astype(np.float32), tensors["projection"].astype(np.float32))

    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Give what an artefact stores."""
        return {"mean": self.mean, "projection": self.projection}

    def _embed_chunk(self, descriptors: Descriptors) -> NDArray[np.float32]:
        centred = standardise(descriptors.astype(np.float64)) - self.mean
        return to_unit_norm(centred @ self.projection.astype(np.float64))


@dataclass(frozen=True)
class TanhNetwork(RowEmbedder):
    """Fully connected layers with tanh behind each, the last included; then L2.

    Source: MKLab-ITI/ndvr-dml, model.py.

    Attributes:
        weights: float32 (inputs, outputs), a layer each.
        biases: float32 (outputs,), a layer each.
    """

    kind: ClassVar[str] = "tanh"
    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Take it from an artefact."""
        layers = range(sum(name.startswith("weight_") for name in tensors))
        return cls(
            tuple(tensors[f"weight_{layer}"].astype(np.float32) for layer in layers),
            tuple(tensors[f"bias_{layer}"].astype(np.float32) for layer in layers),
        )

    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Give what an artefact stores."""
        weights = {f"weight_{layer}": weight for layer, weight in enumerate(self.weights)}
        return weights | {f"bias_{layer}": bias for layer, bias in enumerate(self.biases)}

    def _embed_chunk(self, descriptors: Descriptors) -> NDArray[np.float32]:
        rows = standardise(descriptors.astype(np.float64))
        for weight, bias in zip(self.weights, self.biases, strict=True):
            rows = np.tanh(rows @ weight.astype(np.float64) + bias)
        return to_unit_norm(rows)
