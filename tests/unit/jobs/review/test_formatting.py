from __future__ import annotations

import pytest

from jobs.review import formatting
from jobs.review.report_data import ReviewedPair, ReviewedVideo
from tests.support.reports import ROW, make_cluster

VIDEOS = {name: ReviewedVideo(name) for name in ("a", "b", "k")} | {"t": ReviewedVideo("t", title="The title")}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, "0:00.0"), (3.26, "0:03.3"), (59.96, "1:00.0"), (61.5, "1:01.5"), (3723.0, "1:02:03.0")],
)
def test_a_time_is_formatted_as_a_clock(seconds: float, expected: str) -> None:
    assert formatting.format_clock(seconds) == expected


@pytest.mark.parametrize(("seconds", "expected"), [(4.21, "4.2 s"), (185.4, "3 min 5 s"), (7800.0, "2 h 10 min")])
def test_a_duration_is_formatted_with_its_units(seconds: float, expected: str) -> None:
    assert formatting.format_duration(seconds) == expected


@pytest.mark.parametrize(
    ("fraction", "expected"), [(0.98765, "98.7 %"), (0.99999, "99.9 %"), (1.0, "100 %"), (0.5, "50 %")]
)
def test_a_fraction_below_1_is_never_100_percent(fraction: float, expected: str) -> None:
    assert formatting.format_percent(fraction) == expected


def test_the_known_facts_of_a_video_are_listed() -> None:
    assert formatting.format_video_facts(ReviewedVideo("a")) == ""
    video = ReviewedVideo("a", None, "ann", "2024-01-02T00:00:00Z", "/v/a.mp4", 5.5, 640, 360)
    assert (
        formatting.format_video_facts(video)
        == "0:05.5 · 640 x 360 · published 2024-01-02T00:00:00Z · by ann · /v/a.mp4"
    )


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ("copy", "Both show the same footage: 0:00.0 to 0:04.0 of a is 1:01.5 to 1:05.5 of k."),
        ("contained", "a is contained in the other video: 0:00.0 to 0:04.0 of a is 1:01.5 to 1:05.5 of k."),
        ("overlap", "They share a part: 0:00.0 to 0:04.0 of a is 1:01.5 to 1:05.5 of k."),
    ],
)
def test_the_shared_footage_of_a_pair_is_explained(relation: str, expected: str) -> None:
    pair = ReviewedPair("a", "k", ROW | {"relation": relation}, None)
    assert formatting.explain_pair(pair, make_cluster("k", "a"), VIDEOS) == expected


def test_a_member_without_a_pair_with_the_keeper_is_explained() -> None:
    sentences = formatting.explain_pair(ReviewedPair("a", "b", ROW, None), make_cluster("k", "a", "b"), VIDEOS)
    assert sentences.endswith("a has no direct link to the keeper k; b links them.")


def test_a_decision_replaces_a_pair() -> None:
    decision = {"verdict": "duplicate", "decided_by": "ann", "note": "same take"}
    pair = ReviewedPair("t", "k", None, decision)
    assert formatting.explain_pair(pair, make_cluster("k", "t"), VIDEOS) == "ann decided: duplicate (same take)."
    assert formatting.list_evidence(pair) == [("linked by", "a decision only")]
    assert pair.probability == 1.0


def test_the_second_look_is_described_in_words() -> None:
    row = ROW | {"place_agreement": 0.91, "change_agreement": 0.05, "left_region": [0, 0, 1, 1]}
    seen = ("second look", "same place, different motion (places 0.91, changes 0.05)")
    assert formatting.list_evidence(ReviewedPair("a", "k", row, None))[-1] == seen
    part = row | {"right_region": [0.2, 0.0, 1.0, 1.0]}
    evidence = formatting.list_evidence(ReviewedPair("a", "k", part, None))
    assert evidence[-2:] == [seen, ("yellow outline", "the part that the other video shows")]
    without = dict(formatting.list_evidence(ReviewedPair("a", "k", ROW, None)))
    assert "second look" not in without
    assert "yellow outline" not in without


@pytest.mark.parametrize(
    ("page", "num_pages", "listed"),
    [
        (1, 1, [1]),
        (1, 3, [1, 2, 3]),
        (6, 20, [1, None, 4, 5, 6, 7, 8, None, 20]),
        (20, 20, [1, None, 18, 19, 20]),
    ],
)
def test_nearby_pages_and_the_first_and_last_are_linked(page: int, num_pages: int, listed: list[int]) -> None:
    assert formatting.list_linked_pages(page, num_pages) == listed
