"""Details in these tests are those of a frame per second, unless times are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from udfs.verifying.content import find_content

if TYPE_CHECKING:
    from collections.abc import Sequence

FILM = [0.6, 0.5, 0.7, 0.4, 0.6, 0.5, 0.6, 0.7]
BLACK, CARD, SLIDE, LOGO = 0.0, 0.1, 0.3, 0.04
FADE = [0.0, 0.1, 0.35]


def find(
    details: Sequence[float], seconds: Sequence[float] | None = None, duration: float | None = None
) -> list[float]:
    """Return start and end of the content."""
    times = np.arange(float(len(details))) if seconds is None else np.array(seconds, dtype=np.float64)
    end = float(len(details)) if duration is None else duration
    return list(find_content(np.array(details, dtype=np.float32), times, end))


@pytest.mark.parametrize("head", [[BLACK] * 4, [CARD] * 4, [0.02] * 4, [BLACK, CARD, CARD, BLACK], [LOGO] * 4])
def test_black_and_title_cards_at_either_end_are_no_content(head: list[float]) -> None:
    assert find(FILM) == [0.0, 8.0]
    assert find([*head, *FILM]) == [4.0, 12.0]
    assert find([*FILM, *head]) == [0.0, 8.0]
    assert find([*head, *FILM, *head]) == [4.0, 12.0]


@pytest.mark.parametrize("num_black", [8, 9, 100, 3000])
def test_a_black_tail_may_be_longer_than_the_footage(num_black: int) -> None:
    assert find([*FILM, *[BLACK] * num_black]) == [0.0, 8.0]


def test_black_between_footage_is_content() -> None:
    assert find([BLACK, *FILM, BLACK, BLACK, *FILM, BLACK]) == [1.0, 19.0]


def test_an_ident_before_black_is_content_and_so_is_the_black() -> None:
    assert find([0.6, BLACK, BLACK, *FILM]) == [0.0, 11.0]


def test_content_begins_and_ends_within_fades() -> None:
    assert find([*FADE, *FILM, *reversed(FADE)]) == [2.0, 12.0]


@pytest.mark.parametrize(
    "details",
    [
        [SLIDE] * 8,
        [0.18, *[SLIDE] * 8],  # below .2, and not clearly below the other slides
        [CARD] * 8,
        [0.06, *[CARD] * 8, 0.06],  # below .2, and not below half of .1
        [0.25, *FILM, 0.2],  # below half of .6, and not below .2
        [CARD, CARD, CARD, 0.6, CARD, CARD, CARD],  # text, and one photo
        [*[CARD] * 9, *FILM],  # most of it is text
    ],
    ids=[
        "slides",
        "a plain first slide",
        "text",
        "plain text at the ends",
        "plain footage",
        "a photo in text",
        "cards",
    ],
)
def test_a_video_that_looks_like_its_ends_is_all_content(details: list[float]) -> None:
    assert find(details) == [0.0, len(details)]


def test_of_slides_a_title_far_below_them_is_no_content() -> None:
    assert find([CARD, *[SLIDE] * 8]) == [1.0, 9.0]


@pytest.mark.parametrize(
    "details",
    [
        [],
        [BLACK],
        [0.6],
        [BLACK] * 20,
        [0.02] * 20,
        [BLACK, BLACK, 0.6, BLACK, BLACK],
        [BLACK, 0.6, BLACK, 0.6, BLACK],
    ],
    ids=["no frame", "a black frame", "a frame", "black", "dark", "a frame in black", "two frames in black"],
)
def test_with_fewer_than_three_frames_that_are_not_flat_the_whole_video_is_content(details: list[float]) -> None:
    assert find(details, duration=20.0) == [0.0, 20.0]


def test_three_frames_in_black_are_content() -> None:
    assert find([BLACK, 0.6, 0.6, 0.6, BLACK]) == [1.0, 4.0]


def test_a_frame_is_shown_until_the_next_one_appears() -> None:
    details, seconds = [BLACK, 0.6, 0.6, 0.6, BLACK], [0.0, 0.5, 3.0, 4.0, 7.5]
    assert find(details, seconds, 9.0) == [0.5, 7.5]
    assert find(details[:-1], seconds[:-1], 9.0) == [0.5, 9.0]


def test_content_begins_at_zero_if_the_first_frame_has_detail() -> None:
    assert find([0.6, 0.6, 0.6, BLACK], [0.2, 1.0, 2.0, 3.0], 4.0) == [0.0, 3.0]


def test_frames_at_one_time_leave_the_whole_video() -> None:
    assert find([BLACK, 0.6, 0.6, 0.6, BLACK], [1.0] * 5, 2.0) == [0.0, 2.0]
    assert find([0.6] * 3, [0.0] * 3, 0.0) == [0.0, 0.0]


def test_frames_at_or_after_the_duration_leave_content_within_it() -> None:
    assert find([0.6, 0.6, 0.6, 0.6, BLACK], [0.0, 1.0, 2.0, 3.0, 9.0], 4.0) == [0.0, 4.0]
    assert find([BLACK, 0.6, 0.6, 0.6], [0.0, 5.0, 6.0, 7.0], 4.0) == [0.0, 4.0]
