from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.codebook import Codebook
from udfs.embedding.fit_codebook import count_videos_by_word, fit_codebook

COMPASS = Codebook((np.eye(2, dtype=np.float32),), np.ones(2, np.float32))
EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


def draw_frames(num_frames: int = 600) -> np.ndarray:
    return np.random.default_rng(5).random((num_frames, 12)).astype(np.float16)


def videos(*frames: list[list[float]]) -> pd.DataFrame:
    return pd.DataFrame({"frame_descriptors": [np.array(rows, "<f2").tobytes() for rows in frames]})


def count(*batches: pd.DataFrame) -> list[tuple[int, int]]:
    (counts,) = count_videos_by_word(iter(batches), COMPASS)
    return list(counts.itertuples(index=False, name=None))


def test_one_word_is_the_mean_of_the_normalised_frames() -> None:
    frames = np.array([[3.0, 4.0, 1.0, 0.0], [5.0, 0.0, 0.0, 2.0], [0.0, 6.0, 0.0, 4.0]])
    first, second = fit_codebook(frames, (2, 2), 1).words
    np.testing.assert_allclose(first, [[1.6 / 3, 1.8 / 3]], rtol=1e-3)
    np.testing.assert_allclose(second, [[1 / 3, 2 / 3]], rtol=1e-3)


def test_with_one_word_per_distinct_frame_words_equal_frames() -> None:
    (words,) = fit_codebook(np.array([[3.0, 4.0], [5.0, 0.0], [0.0, 6.0]]), (2,), 3).words
    np.testing.assert_allclose(sorted(words.tolist()), [[0.0, 1.0], [0.6, 0.8], [1.0, 0.0]], rtol=1e-3)


@pytest.mark.parametrize(("block_dims", "shapes"), [((12,), [(9, 12)]), ((5, 7), [(9, 5), (9, 7)])])
def test_each_block_has_its_own_words_of_equal_weight(
    block_dims: tuple[int, ...], shapes: list[tuple[int, int]]
) -> None:
    codebook = fit_codebook(draw_frames(), block_dims, 9)
    assert [words.shape for words in codebook.words] == shapes
    assert codebook.idf.tolist() == [1.0] * (9 * len(shapes))


def test_the_result_is_deterministic_and_depends_on_the_seed() -> None:
    one, same, other = (fit_codebook(draw_frames(), (12,), 9, seed).words[0] for seed in (1, 1, 2))
    assert one.tobytes() == same.tobytes()
    assert one.tobytes() != other.tobytes()


def test_words_are_rounded_to_half_precision() -> None:
    (words,) = fit_codebook(draw_frames(), (12,), 9).words
    np.testing.assert_array_equal(words.astype(np.float16).astype(np.float32), words)


def test_words_are_closer_to_frames_than_random_frames_are() -> None:
    frames = draw_frames()
    unit = frames.astype(np.float64) / np.linalg.norm(frames.astype(np.float64), axis=1, keepdims=True)

    def distance(words: np.ndarray) -> float:
        return float(np.linalg.norm(unit[:, None] - words[None], axis=2).min(axis=1).mean())

    assert distance(fit_codebook(frames, (12,), 9).words[0]) < 0.9 * distance(unit[:9])


def test_fewer_frames_than_words_are_an_error() -> None:
    with pytest.raises(ValueError, match="9 words need at least as many frames, got 8"):
        fit_codebook(draw_frames(8), (12,), 9)


def test_block_lengths_that_do_not_add_up_are_an_error() -> None:
    with pytest.raises(ValueError, match="block_dims must add up to the descriptor length 12, got 11"):
        fit_codebook(draw_frames(), (5, 6), 9)


def test_a_word_is_counted_once_per_video() -> None:
    assert count(videos([EAST, EAST, NORTH], [EAST]), videos([EAST, EAST])) == [(0, 3), (1, 1)]


def test_words_without_videos_are_left_out() -> None:
    assert count(videos([NORTH])) == [(1, 1)]


def test_a_partition_without_videos_has_no_words() -> None:
    assert count() == []
