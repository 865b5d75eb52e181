"""Files of a trained model: tensors (safetensors), and a card that describes them and has their SHA-256."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.calibration import Calibration
from models.verifier import IncompleteTreeError, Verifier, is_current

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

    import numpy as np
    from numpy.typing import NDArray

    Tensors = Mapping[str, NDArray[np.number[Any]]]

TENSORS_FILE = "model.safetensors"
CARD_FILE = "card.json"
BACKGROUND = "background"
"""Name of the tensor of embedded training frames, with which scores are normalised: (n, num_dims)."""
BACKGROUND_SOURCES = "background_sources"
"""Name of the tensor with the source (footage) of each background frame: integers (n,)."""
_HEX_DIGITS = 8


@dataclass(frozen=True)
class ModelCard:
    """Description of a model.

    Attributes:
        method: one of `models.embedding_models.Method`.
        kind: attribute `kind` of the class in `models.embedders` or `models.codebook` that runs the model.
        backbone: name of the backbone whose descriptors are the input.
        fusion: "early" (the input is a video's averaged descriptor) or "late" (the input is the descriptors of all
            its frames).
        num_dims: length of the vectors.
        licence: licence of the tensors.
        training: training data and settings: counts, seed, objective, the command that repeats the training.
        metrics: figures on held-out footage.
        calibration: None until the model is calibrated on labelled pairs.
        verifier: model of the frame-level evidence. None until it is fitted.
        sha256: SHA-256 of the tensors file, 64 hexadecimal digits.
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
        """The first 8 digits of the tensors' SHA-256, which are part of the model_id."""
        return self.sha256[:_HEX_DIGITS]

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelCard:
        """Parse a card.

        Raises:
            ValueError: the text is not JSON, a field is missing, there is an unknown field, or the verifier has another
                format.
        """
        fields = json.loads(text)
        try:
            calibration = Calibration(**fields["calibration"]) if fields["calibration"] else None
            verifier = Verifier.from_fields(fields["verifier"]) if fields.get("verifier") else None
            return cls(**fields | {"calibration": calibration, "verifier": verifier})
        except (KeyError, TypeError, IncompleteTreeError) as error:
            raise ValueError(f"not a valid model card: {error}; train or install the model again") from error

    def to_json(self) -> str:
        """Return the card as JSON text."""
        fields = asdict(replace(self, verifier=None))
        fields["verifier"] = None if self.verifier is None else self.verifier.to_fields()
        return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def pack_artefact(tensors: Tensors, card: ModelCard) -> dict[str, bytes]:
    """Return the files of an artefact: the tensors, and the card with their SHA-256.

    Floating-point tensors are stored at half precision. Calibrate on the tensors that `unpack_artefact` returns,
    because those are used in production.
    """
    import numpy as np
    from safetensors.numpy import save

    kept = {name: array if array.dtype.kind == "i" else array.astype(np.float16) for name, array in tensors.items()}
    content = save({name: np.ascontiguousarray(array) for name, array in kept.items()})
    stamped = replace(card, sha256=hashlib.sha256(content).hexdigest())
    return {TENSORS_FILE: content, CARD_FILE: stamped.to_json().encode()}


def unpack_artefact(files: Mapping[str, bytes]) -> tuple[dict[str, NDArray[np.floating[Any]]], ModelCard]:
    """Return the tensors of an artefact by name, and its card.

    Raises:
        ValueError: the SHA-256 of the tensors is not the one on the card, or the card is not valid.
    """
    from safetensors.numpy import load

    card = ModelCard.from_json(files[CARD_FILE])
    sha256 = hashlib.sha256(files[TENSORS_FILE]).hexdigest()
    if sha256 != card.sha256:
        raise ValueError(
            f"{TENSORS_FILE} has SHA-256 {sha256}, but its card has {card.sha256}: train or install the model again"
        )
    return load(files[TENSORS_FILE]), card


def write_artefact(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of an artefact into a folder. The card is last: it exists only if the tensors are complete."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == CARD_FILE):
        (folder / name).write_bytes(files[name])


def read_artefact(folder: Path | Traversable) -> dict[str, bytes]:
    """Read the files of an artefact. Raises FileNotFoundError if the folder has none."""
    return {name: (folder / name).read_bytes() for name in (TENSORS_FILE, CARD_FILE)}


def remove_old_verifier(folder: Path) -> None:
    """Remove a verifier of another format from a card. The model can be read then, and its verifier fitted again."""
    path = folder / CARD_FILE
    fields = json.loads(path.read_bytes())
    if fields.get("verifier") and not is_current(fields["verifier"]):
        path.write_text(json.dumps(fields | {"verifier": None}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def find_folder(artefact: str) -> Path | Traversable:
    """Return the folder of an artefact: an absolute path unchanged, else the folder of that name in this package.

    The package may be inside the zip that Spark distributes.
    """
    path = Path(artefact)
    return path if path.is_absolute() else resources.files("models") / "artefacts" / artefact
