from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from udfs.verifying.features import Segment, VideoFeatures


def make_features(**changes: Any) -> VideoFeatures:
    """Three frames, one per second, with some arguments replaced."""
    arguments: dict[str, Any] = {
        "vectors": np.eye(3, dtype=np.float32),
        "seconds": np.arange(3.0),
        "backgrounds": np.zeros(3, np.float32),
        "duration_seconds": 3.0,
    }
    return VideoFeatures(**(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vectors": np.ones(3, np.float32)}, r"shape \(n, dim\) with n >= 1, got \(3,\)"),
        ({"vectors": np.ones((0, 3), np.float32)}, r"shape \(n, dim\) with n >= 1, got \(0, 3\)"),
        ({"vectors": np.eye(3)}, r"vectors must be float32 of shape \(3, 3\), got float64"),
        ({"seconds": np.arange(2.0)}, r"seconds must be float64 of shape \(3,\), got float64 of shape \(2,\)"),
        ({"seconds": np.arange(3, dtype=np.float32)}, "seconds must be float64"),
        ({"seconds": np.array([0.0, 2.0, 1.0])}, "seconds must be ascending, got"),
        ({"backgrounds": np.zeros((3, 1), np.float32)}, r"backgrounds must be float32 of shape \(3,\)"),
        ({"backgrounds": np.zeros(3)}, "backgrounds must be float32"),
        ({"known_content": Segment(1.0, 3.5)}, r"known_content must be a part of the 3\.0 s of the video, got Segment"),
        ({"known_content": Segment(-0.5, 3.0)}, "known_content must be a part of"),
        ({"known_content": Segment(2.0, 1.0)}, "known_content must be a part of"),
    ],
)
def test_a_wrong_shape_dtype_or_order_is_an_error(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_features(**changes)


def test_equal_seconds_are_accepted() -> None:
    assert make_features(seconds=np.zeros(3)).frame_interval_seconds == 1.0


def test_all_of_a_video_is_content_unless_it_is_known() -> None:
    assert make_features().content == (0.0, 3.0)
    assert make_features(known_content=Segment(1.0, 2.5)).content == (1.0, 2.5)


def test_similar_frames_share_one_weight() -> None:
    similar = np.float32([[0.9, (1 - 0.81) ** 0.5, 0.0], [1, 0, 0], [0, 0, 1]])
    assert make_features(vectors=similar).weights.tolist() == [0.5, 0.5, 1.0]
    different = np.float32([[0.7, (1 - 0.49) ** 0.5, 0.0], [1, 0, 0], [0, 0, 1]])
    assert make_features(vectors=different).weights.tolist() == [1.0, 1.0, 1.0]


def test_a_video_of_2000_frames_is_not_thinned() -> None:
    def thin(count: int) -> tuple[VideoFeatures, VideoFeatures]:
        vectors, backgrounds = np.zeros((count, 1), dtype=np.float32), np.zeros(count, np.float32)
        video = VideoFeatures(vectors, np.arange(float(count)), backgrounds, float(count))
        return video, video.thin()

    video, thinned = thin(2000)
    assert thinned is video
    assert len(thin(2001)[1].vectors) == 1001
