"""The files of a queue: what they show of a pair, and what a blind page hides."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobs.review.queue_page import MAX_DATA_FILE_ITEMS, write_queue_page
from jobs.review.report_data import PastDecision, Queue, QueueFacts, ReviewedVideo, Strip
from tests.support.reports import make_cluster, make_pair, name_videos

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobs.review.report_data import QueuedPair

FACTS = QueueFacts("To review", "key", "decisions.jsonl", "ndvr decide", "a note")
BLIND = replace(FACTS, title="Sample", is_blind=True, sample_id="s1")
PAST = PastDecision("a", "b", "duplicate", "ann", "2024-05-02T00:00:00Z", 1714608000000)


def read_items(folder: Path) -> list[dict[str, Any]]:
    found = []
    number = 1
    while (file := folder / f"queue-data-{number}.js").exists():
        found += json.loads(file.read_text(encoding="ascii").removeprefix("ndvr.addPairs(").removesuffix(");\n"))
        number += 1
    return found


def write(folder: Path, pairs: Sequence[QueuedPair], facts: QueueFacts = FACTS, *videos: ReviewedVideo) -> None:
    write_queue_page(facts, Queue(pairs, name_videos(pairs, videos), [PAST]), folder)


def test_a_blind_page_shows_the_frames_and_no_score_relation_or_decision(tmp_path: Path) -> None:
    pair = make_pair("a", "b", match_probability=0.87654)
    pair.pair.left = Strip((1.0,), "pictures/0-left.webp", (224, 126), 5)
    pair.pair.match = Strip((), "pictures/0-match.webp", (180, 180), 5)
    write(tmp_path, [pair], BLIND)
    (item,) = read_items(tmp_path)
    assert set(item) == {"videos", "frames", "clocks"}
    assert item["frames"][0] == {"file": "pictures/0-left.webp", "size": [224, 126], "error": None}
    assert "badges" not in item["videos"][0]
    assert (tmp_path / "queue-decisions.js").read_text(encoding="ascii") == "ndvr.addDecisions([]);\n"
    page = (tmp_path / "queue.html").read_text(encoding="utf-8")
    assert 'data-sample="s1"' in page
    assert "data-keep" not in page
    assert 'id="filter"' not in page


def test_the_order_of_a_blind_page_does_not_depend_on_the_order_of_its_pairs(tmp_path: Path) -> None:
    pairs = [make_pair(f"a{number}", f"b{number}") for number in range(9)]
    orders = []
    for name, shown in (("one", pairs), ("two", pairs[::-1])):
        (tmp_path / name).mkdir()
        write(tmp_path / name, shown, BLIND)
        orders.append([item["videos"][0]["id"] for item in read_items(tmp_path / name)])
    assert orders[0] == orders[1]
    assert orders[0] != sorted(orders[0])


def test_pairs_are_split_into_several_data_files_in_their_order(tmp_path: Path) -> None:
    pairs = [make_pair(f"a{number:03}", f"b{number:03}") for number in range(MAX_DATA_FILE_ITEMS + 1)]
    write(tmp_path, pairs)
    assert [item["videos"][0]["id"] for item in read_items(tmp_path)] == [pair.pair.ids[0] for pair in pairs]
    page = (tmp_path / "queue.html").read_text(encoding="utf-8")
    assert page.index("queue-data.js") < page.index("queue-data-2.js") < page.index('"queue.js"')


def test_the_badge_longer_is_on_the_video_that_lasts_longer(tmp_path: Path) -> None:
    # Slow motion: the contained footage lasts longer than the video that contains it.
    pair = make_pair("film", "slow", relation="contained", left_coverage=0.5, right_coverage=1.0)
    write(
        tmp_path,
        [pair],
        FACTS,
        ReviewedVideo("film", duration_seconds=10.0),
        ReviewedVideo("slow", duration_seconds=20.0, width_px=640, height_px=360),
    )
    (item,) = read_items(tmp_path)
    assert [video["badges"] for video in item["videos"]] == [["contains the other"], ["longer", "more pixels"]]


def test_past_decisions_are_passed_with_who_and_when(tmp_path: Path) -> None:
    write(tmp_path, make_cluster("k", "a"))
    text = (tmp_path / "queue-decisions.js").read_text(encoding="ascii")
    (past,) = json.loads(text.removeprefix("ndvr.addDecisions(").removesuffix(");\n"))
    assert (past["verdict"], past["decided_by"], past["decided_at"]) == ("duplicate", "ann", "2024-05-02T00:00:00Z")
