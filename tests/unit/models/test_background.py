from __future__ import annotations

import numpy as np
import pytest

from models.background import Background


def background(*frames: tuple[float, float], sources: tuple[int, ...] | None = None) -> Background:
    """Frames of two numbers, of one source each unless told."""
    numbers = range(len(frames)) if sources is None else sources
    return Background(np.float32(frames), np.array(numbers, np.int32))


def test_a_background_must_tell_the_source_of_each_of_its_frames() -> None:
    with pytest.raises(ValueError, match="background of 2 frames tells the sources of 1; it must tell one for each"):
        background((1, 0), (0, 1), sources=(7,))


def test_a_frame_is_held_against_the_three_nearest() -> None:
    held = background((1, 0), (0.6, 0.8), (0, 1), (-1, 0))
    assert held.measure(np.float32([[0.6, -0.8]])).tolist() == pytest.approx([(0.6 - 0.28 - 0.6) / 3])


def test_of_a_small_background_all_frames_are_taken() -> None:
    held = background((1, 0), (0.6, 0.8), sources=(0, 0))
    assert held.measure(np.float32([[0, 1], [-1, 0]])).tolist() == pytest.approx([0.4, -0.8])


def test_the_frames_of_hours_are_held_against_it_one_by_one() -> None:
    turns = np.linspace(0, 3, 1000)
    vectors = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    np.testing.assert_allclose(background((1, 0)).measure(vectors), np.cos(turns), atol=1e-6)


def test_a_video_of_the_training_is_not_held_against_its_own_footage() -> None:
    held = background((1, 0), (0.8, 0.6), (0, 1), (0, -1), (0, -1), sources=(7, 7, 8, 9, 9))
    shown = np.float32([[1, 0], [0.8, 0.6]])
    assert held.measure(shown).tolist() == pytest.approx([0.0, (0.6 - 0.6 - 0.6) / 3])
    assert Background(held.vectors[:2], held.sources[:2]).measure(shown).tolist() == [0.0, 0.0]


def test_a_video_that_looks_like_a_source_only_now_and_then_is_held_against_it() -> None:
    held = background((1, 0), (1, 0), (1, 0), (0, 1), sources=(7, 7, 7, 8))
    shown = np.float32([[1, 0], [0.48, 0.8772685]])  # .74 on average
    assert held.measure(shown)[0] == pytest.approx(1.0)
    closer = np.float32([[1, 0], [0.52, 0.8541663]])  # .76: it shows source 7
    assert held.measure(closer)[0] == pytest.approx(0.0)


def test_a_flat_picture_is_held_against_a_source_that_begins_in_black() -> None:
    # one frame of eight is black: the source is .125 alike on average
    held = background((1, 0), *[(0, 1)] * 7, sources=(7,) * 8)
    assert held.measure(np.float32([[1, 0], [1, 0]])).tolist() == pytest.approx([1 / 3, 1 / 3])
