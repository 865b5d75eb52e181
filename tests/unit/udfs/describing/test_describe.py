"""Describing with a fake CNN: the descriptor of a frame is (its red value, 1, 0)."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from udfs.describing.describe import describe_events
from udfs.describing.description import Description, Unchanged, make_attempt_row
from udfs.errors import RowError, RowErrorCode
from udfs.video import FrameChunk, VideoDone, VideoFacts, VideoFailed, VideoRestarted, VideoUnchanged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from udfs.video import DecodeEvent

FACTS = VideoFacts(10, "ab", "mp4", "h264", 4, 2, 0, 1.5, 2.0, 3, "decord")
BROKEN = RowError(RowErrorCode.CORRUPT, "frame 3 of 9")


class RedDescriber:
    """A fake CNN that records the sizes of its batches."""

    def __init__(self, batch_frames: int) -> None:
        self.batch_frames = batch_frames
        self.batch_sizes: list[int] = []

    def describe(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batch_sizes.append(len(frames))
        red = frames[:, 0, 0, 0].astype(np.float32)
        return np.stack([red, np.ones_like(red), np.zeros_like(red)], axis=1)


def chunk(video_id: str, *reds: int) -> FrameChunk:
    frames = np.zeros((len(reds), 2, 2, 3), dtype=np.uint8)
    frames[..., 0] = np.array(reds, dtype=np.uint8).reshape(-1, 1, 1)
    return FrameChunk(video_id, np.array(reds, dtype=np.float64) / 10, frames)


def done(video_id: str) -> VideoDone:
    return VideoDone(video_id, replace(FACTS, content_sha256=video_id))


def describe(events: Iterable[DecodeEvent], batch_frames: int = 4) -> dict[str, Description | RowError]:
    outcomes = list(describe_events(events, RedDescriber(batch_frames)))
    assert len(outcomes) == len(dict(outcomes))
    return dict(outcomes)


def reds_of(outcome: Description | RowError) -> list[float]:
    assert isinstance(outcome, Description)
    return outcome.frame_descriptors[:, 0].tolist()


def test_the_frames_of_a_video_stay_in_order_with_their_times() -> None:
    (outcome,) = describe([chunk("a", 1, 2), chunk("a", 3), done("a")]).values()
    assert isinstance(outcome, Description)
    assert outcome.frame_descriptors.tolist() == [[1.0, 1.0, 0.0], [2.0, 1.0, 0.0], [3.0, 1.0, 0.0]]
    assert outcome.frame_descriptors.dtype == np.float16
    assert outcome.frame_seconds.tolist() == [0.1, 0.2, 0.3]
    assert outcome.facts.content_sha256 == "a"


def test_the_video_vector_has_mean_0_and_norm_1() -> None:
    (outcome,) = describe([chunk("a", 1, 2), done("a")]).values()
    assert isinstance(outcome, Description)
    assert outcome.video_descriptor.dtype == np.float32
    assert outcome.video_descriptor.sum() == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(outcome.video_descriptor) == pytest.approx(1)


def test_frames_of_several_videos_share_batches_and_only_the_last_batch_is_not_full() -> None:
    describer = RedDescriber(4)
    events = [chunk("a", 1, 2, 3), chunk("b", 4, 5, 6), done("a"), chunk("c", 7, 8, 9), done("b"), done("c")]
    outcomes = dict(describe_events(events, describer))
    assert describer.batch_sizes == [4, 4, 1]
    assert [reds_of(outcomes[video_id]) for video_id in "abc"] == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_a_chunk_larger_than_a_batch_is_split() -> None:
    describer = RedDescriber(2)
    ((_, outcome),) = describe_events([chunk("a", 1, 2, 3, 4, 5), done("a")], describer)
    assert describer.batch_sizes == [2, 2, 1]
    assert reds_of(outcome) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("batch_frames", [1, 2, 3, 100])
def test_the_result_does_not_depend_on_how_videos_and_batches_interleave(batch_frames: int) -> None:
    one = [chunk("a", 1, 2), chunk("a", 3), done("a"), chunk("b", 4), done("b")]
    other = [chunk("b", 4), chunk("a", 1, 2), done("b"), chunk("a", 3), done("a")]
    for events in (one, other):
        outcomes = describe(events, batch_frames)
        assert (reds_of(outcomes["a"]), reds_of(outcomes["b"])) == ([1, 2, 3], [4])


def test_a_video_is_yielded_as_soon_as_its_last_frame_is_described() -> None:
    read = []

    def events() -> Iterator[DecodeEvent]:
        for event in (chunk("a", 1), done("a"), chunk("b", 2), done("b")):
            read.append(event)
            yield event

    first, _ = next(describe_events(events(), RedDescriber(1)))
    assert first == "a"
    assert len(read) == 2


def test_a_failed_video_yields_its_error_and_the_others_are_described() -> None:
    outcomes = describe([chunk("a", 1), chunk("b", 2), VideoFailed("a", BROKEN), done("b")])
    assert outcomes["a"] is BROKEN
    assert reds_of(outcomes["b"]) == [2]


def test_a_video_that_fails_before_its_first_frame_yields_its_error() -> None:
    assert describe([VideoFailed("a", BROKEN)]) == {"a": BROKEN}


def test_frames_sent_before_a_restart_are_discarded() -> None:
    events = [chunk("a", 1, 2), VideoRestarted("a"), chunk("a", 7, 8, 9), done("a")]
    for batch_frames in (1, 4):
        assert reds_of(describe(events, batch_frames)["a"]) == [7, 8, 9]


@pytest.mark.parametrize(("cuts_borders", "red"), [(False, 200), (True, 0)])
def test_borders_are_cut_before_the_cnn_only_if_requested(cuts_borders: bool, red: int) -> None:
    """The picture is between red bars. After they are cut, the rows above the picture are zero."""
    frames = np.zeros((1, 12, 12, 3), dtype=np.uint8)
    frames[..., 0] = 200
    frames[0, 4:8] = np.random.default_rng(0).integers(0, 256, (4, 12, 3))
    events = [FrameChunk("a", np.zeros(1), frames), done("a")]
    ((_, outcome),) = describe_events(events, RedDescriber(4), cuts_borders=cuts_borders)
    assert reds_of(outcome) == [red]


def show_red(thumbnail: bytes) -> list[int]:
    """Return width and height of a thumbnail, and its red value."""
    picture = Image.open(io.BytesIO(thumbnail))
    return [*picture.size, int(np.asarray(picture)[0, 0, 0])]


@pytest.mark.parametrize("batch_frames", [1, 100])
def test_each_frame_has_a_thumbnail_without_padding_and_borders_stay(batch_frames: int) -> None:
    chunks = [chunk("a", 100, 150), chunk("b", 50), chunk("a", 200)]
    wide = [replace(one, frames=np.repeat(np.repeat(one.frames, 8, 1), 8, 2), picture_px=(16, 8)) for one in chunks]
    events = [*wide, done("a"), done("b")]
    outcomes = dict(describe_events(events, RedDescriber(batch_frames), cuts_borders=True, stores_thumbnails=True))
    first, second = (outcomes[video_id] for video_id in "ab")
    assert isinstance(first, Description)
    assert isinstance(second, Description)
    found = [show_red(thumbnail) for thumbnail in [*(first.thumbnails or []), *(second.thumbnails or [])]]
    assert found == [[16, 8, pytest.approx(red, abs=4)] for red in (100, 150, 200, 50)]
    assert make_attempt_row("a", None, first)["thumbnails"] == first.thumbnails


def test_each_thumbnail_has_its_detail() -> None:
    frames = np.zeros((3, 32, 32, 3), np.uint8)
    frames[1, 8:24] = np.random.default_rng(0).integers(0, 256, (16, 32, 3))
    frames[2, :, ::2] = 200
    wide, square = (FrameChunk("a", np.zeros(3), frames, size) for size in ((32, 16), None))
    events = [wide, FrameChunk("b", np.zeros(1), frames[:1]), square, done("a"), done("b")]
    outcomes = dict(describe_events(events, RedDescriber(4), stores_thumbnails=True))
    first, second = (outcomes[video_id] for video_id in "ab")
    assert isinstance(first, Description)
    assert isinstance(second, Description)
    assert first.frame_details.dtype == np.float32
    # All windows of the picture without padding have detail. With the flat bars above and below, some have none.
    assert first.frame_details[:3].tolist() == [0.0, 1.0, 1.0]
    assert first.frame_details[3:].tolist() == [0.0, pytest.approx(0.75, abs=0.01), 1.0]
    assert second.frame_details.tolist() == [0.0]
    assert make_attempt_row("a", None, first)["frame_details"] is first.frame_details


def test_thumbnails_are_made_only_if_requested() -> None:
    (outcome,) = describe([chunk("a", 1), done("a")]).values()
    assert isinstance(outcome, Description)
    assert outcome.thumbnails is None
    row = make_attempt_row("a", None, outcome)
    assert row["thumbnails"] is None
    assert row["frame_details"].tolist() == [0.0]


def test_thumbnails_sent_before_a_restart_are_discarded() -> None:
    events = [chunk("a", 1, 2), VideoRestarted("a"), chunk("a", 7), done("a")]
    ((_, outcome),) = describe_events(events, RedDescriber(4), stores_thumbnails=True)
    assert isinstance(outcome, Description)
    assert len(outcome.thumbnails or []) == 1
    assert len(outcome.frame_details) == 1


def test_no_events_yield_no_descriptions() -> None:
    assert describe([]) == {}


def test_the_row_of_a_described_video_has_its_facts_and_little_endian_float16_frames() -> None:
    (outcome,) = describe([chunk("a", 1, 2), done("a")]).values()
    row = make_attempt_row("a", "/v/a.mp4", outcome)
    assert (row["video_id"], row["uri"], row["error_code"], row["error_detail"]) == ("a", "/v/a.mp4", None, None)
    assert (row["width_px"], row["duration_seconds"], row["decoder"]) == (4, 1.5, "decord")
    assert row["frame_descriptors"] == np.array([[1, 1, 0], [2, 1, 0]], dtype="<f2").tobytes()


def test_the_row_of_a_failed_video_has_only_code_and_detail() -> None:
    row = make_attempt_row("a", None, BROKEN)
    assert {name: value for name, value in row.items() if value is not None} == {
        "video_id": "a",
        "error_code": "CORRUPT",
        "error_detail": "frame 3 of 9",
        "is_unchanged": False,
    }


def test_both_kinds_of_row_have_the_same_columns() -> None:
    (outcome,) = describe([chunk("a", 1), done("a")]).values()
    assert set(make_attempt_row("a", None, outcome)) == set(make_attempt_row("a", None, BROKEN))


def test_an_unchanged_video_has_a_row_without_description() -> None:
    outcomes = describe([chunk("a", 1), VideoUnchanged("b"), done("a")])
    assert outcomes["b"] == Unchanged()
    row = make_attempt_row("b", "/v/b.mp4", outcomes["b"])
    assert {name: value for name, value in row.items() if value is not None} == {
        "video_id": "b",
        "uri": "/v/b.mp4",
        "is_unchanged": True,
    }
    assert make_attempt_row("a", "/v/a.mp4", outcomes["a"])["is_unchanged"] is False
