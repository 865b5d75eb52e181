from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from udfs.verifying.content import find_content

if TYPE_CHECKING:
    from udfs.verifying.features import Segment

DETAILS = st.one_of(st.sampled_from([0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.6, 1.0]), st.floats(0, 1, width=32))


@dataclass(frozen=True)
class Sampled:
    """Frames of a video, one every `step_seconds`, with their details."""

    details: list[float]
    step_seconds: float

    @property
    def content(self) -> Segment:
        seconds = np.arange(len(self.details)) * self.step_seconds
        return find_content(np.array(self.details, np.float32), seconds, len(self.details) * self.step_seconds)

    @property
    def content_seconds(self) -> float:
        start, end = self.content
        return end - start


@st.composite
def sampled(draw: st.DrawFn) -> Sampled:
    return Sampled(draw(st.lists(DETAILS, min_size=1, max_size=40)), draw(st.sampled_from([0.1, 0.5, 1.0])))


@st.composite
def footage(draw: st.DrawFn) -> Sampled:
    """Draw footage with detail at both ends, and at least three frames that are not flat."""
    ends, between = st.floats(0.25, 1, width=32), draw(st.lists(DETAILS, max_size=30))
    return Sampled([draw(ends), *between, draw(ends), draw(ends)], draw(st.sampled_from([0.1, 0.5, 1.0])))


@given(st.lists(DETAILS, min_size=1, max_size=40), st.data())
def test_content_is_within_the_video_and_not_empty(details: list[float], data: st.DataObject) -> None:
    times = st.lists(st.floats(0, 100), min_size=len(details), max_size=len(details))
    seconds = np.array(sorted(data.draw(times)))
    duration = data.draw(st.one_of(st.just(float(seconds[-1])), st.floats(0, 200)))
    start, end = find_content(np.array(details, np.float32), seconds, duration)
    assert 0 <= start <= end <= duration
    assert start < end or duration == 0


@given(footage(), st.lists(st.sampled_from([0.0, 0.005]), max_size=100), st.lists(st.just(0.0), max_size=100))
def test_black_before_and_after_footage_does_not_change_the_length_of_its_content(
    film: Sampled, head: list[float], tail: list[float]
) -> None:
    padded = replace(film, details=[*head, *film.details, *tail])
    assert film.content_seconds == len(film.details) * film.step_seconds
    assert abs(padded.content_seconds - film.content_seconds) <= film.step_seconds + 1e-9
    assert abs(padded.content.start_seconds - len(head) * film.step_seconds) <= film.step_seconds + 1e-9


@given(sampled(), st.integers(1, 50))
def test_more_black_never_adds_content_once_there_is_some(video: Sampled, num_black: int) -> None:
    black = [0.0] * num_black
    if sum(detail > 0.02 for detail in np.float32(video.details)) < 3:
        return
    for details in ([*black, *video.details], [*video.details, *black]):
        assert replace(video, details=details).content_seconds <= video.content_seconds + 1e-9


@given(sampled())
def test_the_content_of_the_reversed_video_is_reversed(video: Sampled) -> None:
    start, end = video.content
    duration = len(video.details) * video.step_seconds
    mirrored = replace(video, details=video.details[::-1]).content
    assert abs(mirrored.start_seconds - (duration - end)) < 1e-9
    assert abs(mirrored.end_seconds - (duration - start)) < 1e-9
