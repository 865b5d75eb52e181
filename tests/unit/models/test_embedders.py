"""What runs of a trained model, on numbers that can be followed by hand."""

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


def test_a_linear_head_standardises_then_subtracts_the_mean_then_projects_then_divides_by_the_norm() -> None:
    # (HALF, -HALF) less (0, -HALF) is (HALF, 0), which becomes (3, 4) HALF
    vectors = LINEAR.embed(rows([2, 0]))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[0.6, 0.8]], rtol=1e-6)


def test_a_frames_brightness_and_contrast_do_not_matter() -> None:
    np.testing.assert_allclose(LINEAR.embed(rows([20, 10])), [[0.6, 0.8]], rtol=1e-6)


def test_a_descriptor_that_is_the_mean_becomes_zeros() -> None:
    # (1, 1, -1, -1) standardised is (.5, .5, -.5, -.5), without any rounding
    head = LinearHead(np.array([0.5, 0.5, -0.5, -0.5], np.float32), np.eye(4, dtype=np.float32))
    assert head.embed(rows([1, 1, -1, -1])).tolist() == [[0.0, 0.0, 0.0, 0.0]]


def test_the_network_applies_tanh_after_every_layer_the_last_included() -> None:
    first = math.tanh(1), math.tanh(0.5)
    second = np.array([math.tanh(first[0]), math.tanh(first[1] + 0.25)])
    np.testing.assert_allclose(TANH.embed(rows([2, 0])), [second / np.linalg.norm(second)], rtol=1e-6)


def test_the_identity_gives_the_standardised_descriptor() -> None:
    np.testing.assert_allclose(Identity().embed(rows([2, 1, 0])), [[HALF, 0, -HALF]], rtol=1e-6)
    assert Identity().to_tensors() == {}


def test_a_video_is_the_normalised_mean_of_its_frames_unit_vectors() -> None:
    # (1, -1, 0) and (1, 0, -1), both over the root of 2, add up to (2, -1, -1): the frame of more contrast is no louder
    vector = Identity().embed_video(rows([1, -1, 0], [9, 0, -9]))
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, np.array([2, -1, -1]) / math.sqrt(6), rtol=1e-6)


def test_a_video_of_one_row_is_that_row() -> None:
    np.testing.assert_array_equal(LINEAR.embed_video(rows([2, 0])), LINEAR.embed(rows([2, 0]))[0])


def test_frames_that_cancel_out_leave_a_vector_of_zeros() -> None:
    assert Identity().embed_video(rows([2, 0], [0, 2])).tolist() == [0.0, 0.0]


def test_more_rows_than_a_chunk_are_embedded_each_as_if_alone() -> None:
    head = draw_head()
    many = np.random.default_rng(1).normal(size=(600, 6)).astype(np.float16)
    vectors = head.embed(many)
    assert vectors.shape == (600, 3)
    for place in (0, 255, 256, 511, 512, 599):
        np.testing.assert_allclose(vectors[place], head.embed(many[[place]])[0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("head", [LINEAR, TANH], ids=["linear", "tanh"])
def test_an_artefact_gives_back_the_head_at_half_precision(head: LinearHead | TanhNetwork) -> None:
    card = ModelCard("whitened", head.kind, "tiny", "early", 2, "none", {}, {})
    tensors, _ = unpack_artefact(pack_artefact(head.to_tensors(), card))
    again = type(head).from_tensors(tensors)
    assert {array.dtype.name for array in again.to_tensors().values()} == {"float32"}
    np.testing.assert_allclose(again.embed(rows([2, 0])), head.embed(rows([2, 0])), rtol=2e-3)


def test_layers_come_back_in_their_order_however_many_there_are() -> None:
    weights = tuple(np.full((1, 1), number, np.float32) for number in range(12))
    biases = tuple(np.full(1, -number, np.float32) for number in range(12))
    again = TanhNetwork.from_tensors(TanhNetwork(weights, biases).to_tensors())
    assert [float(weight[0, 0]) for weight in again.weights] == list(range(12))
    assert [float(bias[0]) for bias in again.biases] == [-number for number in range(12)]


def test_each_kind_has_a_name_of_its_own() -> None:
    kinds: list[type[RowEmbedder]] = [Identity, LinearHead, TanhNetwork]
    assert [kind.kind for kind in kinds] == ["identity", "linear", "tanh"]
