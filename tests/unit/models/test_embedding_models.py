"""Selection of a model, its folder, and the check of its tensors against its card."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.artefact import (
    TENSORS_FILE,
    ModelCard,
    find_folder,
    pack_artefact,
    read_artefact,
    unpack_artefact,
    write_artefact,
)
from models.calibration import Calibration
from models.codebook import Codebook
from models.embedders import Identity, LinearHead, TanhNetwork
from models.embedding_models import Method, find_model
from models.registry import descriptor_id, get_backbone

if TYPE_CHECKING:
    from pathlib import Path

BACKBONE = get_backbone("efficientnet_lite0_ndvr")
DESCRIPTOR_ID = descriptor_id(BACKBONE, 1.0, 8, cuts_borders=True)
HEAD = LinearHead(np.zeros(3, np.float32), np.eye(3, 2, dtype=np.float32))
CALIBRATION = Calibration(0.6, -9.0, 20.0, "pairs")
CARD = ModelCard("contrastive", "linear", "tiny", "late", 2, "none", {}, {}, CALIBRATION)
ROW = np.array([[2, 1, 0]], np.float32)


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    write_artefact(tmp_path / "mine", pack_artefact(HEAD.to_tensors(), CARD))
    return tmp_path / "mine"


def test_an_averaged_model_returns_the_descriptor_and_has_no_calibration() -> None:
    model = find_model("averaged", BACKBONE.name, DESCRIPTOR_ID)
    assert model.model_id == f"averaged-{DESCRIPTOR_ID}"
    assert (model.method, model.fusion, model.artefact, model.calibration) == ("averaged", "early", None, None)
    assert isinstance(model.load(), Identity)
    np.testing.assert_allclose(model.load().embed_video(ROW), [0.5**0.5, 0, -(0.5**0.5)], rtol=1e-6)


def test_auto_is_averaged_if_no_model_is_shipped() -> None:
    assert find_model("auto", "tiny", "tiny-1fps-0").model_id == "averaged-tiny-1fps-0"


@pytest.mark.parametrize("method", ["whitened", "triplet", "batch_hard", "contrastive"])
def test_the_error_for_a_model_that_is_not_shipped_names_the_command_that_trains_one(method: str) -> None:
    with pytest.raises(
        ValueError,
        match=rf"no {method} model is shipped for backbone 'tiny': train one with `ndvr train-triplets` and set "
        r"embeddings\.artefact_dir to its folder",
    ):
        find_model(method, "tiny", "tiny-1fps-0")


def test_the_error_for_an_unknown_method_lists_the_methods() -> None:
    with pytest.raises(
        ValueError,
        match="unknown method 'magic': choose one of auto, averaged, discriminative, whitened, triplet, batch_hard, "
        "contrastive, bow_vector, bow_layer",
    ):
        find_model("magic", "tiny", "tiny-1fps-0")


@pytest.mark.parametrize("method", ["auto", "contrastive"])
def test_the_card_describes_an_own_model(method: str, artefact: Path) -> None:
    model = find_model(method, "tiny", "tiny-1fps-0", artefact)
    _, card = unpack_artefact(read_artefact(artefact))
    assert model.model_id == f"contrastive-tiny-1fps-0-{card.version}"
    assert (model.method, model.fusion, model.descriptor_id) == (Method.CONTRASTIVE, "late", "tiny-1fps-0")
    assert model.calibration == CALIBRATION
    np.testing.assert_allclose(model.load().embed_video(ROW), [1.0, 0.0], atol=1e-6)


def test_a_relative_folder_is_resolved_before_the_working_directory_changes(
    artefact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(artefact.parent)
    model = find_model("auto", "tiny", "tiny-1fps-0", artefact.relative_to(artefact.parent))
    assert model.artefact == str(artefact)
    monkeypatch.chdir("/")
    assert isinstance(model.load(), LinearHead)


def test_a_folder_without_a_model_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none has no card\.json: give the folder that a training job wrote"):
        find_model("auto", "tiny", "tiny-1fps-0", tmp_path / "none")


@pytest.mark.parametrize(
    ("method", "backbone", "wish"),
    [
        ("auto", "vgg16", "auto for vgg16"),
        ("triplet", "tiny", "triplet for tiny"),
        ("averaged", "tiny", "averaged for tiny"),
    ],
)
def test_a_model_of_another_backbone_or_method_is_rejected(
    method: str, backbone: str, wish: str, artefact: Path
) -> None:
    with pytest.raises(
        ValueError, match=rf"mine is a contrastive model for backbone tiny, but the settings select {wish}"
    ):
        find_model(method, backbone, "x", artefact)


@pytest.mark.parametrize(
    "embedder",
    [
        HEAD,
        TanhNetwork((np.eye(3, dtype=np.float32),), (np.zeros(3, np.float32),)),
        Codebook((np.eye(3, dtype=np.float32),), np.ones(3, np.float32)),
    ],
    ids=["linear", "tanh", "codebook"],
)
def test_the_card_selects_the_class_that_runs_the_model(
    embedder: LinearHead | TanhNetwork | Codebook, tmp_path: Path
) -> None:
    write_artefact(tmp_path, pack_artefact(embedder.to_tensors(), replace(CARD, kind=embedder.kind)))
    loaded = find_model("auto", "tiny", "tiny-1fps-0", tmp_path).load()
    assert type(loaded) is type(embedder)
    np.testing.assert_allclose(loaded.embed_video(ROW), embedder.embed_video(ROW), rtol=1e-3)


def test_the_tensors_are_loaded_once_per_process(artefact: Path) -> None:
    model = find_model("auto", "tiny", "tiny-1fps-0", artefact)
    assert model.load() is model.load()


def test_tensors_with_another_sha256_than_the_card_are_not_loaded(artefact: Path) -> None:
    model = find_model("auto", "tiny", "tiny-1fps-0", artefact)
    content = bytearray((artefact / TENSORS_FILE).read_bytes())
    content[-1] ^= 1
    (artefact / TENSORS_FILE).write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors has SHA-256 \w{64}, but its card has"):
        model.load()


def test_another_model_in_the_same_folder_of_a_node_is_an_error(artefact: Path) -> None:
    model = find_model("auto", "tiny", "tiny-1fps-0", artefact)
    write_artefact(artefact, pack_artefact({"mean": HEAD.mean, "projection": -HEAD.projection}, CARD))
    with pytest.raises(
        ValueError, match=rf"mine has version \w{{8}}, not that of {model.model_id}: copy the same model to every node"
    ):
        model.load()


def test_a_model_retrained_in_the_same_folder_is_loaded_again(artefact: Path) -> None:
    assert find_model("auto", "tiny", "x", artefact).load().embed_video(ROW)[0] == pytest.approx(1)
    write_artefact(artefact, pack_artefact({"mean": HEAD.mean, "projection": -HEAD.projection}, CARD))
    assert find_model("auto", "tiny", "x", artefact).load().embed_video(ROW)[0] == pytest.approx(-1)


def test_auto_is_the_shipped_model_and_it_is_calibrated() -> None:
    model = find_model("auto", BACKBONE.name, DESCRIPTOR_ID)
    assert model.artefact == f"{model.method}-{BACKBONE.name}"
    assert model.model_id.startswith(f"{model.method}-{DESCRIPTOR_ID}-")
    assert model.calibration is not None
    assert 0 < model.calibration.min_cosine_similarity < 1
    at_threshold = model.calibration.intercept + model.calibration.slope * model.calibration.min_cosine_similarity
    assert model.calibration.slope > 0
    assert 0.5 < 1 / (1 + math.exp(-at_threshold)) < 1


def test_the_shipped_card_matches_the_tensors_and_names_no_path_of_a_machine() -> None:
    model = find_model("auto", BACKBONE.name, DESCRIPTOR_ID)
    assert model.artefact is not None
    tensors, card = unpack_artefact(read_artefact(find_folder(model.artefact)))
    assert {len(array) for name, array in tensors.items() if name in ("mean", "projection")} == {BACKBONE.dim}
    assert (card.backbone, card.licence) == (BACKBONE.name, "Apache-2.0")
    assert not [word for word in json.loads(card.to_json())["calibration"]["fitted_on"].split() if word[0] == "/"]


def test_the_shipped_model_returns_unit_vectors_of_the_length_on_its_card() -> None:
    model = find_model("auto", BACKBONE.name, DESCRIPTOR_ID)
    assert model.artefact is not None
    _, card = unpack_artefact(read_artefact(find_folder(model.artefact)))
    frames = np.random.default_rng(0).normal(size=(3, BACKBONE.dim)).astype(np.float16)
    vector = model.load().embed_video(frames)
    assert (vector.shape, vector.dtype) == ((card.num_dims,), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vector), 1, rtol=1e-5)
