"""Trained embedders, with values that can be checked by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.artefact import ModelCard, pack_artefact, unpack_artefact
from models.embedders import Identity, LinearHead, RowEmbedder, TanhNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALF = math.sqrt(0.5)  # (2, 0) standardised is (HALF, -HALF)
LINEAR = LinearHead(np.array([0, -HALF], np.float32), np.array([[3, 4], [9, 9]], np.float32))
TANH = TanhNetwork(
    (np.array([[1 / HALF, 0], [0, 0]], np.float32), np.array([[1, 0], [0, 1]], np.float32)),
    (np.array([0, 0.5], np.float32), np.array([0, 0.25], np.float32)),
)


def rows(*values: list[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def draw_head(dim: int = 6) -> LinearHead:
    chance = np.random.default_rng(5)
    return LinearHead(chance.normal(size=dim).astype(np.float32), chance.normal(size=(dim, 3)).astype(np.float32))


def test_a_linear_head_standardises_subtracts_the_mean_projects_and_normalises() -> None:
    # (HALF, -HALF) minus (0, -HALF) is (HALF, 0). Its projection is HALF * (3, 4).
    vectors = LINEAR.embed(rows([2, 0]))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[0.6, 0.8]], rtol=1e-6)


def test_brightness_and_contrast_of_a_frame_have_no_effect() -> None:
    np.testing.assert_allclose(LINEAR.embed(rows([20, 10])), [[0.6, 0.8]], rtol=1e-6)


def test_a_descriptor_equal_to_the_mean_gives_zeros() -> None:
    # (1, 1, -1, -1) standardised is exactly (.5, .5, -.5, -.5).
    head = LinearHead(np.array([0.5, 0.5, -0.5, -0.5], np.float32), np.eye(4, dtype=np.float32))
    assert head.embed(rows([1, 1, -1, -1])).tolist() == [[0.0, 0.0, 0.0, 0.0]]


def test_the_network_applies_tanh_after_each_layer_including_the_last() -> None:
    first = math.tanh(1), math.tanh(0.5)
    second = np.array([math.tanh(first[0]), math.tanh(first[1] + 0.25)])
    np.testing.assert_allclose(TANH.embed(rows([2, 0])), [second / np.linalg.norm(second)], rtol=1e-6)


def test_the_identity_returns_the_standardised_descriptor() -> None:
    np.testing.assert_allclose(Identity().embed(rows([2, 1, 0])), [[HALF, 0, -HALF]], rtol=1e-6)
    assert Identity().to_tensors() == {}


def test_a_videos_vector_is_the_normalised_mean_of_its_frames_unit_vectors() -> None:
    # (1, -1, 0) and (1, 0, -1), both divided by sqrt(2), add up to (2, -1, -1): the contrast of a frame has no effect.
    vector = Identity().embed_video(rows([1, -1, 0], [9, 0, -9]))
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, np.array([2, -1, -1]) / math.sqrt(6), rtol=1e-6)


def test_the_vector_of_a_video_with_one_row_is_that_row() -> None:
    np.testing.assert_array_equal(LINEAR.embed_video(rows([2, 0])), LINEAR.embed(rows([2, 0]))[0])


def test_frames_that_cancel_out_give_a_zero_vector() -> None:
    assert Identity().embed_video(rows([2, 0], [0, 2])).tolist() == [0.0, 0.0]


def test_rows_of_several_chunks_are_embedded_independently() -> None:
    head = draw_head()
    many = np.random.default_rng(1).normal(size=(600, 6)).astype(np.float16)
    vectors = head.embed(many)
    assert vectors.shape == (600, 3)
    for place in (0, 255, 256, 511, 512, 599):
        np.testing.assert_allclose(vectors[place], head.embed(many[[place]])[0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("head", [LINEAR, TANH], ids=["linear", "tanh"])
def test_the_head_is_restored_from_its_tensors_at_half_precision(head: LinearHead | TanhNetwork) -> None:
    card = ModelCard("whitened", head.kind, "tiny", "early", 2, "none", {}, {})
    tensors, _ = unpack_artefact(pack_artefact(head.to_tensors(), card))
    again = type(head).from_tensors(tensors)
    assert {array.dtype.name for array in again.to_tensors().values()} == {"float32"}
    np.testing.assert_allclose(again.embed(rows([2, 0])), head.embed(rows([2, 0])), rtol=2e-3)


def test_any_number_of_layers_is_restored_in_order() -> None:
    weights = tuple(np.full((1, 1), number, np.float32) for number in range(12))
    biases = tuple(np.full(1, -number, np.float32) for number in range(12))
    again = TanhNetwork.from_tensors(TanhNetwork(weights, biases).to_tensors())
    assert [float(weight[0, 0]) for weight in again.weights] == list(range(12))
    assert [float(bias[0]) for bias in again.biases] == [-number for number in range(12)]


def test_each_kind_has_a_different_name() -> None:
    kinds: list[type[RowEmbedder]] = [Identity, LinearHead, TanhNetwork]
    assert [kind.kind for kind in kinds] == ["identity", "linear", "tanh"]
