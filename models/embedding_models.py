"""Embedding models by model_id: which one a configuration means, and how it is loaded.

The driver imports it, so it leaves torch alone.
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
    """How a video becomes a vector. `benchmarks/accuracy` compares them.

    averaged: the descriptor itself. discriminative, whitened: closed forms, `models.whitening`. triplet: the paper's
    network, `models.triplet`. batch_hard, contrastive: linear heads that learn on frames, `models.frame_heads`.
    bow_vector, bow_layer: bags of words of whole descriptors or of each layer's, `models.codebook`.
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
"""Those whose vectors are mostly zeros, and never negative."""
_SHIPPED = Method.DISCRIMINATIVE  # the best of benchmarks/accuracy; docs/decisions/0004
_KINDS = {kind.kind: kind for kind in (LinearHead, TanhNetwork, Codebook)}


@dataclass(frozen=True)
class EmbeddingModel:
    """A model that turns descriptors of one descriptor_id into unit vectors. Small: it travels with the tasks.

    Attributes:
        model_id: the name under which embeddings, pairs and clusters are stored.
        descriptor_id: the descriptors it takes.
        method: one of `Method`.
        fusion: "early" (it takes a video's averaged descriptor) or "late" (all of its frames').
        artefact: an absolute folder on every node, or the name of one that is shipped; None for `averaged`.
        calibration: None where no labelled pairs have been seen.
        verifier: weighs the evidence of aligned frames; None where the model knows no frames, or none is fitted.
    """

    model_id: str
    descriptor_id: str
    method: str
    fusion: str
    artefact: str | None
    calibration: Calibration | None
    verifier: Verifier | None = None

    def load(self) -> Embedder:
        """Load and verify the numbers; once in a Python worker. Runs on: executor.

        Raises:
            FileNotFoundError: the artefact is not on this node.
            ValueError: the numbers are not those that the card was written for, or are of another model_id.
        """
        return Identity() if self.artefact is None else _load(self.artefact, self.model_id)

    @property
    def keeps_frames(self) -> bool:
        """Whether it embeds frames one by one, so that two videos can be aligned."""
        return self.fusion == "late" and self.method not in SPARSE_METHODS

    def load_background(self) -> Background:
        """Load the frames that no pair shares. Runs on: executor.

        Raises:
            ValueError: the artefact has none.
        """
        background = None if self.artefact is None else _load_background(self.artefact, self.model_id)
        if background is None:
            raise ValueError(f"{self.model_id} has no background of frames: train it again (ndvr train-triplets)")
        return background


def find_model(method: str, backbone: str, descriptor_id: str, artefact_dir: Path | None = None) -> EmbeddingModel:
    """Return the model of a method for a backbone's descriptors; `auto` takes the best that is there. Runs on: driver.

    Args:
        method: one of `Method`.
        backbone: name of the backbone whose descriptors it takes.
        descriptor_id: of those descriptors.
        artefact_dir: folder of a trained model; None looks among those that are shipped.

    Raises:
        ValueError: the method is unknown, no such model is there, or it takes another backbone's descriptors.
    """
    if method not in tuple(Method):
        raise ValueError(f"unknown method {method!r}: choose one of {', '.join(Method)}")
    if artefact_dir is not None:
        return _take(str(artefact_dir.absolute()), method, backbone, descriptor_id)
    shipped = f"{_SHIPPED if method == Method.AUTO else method}-{backbone}"
    if (find_folder(shipped) / CARD_FILE).is_file():
        return _take(shipped, method, backbone, descriptor_id)
    if method not in (Method.AVERAGED, Method.AUTO):
        job = "train-codebook" if method in SPARSE_METHODS else "train-triplets"
        raise ValueError(
            f"no {method} model is shipped for {backbone!r}: train one (ndvr {job}) and give its folder as "
            "embeddings.artefact_dir"
        )
    return EmbeddingModel(f"averaged-{descriptor_id}", descriptor_id, Method.AVERAGED, "early", None, None)


def _take(artefact: str, method: str, backbone: str, descriptor_id: str) -> EmbeddingModel:
    """Make the model of an artefact from its card."""
    try:
        card = ModelCard.from_json((find_folder(artefact) / CARD_FILE).read_bytes())
    except FileNotFoundError as error:
        raise ValueError(f"{artefact} holds no {CARD_FILE}: give the folder that a training job has written") from error
    if card.backbone != backbone or method not in (Method.AUTO, card.method):
        raise ValueError(
            f"{artefact} is a {card.method} model of {card.backbone}; the config asks for {method} of {backbone}"
        )
    model_id = f"{card.method}-{descriptor_id}-{card.version}"
    return EmbeddingModel(model_id, descriptor_id, card.method, card.fusion, artefact, card.calibration, card.verifier)


@cache
def _load_background(artefact: str, model_id: str) -> Background | None:
    import numpy as np

    from models.background import Background
    from models.normalise import to_unit_norm

    tensors, _ = _read(artefact, model_id)
    if BACKGROUND not in tensors:
        return None
    vectors = to_unit_norm(tensors[BACKGROUND])
    # Models of before sources were kept have one for all, which no video shows.
    sources = tensors.get(BACKGROUND_SOURCES, np.zeros(len(vectors)))
    return Background(vectors, sources.astype(np.int32))


@cache
def _load(artefact: str, model_id: str) -> Embedder:
    tensors, card = _read(artefact, model_id)
    return _KINDS[card.kind].from_tensors(tensors)


def _read(artefact: str, model_id: str) -> tuple[dict[str, NDArray[np.floating[Any]]], ModelCard]:
    """Read an artefact of the version that a model_id names; the windows' name may follow it there."""
    tensors, card = unpack_artefact(read_artefact(find_folder(artefact)))
    if card.version not in model_id.split("-"):
        raise ValueError(f"{artefact} holds version {card.version}, not {model_id}: put one and the same on every node")
    return tensors, card
