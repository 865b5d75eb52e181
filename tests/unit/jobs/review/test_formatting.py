from __future__ import annotations

import pytest

from jobs.review import formatting
from jobs.review.report_data import QueuedPair, ReviewedPair, ReviewedVideo
from tests.support.reports import make_cluster, make_pair

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
    assert formatting.format_video_facts(video) == "0:05.5 · 640 x 360 · published 2024-01-02 · by ann · /v/a.mp4"


def test_a_pair_that_other_videos_link_is_explained() -> None:
    (chain,) = make_cluster("k", "a")
    assert formatting.explain_path(chain, VIDEOS) == ""
    chain.pair.row, chain.relation = None, "copy"
    assert formatting.explain_path(chain, VIDEOS) == "Other videos of the cluster link them."
    chain.relation = "decision"
    assert formatting.explain_path(chain, VIDEOS) == ""
    chain.keeper_id = "t"
    assert formatting.explain_path(chain, VIDEOS) == "Both are in the cluster of The title."


def test_the_evidence_without_a_pair_is_the_decision_or_the_path() -> None:
    decided = QueuedPair(ReviewedPair("t", "k", None, None))
    assert formatting.list_evidence(decided) == [("linked by", "a decision only")]
    path = QueuedPair(ReviewedPair("t", "k", None, None), ("chain",), 0.81, "copy")
    assert formatting.list_evidence(path) == [("linked by", "a path of other pairs"), ("its probability", "81 %")]


def test_the_second_look_is_described_in_words() -> None:
    seen = {"place_agreement": 0.91, "change_agreement": 0.05, "left_region": [0, 0, 1, 1]}
    words = ("second look", "same place, different motion (places 0.91, changes 0.05)")
    assert formatting.list_evidence(make_pair("a", "k", **seen))[-1] == words
    evidence = formatting.list_evidence(make_pair("a", "k", **seen, right_region=[0.2, 0.0, 1.0, 1.0]))
    assert evidence[-2:] == [words, ("yellow outline", "the part that the other video shows")]
    without = dict(formatting.list_evidence(make_pair("a", "k")))
    assert "second look" not in without
    assert "yellow outline" not in without
