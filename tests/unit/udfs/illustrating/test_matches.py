from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tests.support.videos import draw_picture
from udfs.embedding.embed import pack_vectors
from udfs.illustrating.matches import Chosen, choose_frames, match_batches
from udfs.illustrating.pictures import Moments


def test_the_thumbnails_nearest_to_the_moments_are_chosen_with_their_own_times() -> None:
    moments = Moments((0.4, 1.6, 2.9), (10.4, 11.6, 12.9))
    left, right = choose_frames(moments, [0.0, 1.0, 2.0, 3.0], np.arange(20.0))
    assert left == Chosen([0.0, 2.0, 3.0], [0, 2, 3])
    assert right == Chosen([10.0, 12.0, 13.0], [10, 12, 13])


def test_a_video_without_thumbnails_follows_the_times_of_the_other() -> None:
    moments = Moments((0.4, 1.6), (0.2, 11.4))
    assert choose_frames(moments, [0.0, 2.0], None) == (Chosen([0.0, 2.0], [0, 1]), Chosen([0.0, 11.8], None))
    assert choose_frames(moments, None, [0.0, 11.0]) == (Chosen([0.2, 1.2], None), Chosen([0.0, 11.0], [0, 1]))
    assert choose_frames(moments, [], None) == (Chosen([0.4, 1.6], None), Chosen([0.2, 11.4], None))


def test_moments_that_would_show_the_same_thumbnails_are_shown_once() -> None:
    moments = Moments((2.1, 2.3, 2.6, 0.1), (5.1, 5.3, 5.6, 3.1))
    left, right = choose_frames(moments, np.arange(4.0), np.arange(9.0))
    assert (left.numbers, right.numbers) == ([2, 3, 0], [5, 6, 3])


def test_a_thumbnail_of_one_side_may_be_shown_beside_several_of_the_other() -> None:
    left, right = choose_frames(Moments((0.0, 0.5, 1.0), (0.0, 0.5, 1.0)), [0.0, 0.5, 1.0], [0.0, 1.0])
    assert (left.numbers, right.numbers) == ([0, 1, 2], [0, 0, 1])


def make_row(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"number": 7}
    for side in ("left", "right"):
        row |= {f"{side}_duration_seconds": 2.0, f"{side}_start_seconds": 0.0, f"{side}_end_seconds": 2.0}
        names = ("frame_seconds", "frame_vectors", "frame_backgrounds", "thumbnail_seconds")
        row |= dict.fromkeys(f"{side}_{name}" for name in names)
    return row | changes


def match(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    matched = pd.concat(match_batches(iter([pd.DataFrame(rows)]), num_moments=4))
    return [{str(name): value for name, value in row.items()} for row in matched.to_dict("records")]


def test_without_stored_frames_the_bounds_decide_which_moments_match() -> None:
    (row,) = match(make_row(right_start_seconds=1.0, right_end_seconds=3.0, left_thumbnail_seconds=np.arange(3.0)))
    assert (row["number"], row["match"]) == (7, None)
    assert row["segments"] == [[0.0, 2.0, 1.0, 3.0]]
    assert (row["left_seconds"], row["right_seconds"]) == ([0.0, 1.0, 2.0], [1.0, 2.0, 3.0])
    assert (row["left_numbers"], row["right_numbers"]) == ([0, 1, 2], None)


def test_stored_frames_decide_which_moments_match() -> None:
    vectors = np.array([draw_picture(n, (24, 16)).ravel() for n in range(30)], dtype=np.float32)
    vectors -= vectors.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    seconds = np.arange(30) / 10
    frames = {}
    for side, begin, end in (("left", 0, 20), ("right", 0, 30)):
        frames |= {
            f"{side}_frame_seconds": seconds[begin:end],
            f"{side}_frame_vectors": pack_vectors(vectors[begin:end]),
            f"{side}_frame_backgrounds": np.zeros(end - begin, np.float32),
        }
    (row,) = match(make_row(right_duration_seconds=3.0, right_end_seconds=3.0, **frames))
    assert np.abs(np.array(row["left_seconds"]) - row["right_seconds"]).max() <= 0.1
    assert row["match"][:4] == b"RIFF"


def test_no_pairs_yield_no_rows() -> None:
    assert list(match_batches(iter([pd.DataFrame()]), num_moments=4)) == []
