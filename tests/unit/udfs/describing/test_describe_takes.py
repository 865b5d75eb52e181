"""Takes of videos: cut while they are decoded, edited, and described by the smallest network."""

from __future__ import annotations

import re
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from tests.support.videos import make_video, read_number
from udfs.decoding.pool import DecoderPool
from udfs.decoding.settings import DecoderSettings
from udfs.describing.describe_takes import TAKES_DDL, TakeCutter, TakeSettings, describe_takes
from udfs.describing.settings import DescribeSettings
from udfs.describing.thumbnails import crop_padding
from udfs.errors import RowError, RowErrorCode
from udfs.opening.roots import Roots
from udfs.video import (
    DecodeEvent,
    DecodeLimits,
    FrameChunk,
    SamplingRule,
    VideoDone,
    VideoFacts,
    VideoFailed,
    VideoRestarted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SECONDS, FPS = 9.2, 10
FACTS = VideoFacts(1000, "f" * 64, "mov", "h264", 64, 48, 0, SECONDS, FPS, 92, "decord")
FAILED = VideoFailed("v", RowError(RowErrorCode.CORRUPT, "damaged"))
KEY = ["parent_id", "part", "copy_index"]


def make_settings(folder: str = "/v", sampling: SamplingRule | None = None, seed: int = 0) -> TakeSettings:
    decoder = DecoderSettings(64, sampling or SamplingRule(), DecodeLimits(stall_timeout_seconds=30.0))
    describe = DescribeSettings(Roots.of(folder), decoder, backbone="tiny", precision="fp32")
    return TakeSettings(describe, seed)


def draw_frame(number: int) -> NDArray[np.uint8]:
    """A picture of 64 x 48 px in its square. Its grey level is its number; the left half is black."""
    square = np.zeros((64, 64, 3), np.uint8)
    square[8:56, 32:] = number
    return square


def play(numbers: range = range(92)) -> list[DecodeEvent]:
    """The events of the video v: a chunk per frame."""
    return [FrameChunk("v", np.array([n / FPS]), draw_frame(n)[None], (64, 48)) for n in numbers]


def cut(*events: DecodeEvent, settings: TakeSettings | None = None) -> tuple[TakeCutter, list[DecodeEvent]]:
    cutter = TakeCutter({"v": SECONDS}, settings or make_settings())
    return cutter, list(cutter.cut(events))


def show(events: list[DecodeEvent], take_id: str) -> dict[float, int]:
    """Return the times of an unedited copy's frames, and their numbers."""
    chunks = [event for event in events if isinstance(event, FrameChunk) and event.video_id == take_id]
    return {round(float(chunk.frame_seconds[0]), 6): int(crop_padding(chunk)[0, 24, 48, 0]) for chunk in chunks}


def test_the_unedited_parts_show_their_own_frames_at_the_sampling_of_nights() -> None:
    _, events = cut(*play(), VideoDone("v", FACTS))
    # Each part has 4.1 s, so it is sampled in 8 steps of .5125 s: the first frame at or after each.
    expected = {0.0: 0, 0.6: 6, 1.1: 11, 1.6: 16, 2.1: 21, 2.6: 26, 3.1: 31, 3.6: 36}
    assert show(events, "v#take-1-of-2-copy-0") == expected
    assert show(events, "v#take-2-of-2-copy-0") == {seconds: 46 + number for seconds, number in expected.items()}


def test_no_copy_shows_a_frame_of_the_gap_or_of_another_part() -> None:
    cutter, events = cut(*play(), VideoDone("v", FACTS))
    for event in events:
        if isinstance(event, FrameChunk):
            copy = cutter.copies[event.video_id]
            seconds = copy.start_seconds + float(event.frame_seconds[0])
            start, end = ((0.0, 4.1), (4.6, 8.7))[copy.part.number - 1]
            assert start <= seconds < end


def test_each_part_has_an_unedited_copy_and_two_edited_ones_of_which_one_is_trimmed() -> None:
    cutter, _ = cut(*play(), VideoDone("v", FACTS))
    copies = list(cutter.copies.values())
    assert [(copy.part.number, copy.copy_index) for copy in copies] == [(p, c) for p in (1, 2) for c in (0, 1, 2)]
    assert [len(copy.edits) > 0 for copy in copies] == [False, True, True] * 2
    starts = [copy.start_seconds for copy in copies]
    assert starts[0:2] == [0.0, 0.0]
    assert starts[3:5] == [4.6, 4.6]
    assert 0.0 < starts[2] < 4.1 / 8
    assert 4.6 < starts[5] < 4.6 + 4.1 / 8


def test_the_edits_and_their_strengths_are_the_same_in_all_frames_of_a_copy() -> None:
    """All frames of the video are equal here, so all frames of each copy must be."""
    still = [FrameChunk("v", np.array([n / FPS]), draw_frame(99)[None], (64, 48)) for n in range(92)]
    cutter, events = cut(*still, VideoDone("v", FACTS))
    frames: dict[str, set[bytes]] = {}
    for event in events:
        if isinstance(event, FrameChunk):
            frames.setdefault(event.video_id, set()).add(event.frames.tobytes())
    assert set(frames) == set(cutter.copies)
    assert {len(different) for different in frames.values()} == {1}


def test_no_edit_shows_other_footage() -> None:
    for seed in range(40):
        cutter, _ = cut(*play(range(1)), settings=make_settings(seed=seed))
        assert not [name for copy in cutter.copies.values() for name in copy.edits if "other" in name]


def test_the_facts_are_those_of_the_copy_and_no_two_have_the_same_content() -> None:
    _, events = cut(*play(), VideoDone("v", FACTS))
    done = {event.video_id: event.facts for event in events if isinstance(event, VideoDone)}
    assert len({facts.content_sha256 for facts in done.values()} | {FACTS.content_sha256}) == 7
    first = done["v#take-1-of-2-copy-0"]
    assert (first.duration_seconds, first.num_frames) == (pytest.approx(4.1), 41)
    assert done["v#take-1-of-2-copy-2"].duration_seconds < 4.1


def test_a_restart_discards_the_frames_so_far() -> None:
    _, expected = cut(*play(), VideoDone("v", FACTS))
    _, events = cut(*play(range(60)), VideoRestarted("v"), *play(), VideoDone("v", FACTS))
    restarts = [place for place, event in enumerate(events) if isinstance(event, VideoRestarted)]
    assert {events[place].video_id for place in restarts} == {event.video_id for event in expected}
    assert [type(event) for event in events[restarts[-1] + 1 :]] == [type(event) for event in expected]
    assert show(events[restarts[-1] + 1 :], "v#take-2-of-2-copy-0") == show(expected, "v#take-2-of-2-copy-0")


def test_a_failure_in_the_second_part_discards_both() -> None:
    _, events = cut(*play(range(60)), FAILED)
    assert sum(isinstance(event, VideoFailed) for event in events) == 6
    assert not any(isinstance(event, VideoDone) for event in events)


def test_a_part_whose_frames_are_missing_has_no_copies() -> None:
    _, events = cut(*play(range(44)), VideoDone("v", FACTS))
    assert {event.video_id.partition("-copy")[0] for event in events} == {"v#take-1-of-2"}


def test_a_frozen_video_has_parts_that_look_the_same_and_a_moving_one_has_not() -> None:
    frozen = [FrameChunk("v", np.array([n / FPS]), draw_frame(99)[None], (64, 48)) for n in range(92)]
    assert cut(*frozen, VideoDone("v", FACTS))[0].same_parts == {"v": {1: [2], 2: [1]}}
    assert cut(*play(), VideoDone("v", FACTS))[0].same_parts == {"v": {1: [], 2: []}}


def test_frames_are_decoded_at_least_as_densely_as_they_are_compared_and_as_copies_are_sampled() -> None:
    assert make_settings().decoder.sampling.sample_fps == 8.0
    assert make_settings(sampling=SamplingRule(10.0, 8)).decoder.sampling.sample_fps == 10.0
    assert make_settings(sampling=SamplingRule(1.0, 64)).decoder.sampling.sample_fps == 16.0


@pytest.fixture(autouse=True, scope="module")
def _close_decoders_after_the_tests() -> Iterator[None]:
    with ExitStack() as pools, pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "udfs.describing.describe.get_worker_pool",
            cache(
                lambda settings, roots, num_decoders: pools.enter_context(DecoderPool(settings, roots, num_decoders))
            ),
        )
        yield


