from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobs.review import wording
from jobs.review.facts import ReviewedPair, ReviewedVideo
from tests.support.reports import ROW, make_cluster

VIDEOS = {name: ReviewedVideo(name) for name in ("a", "b", "k")} | {"t": ReviewedVideo("t", title="The title")}


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0:00.0"), (3.26, "0:03.3"), (59.96, "1:00.0"), (61.5, "1:01.5"), (3723.0, "1:02:03.0")],
)
def test_a_moment_is_said_as_a_clock_shows_it(seconds: float, said: str) -> None:
    assert wording.say_clock(seconds) == said


@pytest.mark.parametrize(("seconds", "said"), [(4.21, "4.2 s"), (185.4, "3 min 5 s"), (7800.0, "2 h 10 min")])
def test_how_long_something_took(seconds: float, said: str) -> None:
    assert wording.say_duration(seconds) == said


@pytest.mark.parametrize(
    ("fraction", "said"), [(0.98765, "98.7 %"), (0.99999, "99.9 %"), (1.0, "100 %"), (0.5, "50 %")]
)
def test_what_is_not_quite_sure_is_never_100_percent(fraction: float, said: str) -> None:
    assert wording.say_percent(fraction) == said


def test_a_video_is_told_by_what_is_known_of_it() -> None:
    assert wording.say_facts(ReviewedVideo("a")) == ""
    video = ReviewedVideo("a", None, "ann", datetime(2024, 1, 2, tzinfo=UTC), "/v/a.mp4", 5.5, 640, 360)
    assert wording.say_facts(video) == "0:05.5 · 640 x 360 · published 2024-01-02 00:00 · by ann · /v/a.mp4"


@pytest.mark.parametrize(
    ("relation", "said"),
    [
        ("copy", "Both show the same footage: 0:00.0 to 0:04.0 of a is 1:01.5 to 1:05.5 of k."),
        ("contained", "a lies in the other: 0:00.0 to 0:04.0 of a is 1:01.5 to 1:05.5 of k."),
        ("overlap", "They share a part: 0:00.0 to 0:04.0 of a is 1:01.5 to 1:05.5 of k."),
    ],
)
def test_a_pair_says_which_footage_is_shared(relation: str, said: str) -> None:
    pair = ReviewedPair("a", "k", ROW | {"relation": relation}, None)
    assert wording.say_why(pair, make_cluster("k", "a"), VIDEOS) == said


def test_a_member_that_hangs_on_another_says_so() -> None:
    said = wording.say_why(ReviewedPair("a", "b", ROW, None), make_cluster("k", "a", "b"), VIDEOS)
    assert said.endswith("a is not joined to the kept k itself: b leads there.")


def test_a_decision_stands_for_a_pair() -> None:
    decision = {"verdict": "duplicate", "decided_by": "ann", "note": "same take"}
    pair = ReviewedPair("t", "k", None, decision)
    assert wording.say_why(pair, make_cluster("k", "t"), VIDEOS) == "ann decided: duplicate (same take)."
    assert wording.list_evidence(pair) == [("joined by", "a decision alone")]
    assert pair.probability == 1.0


@pytest.mark.parametrize(
    ("page", "num_pages", "listed"),
    [
        (1, 1, [1]),
        (1, 3, [1, 2, 3]),
        (6, 20, [1, None, 4, 5, 6, 7, 8, None, 20]),
        (20, 20, [1, None, 18, 19, 20]),
    ],
)
def test_pages_nearby_are_linked_and_the_first_and_the_last(page: int, num_pages: int, listed: list[int]) -> None:
    assert wording.list_nearby(page, num_pages) == listed
