from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from models.embedding_models import EmbeddingModel
from udfs.embed import embed_batches, sample_frames

AVERAGED = EmbeddingModel("averaged-x", "x", "averaged", None, None)


def batch(*rows: tuple[str, list[float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["video_id", "video_descriptor"])
    frame["video_descriptor"] = [np.array(vector, dtype=np.float32) for vector in frame["video_descriptor"]]
    return frame.assign(segment_index=0)


def test_descriptors_become_unit_vectors_row_by_row_in_order() -> None:
    (embedded,) = embed_batches(iter([batch(("b", [3.0, 4.0]), ("a", [0.0, -2.0]))]), AVERAGED)
    assert list(embedded.columns) == ["video_id", "segment_index", "vector"]
    assert embedded["video_id"].tolist() == ["b", "a"]
    assert embedded["vector"][0].tolist() == pytest.approx([0.6, 0.8])
    assert embedded["vector"][1].tolist() == [0.0, -1.0]
    assert embedded["vector"][0].dtype == np.float32


def test_every_batch_is_embedded_and_empty_ones_are_passed_over() -> None:
    batches = [batch(("a", [1.0, 0.0])), batch(), batch(("b", [0.0, 1.0]))]
    assert [frame["video_id"].tolist() for frame in embed_batches(iter(batches), AVERAGED)] == [["a"], ["b"]]


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