def test_takes_of_real_videos_are_described_with_thumbnails(tmp_path: Path) -> None:
    make_video(tmp_path / "long.mp4", seconds=SECONDS, seed=1)
    make_video(tmp_path / "short.mp4", seconds=3.0, seed=2)
    (tmp_path / "text.mp4").write_text("no video\n" * 99, encoding="utf-8")
    rows = [(name, str(tmp_path / f"{name}.mp4"), seconds) for name, seconds in (("text", 20.0), ("short", 3.0))]
    rows.append(("long", str(tmp_path / "long.mp4"), SECONDS))
    asked = pd.DataFrame(rows, columns=["video_id", "uri", "duration_seconds"])
    counted: list[int] = []
    settings = make_settings(str(tmp_path))
    found = pd.concat(describe_takes(iter([asked[:1], asked[1:], asked[:0]]), settings, counted.append))
    found = found.sort_values(KEY, ignore_index=True)
    assert sum(counted) == 3
    assert set(found.columns) == set(re.findall(r"(?:^|, )(\w+) (?=[A-Z])", TAKES_DDL))
    keys = [("long", part, copy) for part in (1, 2) for copy in (0, 1, 2)]
    assert list(found[KEY].itertuples(index=False, name=None)) == keys
    assert [len(seconds) for seconds in found["frame_seconds"]] == [len(made) for made in found["thumbnails"]]
    assert {len(stored) for stored in found["frame_descriptors"]} == {8 * 112 * 2}
    assert found["same_parts"].map(list).tolist() == [[]] * 6
    assert found["uri"].unique().tolist() == [str(tmp_path / "long.mp4")]


def test_a_part_is_described_like_the_same_frames_in_a_video_of_a_night(tmp_path: Path) -> None:
    """The frame numbers in the pictures say which frames are shown."""
    make_video(tmp_path / "a.mp4", seconds=SECONDS, size=(256, 192))
    settings = make_settings(str(tmp_path))
    with DecoderPool(settings.decoder, settings.describe.roots) as pool:
        from udfs.video import VideoRequest

        cutter = TakeCutter({"a": SECONDS}, settings)
        events = list(cutter.cut(pool.decode([VideoRequest("a", str(tmp_path / "a.mp4"))])))
    second = [e for e in events if isinstance(e, FrameChunk) and e.video_id == "a#take-2-of-2-copy-0"]
    numbers = [read_number(crop_padding(chunk)[0]) for chunk in second]
    assert numbers == [46 + round(float(chunk.frame_seconds[0]) * FPS) for chunk in second]
    assert len(set(numbers)) == 8


def test_no_videos_yield_no_rows() -> None:
    assert list(describe_takes(iter([]), make_settings(), lambda _: None)) == []
