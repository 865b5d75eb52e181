"""What holds of bags of words whatever the frames."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.codebook import Codebook, cosine_similarity, euclidean_similarity


def draw_codebook(chance: np.random.Generator) -> Codebook:
    """Two layers of 4 and 3 numbers with 5 words each, all words of some weight."""
    words = tuple(chance.random((5, dim)).astype(np.float32) for dim in (4, 3))
    return Codebook(words, (0.1 + chance.random(10)).astype(np.float32))


@given(st.integers(1, 40), st.integers(0, 999))
def test_a_vector_is_of_unit_norm_and_not_zero_just_where_a_frame_has_voted(num_frames: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    codebook, frames = draw_codebook(chance), chance.random((num_frames, 7)).astype(np.float16)
    vector = codebook.embed_video(frames)
    assert set(np.flatnonzero(vector)) == set(codebook.find_words(frames).ravel())
    np.testing.assert_allclose(np.linalg.norm(vector), 1.0, rtol=1e-6)


@given(st.integers(1, 40), st.integers(0, 999))
def test_the_order_of_the_frames_does_not_matter(num_frames: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    codebook, frames = draw_codebook(chance), chance.random((num_frames, 7)).astype(np.float16)
    np.testing.assert_array_equal(codebook.embed_video(chance.permutation(frames)), codebook.embed_video(frames))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 999))
def test_both_similarities_of_unit_vectors_put_pairs_in_one_order(n: int, m: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n + m, 6))
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    by_angle = cosine_similarity(unit[:n], unit[n:]).ravel()
    by_distance = euclidean_similarity(unit[:n], unit[n:]).ravel()
    assert (np.diff(by_distance[np.argsort(by_angle)]) >= 0).all()
    assert ((by_distance >= 0) & (by_distance <= 1)).all()
