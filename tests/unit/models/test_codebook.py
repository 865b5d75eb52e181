"""Words, weights and similarities of a bag of visual words, with values that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.artefact import ModelCard, pack_artefact, unpack_artefact
from models.codebook import Codebook, cosine_similarity, euclidean_similarity, normalise_blocks
from models.embedding_models import Method, find_model
from models.registry import get_backbone

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]
COMPASS = np.array([EAST, NORTH], np.float32)
# Words 0 and 1 of a whole descriptor of two values. Word 1 has twice the weight.
VECTOR = Codebook((COMPASS,), np.array([1.0, 2.0], np.float32))
# Two layers: words 0 and 1 of the first two values, words 2, 3 and 4 of the last value.
LAYERS = Codebook((COMPASS, np.array([[0.5], [1.0], [1.0]], np.float32)), np.ones(5, np.float32))


def frames(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float16)


def test_a_frame_is_assigned_to_the_nearest_word() -> None:
    found = VECTOR.find_words(frames([0.9, 0.1], [0.2, 0.3], [0.5, 0.1]))
    assert found.tolist() == [[0], [1], [0]]
    assert found.dtype == np.int64


def test_the_nearest_word_is_by_distance_and_not_by_angle() -> None:
    long_and_short = Codebook((np.array([[0.9, 0.3], [0.2, 0.2]], np.float32),), np.ones(2, np.float32))
    assert long_and_short.find_words(frames([1.0, 0.8])).tolist() == [[0]]  # by angle it would be word 1


def test_a_frame_has_one_word_per_layer_and_the_first_among_equal_distances() -> None:
    assert LAYERS.find_words(frames([0.1, 0.9, 7.0])).tolist() == [[1, 3]]


def test_each_block_of_a_descriptor_is_normalised_separately() -> None:
    first, second = normalise_blocks(frames([3.0, 4.0, 5.0], [0.0, 0.0, 2.0]), (2, 1))
    np.testing.assert_allclose(first, [[0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(second, [[1.0], [1.0]])


def test_a_videos_vector_is_tf_times_idf_at_unit_norm() -> None:
    vector = VECTOR.embed_video(frames(EAST, EAST, EAST, NORTH))
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, np.array([0.75, 0.5]) / np.hypot(0.75, 0.5), rtol=1e-6)


def test_histograms_of_layers_are_concatenated() -> None:
    vector = LAYERS.embed_video(frames([1.0, 0.0, 1.0], [0.0, 1.0, 1.0]))
    np.testing.assert_allclose(vector, np.array([0.5, 0.5, 0.0, 1.0, 0.0]) / np.sqrt(1.5), rtol=1e-6)


def test_repeating_all_frames_does_not_change_the_vector() -> None:
    video = frames(EAST, NORTH, NORTH)
    np.testing.assert_array_equal(VECTOR.embed_video(np.repeat(video, 2, axis=0)), VECTOR.embed_video(video))


def test_a_video_of_many_frames_is_processed_in_chunks() -> None:
    video = np.repeat(frames(EAST, NORTH), [600, 300], axis=0)
    np.testing.assert_allclose(VECTOR.embed_video(video), np.array([1.0, 1.0]) / np.sqrt(2), rtol=1e-6)


def test_weights_are_the_logarithm_of_the_inverse_fraction_of_videos() -> None:
    weighed = LAYERS.weigh(np.array([1, 2, 4, 8, 0]), 8)
    np.testing.assert_allclose(weighed.idf, np.log([8, 4, 2, 1, 8]), rtol=1e-6)
    assert weighed.words is LAYERS.words


def test_a_video_of_words_that_all_videos_have_has_a_zero_vector() -> None:
    assert VECTOR.weigh(np.array([3, 1]), 3).embed_video(frames(EAST)).tolist() == [0.0, 0.0]


def test_the_codebook_is_restored_from_its_tensors() -> None:
    card = ModelCard("bow_layer", Codebook.kind, "tiny", "late", 5, "none", {}, {})
    tensors, stored = unpack_artefact(pack_artefact(LAYERS.to_tensors(), card))
    codebook = Codebook.from_tensors(tensors)
    assert stored.kind == "codebook"
    assert codebook.block_dims == (2, 1)
    assert [words.dtype for words in codebook.words] == [np.float32, np.float32]
    for ours, theirs in zip((*LAYERS.words, LAYERS.idf), (*codebook.words, codebook.idf), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("method", [Method.BOW_VECTOR, Method.BOW_LAYER])
def test_the_error_without_a_codebook_names_the_command_that_trains_one(method: str) -> None:
    with pytest.raises(
        ValueError, match=rf"no {method} model is shipped for backbone 'tiny': train one with `ndvr train-codebook"
    ):
        find_model(method, get_backbone("tiny").name, "tiny-1fps-0")


def test_the_cosine_similarity_is_the_dot_product_of_unit_vectors() -> None:
    similarities = cosine_similarity(COMPASS, np.array([[0.6, 0.8]], np.float32))
    np.testing.assert_allclose(similarities, [[0.6], [0.8]], rtol=1e-6)
    assert similarities.dtype == np.float64


def test_the_euclidean_similarity_is_relative_to_the_largest_distance() -> None:
    points = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], np.float32)
    np.testing.assert_array_equal(euclidean_similarity(points[:1], points), [[1.0, 0.0, 0.8]])


def test_the_euclidean_similarity_of_equal_vectors_is_1() -> None:
    np.testing.assert_array_equal(euclidean_similarity(COMPASS[:1], COMPASS[[0, 0]]), [[1.0, 1.0]])
