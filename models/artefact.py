"""A trained model as files: its numbers (safetensors) and a card that says what they are, with their SHA-256."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.calibration import Calibration
from models.verifier import Verifier

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    import numpy as np
    from numpy.typing import NDArray

    Tensors = Mapping[str, NDArray[np.number[Any]]]

TENSORS_FILE = "model.safetensors"
CARD_FILE = "card.json"
BACKGROUND = "background"
"""The tensor of embedded frames of training footage that scores are normalised by: (n, num_dims)."""
BACKGROUND_SOURCES = "background_sources"
"""Which footage each of them shows: integers (n,)."""
_HEX_DIGITS = 8


@dataclass(frozen=True)
class ModelCard:
    """What a model is.

    Attributes:
        method: one of `models.embedding_models.Method`.
        kind: which class of `models.embedders` or `models.codebook` runs it.
        backbone: whose descriptors it takes.
        fusion: "early" (it takes a video's averaged descriptor) or "late" (all of its frames').
        num_dims: length of its vectors.
        licence: of the numbers.
        training: what it was trained on and how: counts, seed, objective, the command that does it again.
        metrics: figures on footage held out from the training.
        calibration: None where no labelled pairs have been seen.
        verifier: weighs frame by frame evidence; None where none has been fitted.
        sha256: of the numbers' file, 64 hexadecimal digits.
    """

    method: str
    kind: str
    backbone: str
    fusion: str
    num_dims: int
    licence: str
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    calibration: Calibration | None = None
    verifier: Verifier | None = None
    sha256: str = ""

    @property
    def version(self) -> str:
        """The first digits of the numbers' SHA-256: part of the model_id."""
        return self.sha256[:_HEX_DIGITS]

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelCard:
        """Read a card.

        Raises:
            ValueError: it is not JSON, or lacks a field or has one too many.
        """
        fields = json.loads(text)
        try:
            calibration = Calibration(**fields["calibration"]) if fields["calibration"] else None
            verifier = Verifier(**fields["verifier"]) if fields.get("verifier") else None
            return cls(**fields | {"calibration": calibration, "verifier": verifier})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the card of a model: {error}; train or install it again") from error

    def to_json(self) -> str:
        """Write a card."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def pack_artefact(tensors: Tensors, card: ModelCard) -> dict[str, bytes]:
    """Return the files of an artefact: the numbers, fractions at half precision, and the card with their SHA-256.

    Calibrate on what `unpack_artefact` gives back, for that is what runs.
    """
    import numpy as np
    from safetensors.numpy import save

    kept = {name: array if array.dtype.kind == "i" else array.astype(np.float16) for name, array in tensors.items()}
    content = save({name: np.ascontiguousarray(array) for name, array in kept.items()})
    stamped = replace(card, sha256=hashlib.sha256(content).hexdigest())
    return {TENSORS_FILE: content, CARD_FILE: stamped.to_json().encode()}


def unpack_artefact(files: Mapping[str, bytes]) -> tuple[dict[str, NDArray[np.floating[Any]]], ModelCard]:
    """Return an artefact's numbers, by name, and its card.

    Raises:
        ValueError: the numbers are not those that the card was written for.
    """
    from safetensors.numpy import load

    card = ModelCard.from_json(files[CARD_FILE])
    if hashlib.sha256(files[TENSORS_FILE]).hexdigest() != card.sha256:
        raise ValueError(
            f"{TENSORS_FILE} does not have the sha256 on its card ({card.sha256}): train or install it again"
        )
    return load(files[TENSORS_FILE]), card


def write_artefact(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of an artefact into a folder; the card, which vouches for the numbers, last."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == CARD_FILE):
        (folder / name).write_bytes(files[name])


def read_artefact(folder: Path | Traversable) -> dict[str, bytes]:
    """Read the files of an artefact. Raises FileNotFoundError where there is none."""
    return {name: (folder / name).read_bytes() for name in (TENSORS_FILE, CARD_FILE)}


def find_folder(artefact: str) -> Path | Traversable:
    """Return where an artefact lies: an absolute path as it is, else the one of that name in this package.

    The package may be the zip that Spark sent.
    """
    path = Path(artefact)
    return path if path.is_absolute() else resources.files("models") / "artefacts" / artefact
