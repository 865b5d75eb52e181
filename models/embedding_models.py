"""Embedding models: find the model that a configuration selects, and load it.

The driver imports this module, so it does not import torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from models.artefact import (
    BACKGROUND,
    BACKGROUND_SOURCES,
    CARD_FILE,
    ModelCard,
    find_folder,
    read_artefact,
    unpack_artefact,
)
from models.codebook import Codebook
from models.embedders import Identity, LinearHead, TanhNetwork

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from models.background import Background
    from models.calibration import Calibration
    from models.embedders import Embedder
    from models.verifier import Verifier


class Method(StrEnum):
    """How the vector of a video is computed. `benchmarks/accuracy` compares the methods.

    averaged: the averaged descriptor itself. discriminative, whitened: linear heads in closed form, see
    `models.whitening`. triplet: the paper's network, see `models.triplet`. batch_hard, contrastive: linear heads that
    are trained on frames, see `models.frame_heads`. bow_vector, bow_layer: bags of visual words of whole descriptors or
    of each layer, see `models.codebook`.
    """

    AUTO = "auto"
    AVERAGED = "averaged"
    DISCRIMINATIVE = "discriminative"
    WHITENED = "whitened"
    TRIPLET = "triplet"
    BATCH_HARD = "batch_hard"
    CONTRASTIVE = "contrastive"
    BOW_VECTOR = "bow_vector"
    BOW_LAYER = "bow_layer"


SPARSE_METHODS = frozenset({Method.BOW_VECTOR, Method.BOW_LAYER})
"""Methods with sparse vectors: most values are 0, and none is negative."""
_SHIPPED = Method.DISCRIMINATIVE  # the most accurate method in benchmarks/accuracy; docs/decisions/0004
_KINDS = {kind.kind: kind for kind in (LinearHead, TanhNetwork, Codebook)}


@dataclass(frozen=True)
class EmbeddingModel:
    """A reference to a model that computes unit vectors from descriptors of one descriptor_id.

    It is small, because it is serialised with each task. `load` loads the tensors.

    Attributes:
        model_id: the id under which embeddings, pairs and clusters are stored.
        descriptor_id: id of the descriptors that are the input.
        method: one of `Method`.
        fusion: "early" (the input is a video's averaged descriptor) or "late" (the input is the descriptors of all
            its frames).
        artefact: an absolute folder that exists on every node, or the name of a shipped model; None for `averaged`.
        calibration: None until the model is calibrated on labelled pairs.
        verifier: model of the evidence of aligned frames; None if the model has no frame vectors or no fitted verifier.
    """

    model_id: str
    descriptor_id: str
    method: str
    fusion: str
    artefact: str | None
    calibration: Calibration | None
    verifier: Verifier | None = None

    def load(self) -> Embedder:
        """Load the tensors and verify their SHA-256, once per Python worker. Runs on: executor.

        Raises:
            FileNotFoundError: the artefact does not exist on this node.
            ValueError: the tensors do not have the SHA-256 of the card, or belong to another model_id.
        """
        return Identity() if self.artefact is None else _load(self.artefact, self.model_id)

    @property
    def keeps_frames(self) -> bool:
        """Whether the model gives one vector per frame, so that two videos can be aligned."""
        return self.fusion == "late" and self.method not in SPARSE_METHODS

    def load_background(self) -> Background:
        """Load the background frames, with which similarities are normalised. Runs on: executor.

        Raises:
            ValueError: the artefact has no background.
        """
        background = None if self.artefact is None else _load_background(self.artefact, self.model_id)
        if background is None:
            raise ValueError(f"{self.model_id} has no background frames: train it again with `ndvr train-triplets`")
        return background


def find_model(method: str, backbone: str, descriptor_id: str, artefact_dir: Path | None = None) -> EmbeddingModel:
    """Return the model of a method for a backbone's descriptors. Runs on: driver.

    `auto` means the method of the model in `artefact_dir`; without it, the shipped model of the default method if
    there is one for the backbone, else `averaged`.

    Args:
        method: one of `Method`.
        backbone: name of the backbone whose descriptors are the input.
        descriptor_id: id of these descriptors.
        artefact_dir: folder of a trained model; None to use a shipped model.

    Raises:
        ValueError: the method is unknown, there is no such model, or it was trained for another backbone.
    """
    if method not in tuple(Method):
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(Method)}")
    if artefact_dir is not None:
        return _read_model(str(artefact_dir.absolute()), method, backbone, descriptor_id)
    shipped = f"{_SHIPPED if method == Method.AUTO else method}-{backbone}"
    if (find_folder(shipped) / CARD_FILE).is_file():
        return _read_model(shipped, method, backbone, descriptor_id)
    if method not in (Method.AVERAGED, Method.AUTO):
        job = "train-codebook" if method in SPARSE_METHODS else "train-triplets"
        raise ValueError(
            f"no {method} model is shipped for backbone {backbone!r}: train one with `ndvr {job}` and set "
            "embeddings.artefact_dir to its folder"
        )
    return EmbeddingModel(f"averaged-{descriptor_id}", descriptor_id, Method.AVERAGED, "early", None, None)


def _read_model(artefact: str, method: str, backbone: str, descriptor_id: str) -> EmbeddingModel:
    """Return the model that the card of an artefact describes."""
    try:
        card = ModelCard.from_json((find_folder(artefact) / CARD_FILE).read_bytes())
    except FileNotFoundError as error:
        raise ValueError(f"{artefact} has no {CARD_FILE}: give the folder that a training job wrote") from error
    if card.backbone != backbone or method not in (Method.AUTO, card.method):
        raise ValueError(
            f"{artefact} is a {card.method} model for backbone {card.backbone}, but the settings select {method} for "
            f"{backbone}: change embeddings.method, describe.backbone or embeddings.artefact_dir"
        )
    model_id = f"{card.method}-{descriptor_id}-{card.version}"
    return EmbeddingModel(model_id, descriptor_id, card.method, card.fusion, artefact, card.calibration, card.verifier)


@cache
def _load_background(artefact: str, model_id: str) -> Background | None:
    import numpy as np

    from models.background import Background
    from models.normalise import to_unit_norm

    tensors, _ = _read_tensors(artefact, model_id)
    if BACKGROUND not in tensors:
        return None
    vectors = to_unit_norm(tensors[BACKGROUND])
    # Older models store no sources. Their frames get one common source, to which no video is similar enough.
    sources = tensors.get(BACKGROUND_SOURCES, np.zeros(len(vectors)))
    return Background(vectors, sources.astype(np.int32))


@cache
def _load(artefact: str, model_id: str) -> Embedder:
    tensors, card = _read_tensors(artefact, model_id)
    return _KINDS[card.kind].from_tensors(tensors)


def _read_tensors(artefact: str, model_id: str) -> tuple[dict[str, NDArray[np.floating[Any]]], ModelCard]:
    """Read an artefact and check that it has the version in the model_id. The window setting may follow the version."""
    tensors, card = unpack_artefact(read_artefact(find_folder(artefact)))
    if card.version not in model_id.split("-"):
        raise ValueError(
            f"{artefact} has version {card.version}, not that of {model_id}: copy the same model to every node"
        )
    return tensors, card
