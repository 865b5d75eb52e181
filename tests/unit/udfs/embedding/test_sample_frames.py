from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from udfs.embedding.sample_frames import choose_frames, sample_frames


def sample(num_frames: int, frames_per_video: int) -> list[float]:
    """Sample a video whose frame number i is (i, i). Return the numbers of the sampled frames."""
    frames = np.repeat(np.arange(num_frames, dtype="<f2"), 2)
    rows = pd.DataFrame({"video_id": ["a"], "frame_descriptors": [frames.tobytes()]})
    (sampled,) = sample_frames(iter([rows]), frames_per_video, dim=2)
    return np.frombuffer(sampled["frames"][0], dtype="<f2").reshape(-1, 2)[:, 0].tolist()


def test_frames_are_evenly_spaced_from_the_first_to_the_last() -> None:
    assert sample(num_frames=9, frames_per_video=3) == [0.0, 4.0, 8.0]


def test_a_short_video_is_sampled_completely() -> None:
    assert sample(num_frames=3, frames_per_video=8) == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(("num_frames", "middle"), [(1, 0), (2, 1), (9, 4)])
def test_a_single_sampled_frame_is_the_middle_one(num_frames: int, middle: int) -> None:
    assert choose_frames(num_frames, 1).tolist() == [middle]


def test_each_video_of_each_batch_is_sampled() -> None:
    one, two = np.ones((1, 2), "<f2").tobytes(), np.full((2, 2), 2, "<f2").tobytes()
    batches = [
        pd.DataFrame({"video_id": ["a", "b"], "frame_descriptors": [one, two]}),
        pd.DataFrame({"video_id": ["c"], "frame_descriptors": [one]}),
    ]
    sampled = pd.concat(sample_frames(iter(batches), 5, dim=2))
    assert sampled["video_id"].tolist() == ["a", "b", "c"]
    assert sampled["frames"].tolist() == [one, two, one]
