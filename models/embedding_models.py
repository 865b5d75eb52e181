"""Embedding models by model_id: how a descriptor becomes a vector, and what a similarity of two vectors means.

The driver imports it, so it leaves torch alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    import numpy as np
    from numpy.typing import NDArray

    from models.whitening import Whitening

METHODS = ("averaged", "whitened")
_TENSORS = "whitening.safetensors"
_CARD = "card.json"
_UNCALIBRATED_SLOPE = 30.0
_HEX_DIGITS = 8


@dataclass(frozen=True)
class Calibration:
    """What similarities of a model mean, fitted on labelled pairs.

    `match_probability = 1 / (1 + exp(-(intercept + slope * cosine_similarity)))` (Platt scaling: Platt 1999,
    Probabilistic Outputs for Support Vector Machines, section 2).

    Attributes:
        min_cosine_similarity: operating threshold, in [-1, 1].
        intercept: of the logistic function.
        slope: of the logistic function, > 0.
        fitted_on: the labelled pairs, and the command that fits them.
    """

    min_cosine_similarity: float
    intercept: float
    slope: float
    fitted_on: str

    @classmethod
    def without_labels(cls, min_cosine_similarity: float) -> Calibration:
        """Stand in where no labelled pairs have been seen: ranks pairs, and says 1/2 at the threshold."""
        intercept = -_UNCALIBRATED_SLOPE * min_cosine_similarity
        return cls(min_cosine_similarity, intercept, _UNCALIBRATED_SLOPE, "no labelled pairs")

    def at_threshold(self, min_cosine_similarity: float) -> Calibration:
        """Return the same map from similarity to probability with another operating threshold."""
        return replace(self, min_cosine_similarity=min_cosine_similarity)


@dataclass(frozen=True)
class EmbeddingModel:
    """A model that turns video descriptors of one descriptor_id into unit vectors.

    Attributes:
        model_id: the name under which embeddings, pairs and clusters are stored.
        descriptor_id: the descriptors it takes.
        method: `averaged`: the descriptor itself, as the metric-learning paper's un-learned baseline
            (MKLab-ITI/ndvr-dml, utils.py, `global_vector`); `whitened`: see `models.whitening`.
        artefact: the folder under models/artefacts that holds its numbers, or None.
        calibration: None where no labelled pairs have been seen.
    """

    model_id: str
    descriptor_id: str
    method: str
    artefact: str | None
    calibration: Calibration | None

    def embed(self, video_descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed videos: float32 (n, dim) descriptors -> float32 (n, num_dims) of unit norm. Runs on: executor."""
        from models.whitening import to_unit_norm

        if self.artefact is None:
            return to_unit_norm(video_descriptors)
        return _load_whitening(self.artefact).embed(video_descriptors)


def find_model(method: str, backbone: str, descriptor_id: str) -> EmbeddingModel:
    """Return the model of a method for a backbone's descriptors; `auto` takes the best that is shipped.

    Raises:
        ValueError: no whitening has been trained for the backbone, or the method is unknown.
    """
    if method not in (*METHODS, "auto"):
        raise ValueError(f"unknown method {method!r}: choose one of auto, {', '.join(METHODS)}")
    artefact = f"whitened-{backbone}"
    if method == "averaged" or (method == "auto" and not _folder(artefact).is_dir()):
        return EmbeddingModel(f"averaged-{descriptor_id}", descriptor_id, "averaged", None, None)
    if not _folder(artefact).is_dir():
        raise ValueError(f"no whitening has been trained for {backbone!r}: see jobs/train_whitening.py")
    card = json.loads((_folder(artefact) / _CARD).read_text(encoding="utf-8"))
    calibration = Calibration(**card["calibration"]) if card.get("calibration") else None
    model_id = f"whitened-{descriptor_id}-{card['sha256'][:_HEX_DIGITS]}"
    return EmbeddingModel(model_id, descriptor_id, "whitened", artefact, calibration)


def pack_whitening(
    whitening: Whitening, facts: dict[str, Any], calibration: Calibration | None = None
) -> dict[str, bytes]:
    """Return the files of an artefact: the numbers (float16, safetensors) and a card with `facts` and their sha256.

    Its inverse, of the numbers, is `unpack_whitening`: calibrate on what that returns, for that is what runs.
    """
    import numpy as np
    from safetensors.numpy import save

    tensors = save({name: array.astype(np.float16) for name, array in asdict(whitening).items()})
    card = facts | {
        "sha256": hashlib.sha256(tensors).hexdigest(),
        "calibration": asdict(calibration) if calibration else None,
    }
    return {_TENSORS: tensors, _CARD: (json.dumps(card, indent=2) + "\n").encode()}


def unpack_whitening(files: Mapping[str, bytes]) -> Whitening:
    """Return an artefact's numbers, float32, from its files.

    Raises:
        ValueError: the numbers are not those that the card was written for.
    """
    import numpy as np
    from safetensors.numpy import load

    from models.whitening import Whitening

    expected = json.loads(files[_CARD])["sha256"]
    if hashlib.sha256(files[_TENSORS]).hexdigest() != expected:
        raise ValueError(f"{_TENSORS} does not have the sha256 on its card ({expected}): install ndvr again")
    return Whitening(**{name: array.astype(np.float32) for name, array in load(files[_TENSORS]).items()})


def _folder(artefact: str) -> Traversable:
    return resources.files("models") / "artefacts" / artefact


@cache
def _load_whitening(artefact: str) -> Whitening:
    """Load and verify an artefact's numbers; once in a Python worker. It may lie in the zip that Spark sent."""
    folder = _folder(artefact)
    return unpack_whitening({name: (folder / name).read_bytes() for name in (_TENSORS, _CARD)})
