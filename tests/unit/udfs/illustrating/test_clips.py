from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pandas as pd
import pytest

from tests.support.videos import make_video, read_number
from udfs.decoding.settings import DecoderSettings
from udfs.describing.describe import get_worker_pool
from udfs.describing.settings import DescribeSettings
from udfs.illustrating.clips import CLIP_FPS, ClipEncoder, choose_clip_times, cut_clips
from udfs.opening.roots import Roots

if TYPE_CHECKING:
    from pathlib import Path


def open_clip(clip: bytes) -> tuple[float, list[np.ndarray]]:
    """Return the frame rate of a clip and its frames, RGB."""
    with av.open(io.BytesIO(clip)) as container:
        stream = container.streams.video[0]
        assert container.format.name == "matroska,webm"
        assert stream.codec_context.name == "vp8"
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return float(stream.average_rate or 0), frames


def test_both_clips_have_matched_frames_whatever_the_speed() -> None:
    times = choose_clip_times((2.0, 3.0, 10.0, 12.0))
    assert times is not None
    assert len(times.left_seconds) == len(times.right_seconds) == CLIP_FPS
    assert times.left_seconds[:3] == [2.0, 2.083, 2.167]
    assert times.right_seconds[:3] == [10.0, 10.167, 10.333]


def test_a_clip_is_the_middle_of_a_long_segment() -> None:
    times = choose_clip_times((0.0, 100.0, 50.0, 150.0))
    assert times is not None
    assert (times.left_seconds[0], times.right_seconds[0]) == (47.0, 97.0)
    assert len(times.left_seconds) == 72


@pytest.mark.parametrize("segment", [(1.0, 1.0, 5.0, 5.0), (0.0, 0.1, 0.0, 0.1)])
def test_a_segment_without_two_frames_has_no_clip(segment: tuple[float, ...]) -> None:
    assert choose_clip_times(segment) is None


def test_a_frame_is_repeated_at_each_time_that_is_nearest_to_it() -> None:
    encoder = ClipEncoder([0.0, 0.1, 0.2, 0.3, 0.4])
    for second, grey in ((0.0, 40), (0.25, 220)):
        encoder.add(second, np.full((48, 64, 3), grey, np.uint8))
    clip = encoder.finish()
    assert clip is not None
    fps, frames = open_clip(clip)
    assert fps == CLIP_FPS
    assert [bool(frame.mean() > 128) for frame in frames] == [False, False, True, True, True]


def test_no_frames_make_no_clip() -> None:
    assert ClipEncoder([0.0]).finish() is None


@pytest.mark.parametrize(
    ("size", "expected"), [((101, 75), (100, 74)), ((1080, 1920), (480, 852)), ((640, 480), (640, 480))]
)
def test_a_clip_is_480p_with_even_sides(size: tuple[int, int], expected: tuple[int, int]) -> None:
    encoder = ClipEncoder([0.0, 0.1])
    encoder.add(0.0, np.full((size[1], size[0], 3), 90, np.uint8))
    clip = encoder.finish()
    assert clip is not None
    assert encoder.size_px == expected
    assert open_clip(clip)[1][0].shape == (expected[1], expected[0], 3)


def test_clips_show_the_frames_at_the_requested_times_and_a_missing_file_is_an_error(tmp_path: Path) -> None:
    settings = DescribeSettings(Roots.of(str(tmp_path)), DecoderSettings(96))
    video = make_video(tmp_path / "a.mp4")
    rows: list[dict[str, Any]] = [
        {"clip_id": "0-left", "uri": str(video), "seconds": [0.5, 0.6, 0.7, 0.8], "longer_px": 96},
        {"clip_id": "0-right", "uri": str(tmp_path / "gone.mp4"), "seconds": [0.5, 0.6], "longer_px": 96},
    ]
    made = {
        row["clip_id"]: row for row in pd.concat(cut_clips(iter([pd.DataFrame(rows)]), settings)).to_dict("records")
    }
    get_worker_pool.cache_clear()
    _, frames = open_clip(made["0-left"]["clip"])
    assert [read_number(frame) for frame in frames] == [5, 6, 7, 8]
    assert frames[0].shape == (64, 96, 3)  # not enlarged
    assert (made["0-left"]["width_px"], made["0-left"]["height_px"]) == (96, 64)
    assert (made["0-right"]["clip"], made["0-right"]["error_code"]) == (None, "NOT_FOUND")
