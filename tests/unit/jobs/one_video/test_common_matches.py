"""Matches of one video that are common footage, and matches that are not."""

from __future__ import annotations

from jobs.one_video.answer import Match
from jobs.one_video.common_matches import mark_common_matches


def match(video_id: str, start: float = 0.0, end: float = 5.0, **changed: object) -> Match:
    facts: dict[str, object] = {
        "is_exact": False,
        "is_duplicate": False,
        "keeper_id": None,
        "cluster_id": None,
        "relation": "overlap",
        "match_probability": 0.95,
        "cosine_similarity": 0.3,
        "alignment_similarity": 0.8,
        "coverage": 0.2,
        "match_start_seconds": start,
        "match_end_seconds": end,
        "match_coverage": 0.2,
        "evidence": {},
    }
    return Match(video_id=video_id, start_seconds=start, end_seconds=end, **(facts | changed))  # type: ignore[arg-type] -- each value has the type of its field


def relations(matches: list[Match], min_videos: int = 3) -> dict[str, str]:
    named = mark_common_matches(matches, min_videos, min_probability=0.9)
    assert [m.video_id for m in named] == [m.video_id for m in matches]
    return {m.video_id: m.relation for m in named}


def test_seconds_that_many_videos_show_are_common() -> None:
    intro = [match("a"), match("b", end=5.4), match("c", start=0.3)]
    assert relations([*intro, match("d", 20, 30)]) == {"a": "common", "b": "common", "c": "common", "d": "overlap"}


def test_matches_of_fewer_videos_stay_overlaps() -> None:
    assert set(relations([match("a"), match("b")]).values()) == {"overlap"}


def test_videos_of_one_cluster_count_once() -> None:
    copies = [match(name, keeper_id="a") for name in ("a", "b", "c", "d")]
    assert set(relations(copies).values()) == {"overlap"}
    assert set(relations([*copies, match("e"), match("f")]).values()) == {"common"}


def test_a_match_that_extends_past_the_intro_is_an_overlap() -> None:
    found = relations([match("a"), match("b"), match("c"), match("long", 0, 20), match("little", 0, 6)])
    assert found["long"] == "overlap"
    assert found["little"] == "common"


def test_only_overlaps_above_the_threshold_count_and_change() -> None:
    matches = [match("a"), match("b"), match("unsure", match_probability=0.5), match("copy", relation="copy")]
    assert relations(matches) == {"a": "overlap", "b": "overlap", "unsure": "overlap", "copy": "copy"}
    assert relations([*matches, match("c")])["unsure"] == "overlap"


def test_a_match_shorter_than_a_second_counts_as_one_second() -> None:
    assert set(relations([match(name, 3.6, 3.9) for name in "abc"]).values()) == {"common"}
