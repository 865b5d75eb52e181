from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from udfs.embedding.sample import choose_frames, sample_frames


def sampled(num_frames: int, frames_per_video: int) -> list[float]:
    """Sample a video whose frame number i is (i, i) and return the numbers taken."""
    frames = np.repeat(np.arange(num_frames, dtype="<f2"), 2)
    rows = pd.DataFrame({"video_id": ["a"], "frame_descriptors": [frames.tobytes()]})
    (taken,) = sample_frames(iter([rows]), frames_per_video, dim=2)
    return np.frombuffer(taken["frames"][0], dtype="<f2").reshape(-1, 2)[:, 0].tolist()


def test_frames_are_taken_evenly_from_the_first_to_the_last() -> None:
    assert sampled(num_frames=9, frames_per_video=3) == [0.0, 4.0, 8.0]


def test_all_frames_are_taken_where_there_are_no_more() -> None:
    assert sampled(num_frames=3, frames_per_video=8) == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(("num_frames", "middle"), [(1, 0), (2, 1), (9, 4)])
def test_one_frame_alone_is_the_middle_one(num_frames: int, middle: int) -> None:
    assert choose_frames(num_frames, 1).tolist() == [middle]


def test_every_video_of_every_batch_gives_its_own_frames() -> None:
    one, two = np.ones((1, 2), "<f2").tobytes(), np.full((2, 2), 2, "<f2").tobytes()
    batches = [
        pd.DataFrame({"video_id": ["a", "b"], "frame_descriptors": [one, two]}),
        pd.DataFrame({"video_id": ["c"], "frame_descriptors": [one]}),
    ]
    taken = pd.concat(sample_frames(iter(batches), 5, dim=2))
    assert taken["video_id"].tolist() == ["a", "b", "c"]
    assert taken["frames"].tolist() == [one, two, one]
