"""Trained embedders: descriptors to vectors. They need numpy only, so that a worker does not load torch."""

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

_CHUNK_ROWS = 256  # so that memory does not grow with the length of a video


class Embedder(Protocol):
    """Computes the vector of a video from its descriptors."""

    def embed_video(self, descriptors: Descriptors) -> NDArray[np.float32]:
        """Embed a video: (n, dim) -> float32 (num_dims,), unit norm, or zeros if the descriptors have no direction.

        The rows are the descriptors of its frames (late fusion), or only its averaged descriptor (early fusion).
        """


class RowEmbedder(ABC):
    """Embeds each row independently; the vector of a video is the normalised mean of the unit vectors of its rows.

    Rows that are frames give late fusion; the averaged descriptor as the only row gives early fusion (Kordopatis-Zilos
    et al. 2017, Near-Duplicate Video Retrieval with Deep Metric Learning, section 3.3).
    """

    kind: ClassVar[str]

    @abstractmethod
    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the tensors that an artefact stores."""

    @abstractmethod
    def _embed_chunk(self, descriptors: Descriptors) -> NDArray[np.float32]: ...

    def embed(self, descriptors: Descriptors) -> NDArray[np.float32]:
        """Embed rows: (n, dim) -> float32 (n, num_dims), each of unit norm or zero."""
        chunks = range(0, len(descriptors), _CHUNK_ROWS)
        return np.concatenate([self._embed_chunk(descriptors[begin : begin + _CHUNK_ROWS]) for begin in chunks])

    def embed_video(self, descriptors: Descriptors) -> NDArray[np.float32]:
        """Embed a video: see `Embedder`."""
        return average_unit_rows(self.embed(descriptors))


class Identity(RowEmbedder):
    """Returns the standardised descriptor itself: the baseline without training of the metric-learning paper."""

    kind: ClassVar[str] = "identity"

    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return no tensors, because there are no parameters."""
        return {}

    def _embed_chunk(self, descriptors: Descriptors) -> NDArray[np.float32]:
        return to_unit_norm(standardise(descriptors.astype(np.float64)))


@dataclass(frozen=True)
class LinearHead(RowEmbedder):
    """A linear map of standardised descriptors.

    Attributes:
        mean: float32 (dim,), subtracted from each standardised descriptor.
        projection: float32 (dim, num_dims).
    """

    kind: ClassVar[str] = "linear"
    mean: NDArray[np.float32]
    projection: NDArray[np.float32]

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Create the head from the tensors of an artefact."""
        return cls(tensors["mean"].astype(np.float32), tensors["projection"].astype(np.float32))

    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the tensors that an artefact stores."""
        return {"mean": self.mean, "projection": self.projection}

    def _embed_chunk(self, descriptors: Descriptors) -> NDArray[np.float32]:
        centred = standardise(descriptors.astype(np.float64)) - self.mean
        return to_unit_norm(centred @ self.projection.astype(np.float64))


@dataclass(frozen=True)
class TanhNetwork(RowEmbedder):
    """Fully connected layers, each followed by tanh (also the last), then L2 normalisation.

    Source: MKLab-ITI/ndvr-dml, model.py.

    Attributes:
        weights: one float32 (inputs, outputs) array per layer.
        biases: one float32 (outputs,) array per layer.
    """

    kind: ClassVar[str] = "tanh"
    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]

    @classmethod
    def from_tensors(cls, tensors: Tensors) -> Self:
        """Create the head from the tensors of an artefact."""
        layers = range(sum(name.startswith("weight_") for name in tensors))
        return cls(
            tuple(tensors[f"weight_{layer}"].astype(np.float32) for layer in layers),
            tuple(tensors[f"bias_{layer}"].astype(np.float32) for layer in layers),
        )

    def to_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the tensors that an artefact stores."""
        weights = {f"weight_{layer}": weight for layer, weight in enumerate(self.weights)}
        return weights | {f"bias_{layer}": bias for layer, bias in enumerate(self.biases)}

    def _embed_chunk(self, descriptors: Descriptors) -> NDArray[np.float32]:
        rows = standardise(descriptors.astype(np.float64))
        for weight, bias in zip(self.weights, self.biases, strict=True):
            rows = np.tanh(rows @ weight.astype(np.float64) + bias)
        return to_unit_norm(rows)
