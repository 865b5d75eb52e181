"""Parts of a video that share no footage, and whether two of them can be told apart."""

from __future__ import annotations

import numpy as np
import pytest

from udfs.describing.takes import are_inseparable, choose_longest, count_twins, split_video


@pytest.mark.parametrize(
    ("seconds", "bounds"),
    [
        (8.99, []),
        (9.0, [(0.0, 4.0), (4.5, 8.5)]),
        (13.5, [(0.0, 4.0), (4.5, 8.5), (9.0, 13.0)]),
        (20.0, [(0.0, 4.5), (5.0, 9.5), (10.0, 14.5), (15.0, 19.5)]),
        (200.0, [(0.0, 12.0), (50.0, 62.0), (100.0, 112.0), (150.0, 162.0)]),
    ],
)
def test_a_video_of_9_s_is_cut_into_two_to_four_parts_with_gaps(
    seconds: float, bounds: list[tuple[float, float]]
) -> None:
    assert [part.bounds(seconds) for part in split_video(seconds)] == bounds


def test_a_part_is_named_by_its_number() -> None:
    assert [part.name for part in split_video(14.0)] == ["take-1-of-3", "take-2-of-3", "take-3-of-3"]


def test_the_longest_video_of_each_source_is_chosen() -> None:
    videos = [("a", "s1", 8.9), ("d", "s2", 30.0), ("b", "s2", 9.0), ("c", "s2", 30.0), ("e", "s3", 9.0)]
    assert choose_longest(videos) == {"s2": "c", "s3": "e"}


def test_frames_are_twins_if_no_block_differs_visibly() -> None:
    left = np.full((4, 128, 128), 100, np.float32)
    noisy = left + np.random.default_rng(0).normal(0, 5, left.shape).astype(np.float32)
    assert count_twins(left, noisy) == 1
    moved = left.copy()
    moved[:3, 40:48, 64:72] += 30  # in three of four frames, something the size of a block has appeared
    assert count_twins(left, moved) == 1, "each left frame has the fourth right frame as its twin"
    assert count_twins(left, moved[:3]) == 0


def test_parts_are_inseparable_if_half_of_the_frames_of_one_have_a_twin() -> None:
    greys = np.arange(0, 240, 10, dtype=np.uint8)
    left = np.repeat(greys[:4], 128 * 128).reshape(4, 128, 128)
    right = np.repeat(greys[[0, 1, 10, 11, 12, 13]], 128 * 128).reshape(6, 128, 128)
    assert are_inseparable(left, right)
    assert are_inseparable(right, left)
    assert not are_inseparable(left, right[1:])
