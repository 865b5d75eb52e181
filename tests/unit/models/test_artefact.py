"""Files of a trained model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.artefact import (
    CARD_FILE,
    TENSORS_FILE,
    ModelCard,
    find_folder,
    pack_artefact,
    read_artefact,
    remove_old_verifier,
    unpack_artefact,
    write_artefact,
)
from models.calibration import Calibration
from tests.support.verifiers import leaf, make_verifier

CALIBRATION = Calibration(0.6, -9.0, 20.0, "pairs")
CARD = ModelCard("whitened", "linear", "tiny", "late", 2, "Apache-2.0", {"videos": 3}, {"precision": 0.5})
TENSORS = {"mean": np.array([0.5, -0.25, 0.1], np.float32), "projection": np.eye(3, 2, dtype=np.float32)[::-1]}


def test_tensors_are_restored_by_name_at_half_precision() -> None:
    tensors, _ = unpack_artefact(pack_artefact(TENSORS, CARD))
    assert {name: array.dtype.name for name, array in tensors.items()} == {"mean": "float16", "projection": "float16"}
    np.testing.assert_array_equal(tensors["projection"], [[0, 0], [0, 1], [1, 0]])
    np.testing.assert_allclose(tensors["mean"], [0.5, -0.25, 0.1], rtol=1e-3)


def test_the_card_has_the_sha256_of_the_tensors() -> None:
    files = pack_artefact(TENSORS, CARD)
    _, card = unpack_artefact(files)
    assert replace(card, sha256="") == CARD
    assert len(card.sha256) == 64
    assert card.version == card.sha256[:8]


def test_the_card_is_indented_json() -> None:
    text = pack_artefact(TENSORS, replace(CARD, licence="« frei »", calibration=CALIBRATION))[CARD_FILE].decode()
    fields = json.loads(text)
    assert fields["calibration"] == {
        "min_cosine_similarity": 0.6,
        "intercept": -9.0,
        "slope": 20.0,
        "fitted_on": "pairs",
    }
    assert '  "licence": "« frei »",\n' in text
    assert text.endswith("}\n")


def test_the_calibration_is_restored() -> None:
    assert ModelCard.from_json(replace(CARD, calibration=CALIBRATION).to_json()).calibration == CALIBRATION
    assert ModelCard.from_json(CARD.to_json()).calibration is None


def test_equal_tensors_and_cards_give_equal_bytes() -> None:
    assert pack_artefact(TENSORS, CARD) == pack_artefact(dict(TENSORS), CARD)


def test_the_version_depends_on_the_tensors_and_not_on_the_card() -> None:
    def version(numbers: dict[str, np.ndarray], card: ModelCard) -> str:
        return unpack_artefact(pack_artefact(numbers, card))[1].version

    assert version(TENSORS, replace(CARD, calibration=CALIBRATION)) == version(TENSORS, CARD)
    assert version(TENSORS | {"mean": np.zeros(3, np.float32)}, CARD) != version(TENSORS, CARD)


def test_packing_unpacked_tensors_gives_the_same_bytes() -> None:
    files = pack_artefact(TENSORS, CARD)
    tensors, card = unpack_artefact(files)
    assert pack_artefact(tensors, replace(card, calibration=CALIBRATION))[TENSORS_FILE] == files[TENSORS_FILE]


def test_tensors_with_another_sha256_than_the_card_are_rejected() -> None:
    files = pack_artefact(TENSORS, CARD)
    tensors = bytearray(files[TENSORS_FILE])
    tensors[-1] ^= 1
    with pytest.raises(
        ValueError, match=r"model\.safetensors has SHA-256 [0-9a-f]{64}, but its card has [0-9a-f]{64}: train"
    ):
        unpack_artefact(files | {TENSORS_FILE: bytes(tensors)})


@pytest.mark.parametrize(
    "text",
    ["{}", CARD.to_json().replace('"kind"', '"sort"'), CARD.to_json().replace("null", '{"threshold": 1}')],
    ids=["empty", "another field", "a calibration of other fields"],
)
def test_an_invalid_card_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a valid model card: .*; train or install the model again"):
        ModelCard.from_json(text)


def write_old_card(folder: Path) -> None:
    """Write a model whose verifier is that of an earlier version: weights, and no format."""
    write_artefact(folder, pack_artefact(TENSORS, CARD))
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    card["verifier"] = {"min_probability": 0.5, "intercept": 1.0, "weights": [1.0], "fitted_on": "pairs"}
    (folder / CARD_FILE).write_text(json.dumps(card), encoding="utf-8")


def test_a_verifier_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    write_old_card(tmp_path)
    with pytest.raises(
        ValueError, match="a verifier must have format 2, got 1: fit it again with `ndvr calibrate --truth`"
    ):
        unpack_artefact(read_artefact(tmp_path))


def test_a_verifier_of_an_earlier_version_can_be_removed_and_a_current_one_stays(tmp_path: Path) -> None:
    write_old_card(tmp_path / "old")
    remove_old_verifier(tmp_path / "old")
    assert unpack_artefact(read_artefact(tmp_path / "old"))[1].verifier is None
    verifier = make_verifier(leaf(1.0))
    write_artefact(tmp_path / "new", pack_artefact(TENSORS, replace(CARD, verifier=verifier)))
    remove_old_verifier(tmp_path / "new")
    assert unpack_artefact(read_artefact(tmp_path / "new"))[1].verifier == verifier


def test_text_that_is_not_json_is_rejected() -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        ModelCard.from_json("no card")


def test_an_artefact_is_written_to_a_new_folder_and_can_be_read(tmp_path: Path) -> None:
    files = pack_artefact(TENSORS, CARD)
    write_artefact(tmp_path / "models" / "mine", files)
    assert sorted(path.name for path in (tmp_path / "models" / "mine").iterdir()) == ["card.json", "model.safetensors"]
    assert read_artefact(tmp_path / "models" / "mine") == files


def test_the_card_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(Path, "write_bytes", lambda path, _: written.append(path.name))
    write_artefact(tmp_path, pack_artefact(TENSORS, CARD))
    assert written == ["model.safetensors", "card.json"]


def test_reading_a_folder_without_an_artefact_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        read_artefact(tmp_path)


def test_a_name_is_a_folder_of_the_package_and_an_absolute_path_is_unchanged(tmp_path: Path) -> None:
    assert find_folder(str(tmp_path)) == tmp_path
    assert str(find_folder("mine-tiny")).endswith("models/artefacts/mine-tiny")
