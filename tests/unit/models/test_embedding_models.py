"""Which model embeds, what its card says, and that its numbers are those the card was written for."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from models.embedding_models import Calibration, find_model, pack_whitening, unpack_whitening
from models.registry import descriptor_id, get_backbone
from models.whitening import Whitening

BACKBONE = get_backbone("efficientnet_lite0")
DESCRIPTOR_ID = descriptor_id(BACKBONE, 1.0, 8)
WHITENING = Whitening(
    np.array([0.5, -0.25, 0.0], np.float32), np.array([[1, 0], [0, 2], [3, 0.1]], np.float32)[:, ::-1]
)


def probability(calibration: Calibration, cosine: float) -> float:
    return 1 / (1 + math.exp(-(calibration.intercept + calibration.slope * cosine)))


def test_without_labels_the_probability_at_the_threshold_is_a_half_and_grows_with_the_cosine() -> None:
    calibration = Calibration.without_labels(0.7)
    assert probability(calibration, 0.7) == pytest.approx(0.5)
    assert probability(calibration, 0.8) == pytest.approx(1 / (1 + math.exp(-3)))
    assert calibration.fitted_on == "no labelled pairs"


def test_another_threshold_leaves_the_probabilities_as_they_are() -> None:
    calibration = Calibration(0.6, -9.0, 20.0, "pairs")
    assert calibration.at_threshold(0.8) == Calibration(0.8, -9.0, 20.0, "pairs")


def test_an_averaged_model_divides_by_the_norm_and_has_no_calibration() -> None:
    model = find_model("averaged", BACKBONE.name, DESCRIPTOR_ID)
    assert model.model_id == f"averaged-{DESCRIPTOR_ID}"
    assert model.calibration is None
    np.testing.assert_allclose(model.embed(np.array([[3, 4]], np.float32)), [[0.6, 0.8]])


def test_auto_takes_the_averaged_model_where_no_whitening_is_shipped() -> None:
    assert find_model("auto", "tiny", "tiny-1fps-0").model_id == "averaged-tiny-1fps-0"


def test_a_whitening_that_was_never_trained_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no whitening has been trained for 'tiny': see jobs/train_whitening\.py"):
        find_model("whitened", "tiny", "tiny-1fps-0")


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown method 'magic': choose one of auto, averaged, whitened"):
        find_model("magic", "tiny", "tiny-1fps-0")


def test_an_artefact_gives_back_its_numbers_at_half_precision() -> None:
    unpacked = unpack_whitening(pack_whitening(WHITENING, {}))
    assert unpacked.projection.dtype == np.float32
    np.testing.assert_array_equal(unpacked.mean, WHITENING.mean)
    np.testing.assert_allclose(unpacked.projection, WHITENING.projection, rtol=1e-3)


def test_the_same_whitening_gives_the_same_bytes() -> None:
    assert pack_whitening(WHITENING, {"num_dims": 2}) == pack_whitening(WHITENING, {"num_dims": 2})


def test_the_card_holds_what_it_was_told_and_the_calibration() -> None:
    files = pack_whitening(WHITENING, {"num_dims": 2}, Calibration(0.6, -9.0, 20.0, "pairs"))
    card = json.loads(files["card.json"])
    assert card["num_dims"] == 2
    assert Calibration(**card["calibration"]) == Calibration(0.6, -9.0, 20.0, "pairs")
    assert json.loads(pack_whitening(WHITENING, {})["card.json"])["calibration"] is None


def test_numbers_that_are_not_those_of_the_card_are_refused() -> None:
    files = pack_whitening(WHITENING, {})
    tensors = bytearray(files["whitening.safetensors"])
    tensors[-1] ^= 1
    with pytest.raises(ValueError, match="does not have the sha256 on its card"):
        unpack_whitening(files | {"whitening.safetensors": bytes(tensors)})


def test_the_shipped_whitening_is_what_auto_takes_and_is_calibrated() -> None:
    model = find_model("auto", BACKBONE.name, DESCRIPTOR_ID)
    assert model.method == "whitened"
    assert model.model_id.startswith(f"whitened-{DESCRIPTOR_ID}-")
    assert model.calibration is not None
    threshold = model.calibration.min_cosine_similarity
    assert 0.4 < threshold < 0.9
    assert model.calibration.slope > 0
    assert 0.5 < probability(model.calibration, threshold) < 1
    assert "/work" not in model.calibration.fitted_on


def test_the_shipped_numbers_are_those_of_the_card_and_embed_the_backbones_descriptors() -> None:
    model = find_model("whitened", BACKBONE.name, DESCRIPTOR_ID)
    vectors = model.embed(np.eye(3, BACKBONE.dim, dtype=np.float32))
    assert vectors.shape == (3, 512)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
