"""Footage that many unrelated videos share is common, whatever run found the pairs."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.one_video.answer import Match
from jobs.one_video.common_matches import mark_common_matches
from jobs.pairing.common_footage import relabel_common_footage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    Row = tuple[str, str, str, float, float, float, float]

DDL = (
    "left_id STRING, right_id STRING, relation STRING, left_start_seconds DOUBLE, left_end_seconds DOUBLE, "
    "right_start_seconds DOUBLE, right_end_seconds DOUBLE"
)


def make_pairs(spark: SparkSession, rows: list[Row]) -> DataFrame:
    return spark.createDataFrame([(*row[:3], *map(float, row[3:])) for row in rows], DDL)


def share(videos: str, start: float = 0.0, end: float = 5.0) -> list[Row]:
    """Every two of the videos, named by a letter each, overlap in the same seconds."""
    return [(one, other, "overlap", start, end, start, end) for one, other in itertools.combinations(videos, 2)]


def name(spark: SparkSession, rows: list[Row], min_videos: int) -> dict[tuple[str, str], str]:
    named = relabel_common_footage(make_pairs(spark, rows), min_videos).collect()
    assert len(named) == len(rows)
    return {(row["left_id"], row["right_id"]): row["relation"] for row in named}


def test_an_intro_of_four_videos_is_common_where_three_others_are_enough(spark: SparkSession) -> None:
    assert set(name(spark, share("abcd"), 3).values()) == {"common"}


def test_a_part_that_three_videos_share_stays_an_overlap(spark: SparkSession) -> None:
    assert set(name(spark, share("abc"), 3).values()) == {"overlap"}


def test_copies_of_one_video_count_as_one_of_those_that_share(spark: SparkSession) -> None:
    copies: list[Row] = [("b", "c", "copy", 0, 20, 0, 20), ("b", "d", "copy", 0, 20, 0, 20)]
    overlaps: list[Row] = [("a", other, "overlap", 0, 5, 0, 5) for other in "bcd"]
    assert name(spark, overlaps + copies, 3)["a", "b"] == "overlap"


def test_a_pair_that_shares_more_than_the_intro_stays_an_overlap(spark: SparkSession) -> None:
    longer: Row = ("a", "z", "overlap", 0, 12, 0, 12)
    told = name(spark, [*share("abcd"), longer], 3)
    assert told["a", "z"] == "overlap"
    assert told["a", "b"] == "common"


def test_what_was_common_is_an_overlap_again_when_the_others_are_gone(spark: SparkSession) -> None:
    assert name(spark, [("a", "b", "common", 0, 5, 0, 5)], 3) == {("a", "b"): "overlap"}


def test_copies_and_contained_videos_keep_their_relation(spark: SparkSession) -> None:
    told = name(spark, [*share("abcd"), ("a", "y", "contained", 0, 5, 0, 5), ("a", "x", "copy", 0, 9, 0, 9)], 3)
    assert (told["a", "y"], told["a", "x"]) == ("contained", "copy")


SPANS = st.tuples(st.integers(0, 6), st.integers(1, 6)).map(lambda span: (span[0], span[0] + span[1]))
RELATIONS = st.sampled_from(["overlap", "overlap", "overlap", "common", "copy", "contained"])
ROWS = st.dictionaries(
    st.sampled_from(list(itertools.combinations("abcdef", 2))), st.tuples(RELATIONS, SPANS, SPANS), max_size=15
)


def name_slowly(rows: list[Row], min_videos: int) -> dict[tuple[str, str], str]:
    """Do the same by loops over single seconds."""
    copies: dict[str, str] = {}
    for left, right, relation, *_ in rows:
        if relation == "copy":
            copies[left] = min(copies.get(left, left), left)
            copies[right] = min(copies.get(right, left), left)
    parts = [row for row in rows if row[2] in ("overlap", "common")]
    shown: dict[tuple[str, int], set[str]] = {}
    for left, right, _, *spans in parts:
        for video, other, (start, end) in ((left, right, spans[:2]), (right, left, spans[2:])):
            for second in range(int(start), int(end)):
                shown.setdefault((video, second), set()).add(copies.get(other, other))
    named = {(row[0], row[1]): row[2] for row in rows}
    for left, right, _, *spans in parts:
        shares = [
            sum(len(shown[video, second]) >= min_videos for second in range(int(start), int(end))) / (end - start)
            for video, (start, end) in ((left, spans[:2]), (right, spans[2:]))
        ]
        named[left, right] = "common" if max(shares) >= 0.8 else "overlap"
    return named


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=ROWS, seed=st.randoms(use_true_random=False))
def test_the_names_are_those_of_a_count_by_hand_in_any_order(spark: SparkSession, drawn: Any, seed: Any) -> None:
    rows: list[Row] = [(*ends, relation, *left, *right) for ends, (relation, left, right) in drawn.items()]
    seed.shuffle(rows)
    assert name(spark, rows, 3) == name_slowly(rows, 3)


VIDEOS = st.lists(st.tuples(st.integers(0, 2), SPANS), min_size=1, max_size=12)
"""Videos that overlap with one: the number of its cluster, 0 for none, and the seconds of the overlap in the one."""


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(VIDEOS, min_size=20, max_size=40))
def test_one_video_gets_the_names_that_the_nightly_job_gives(
    spark: SparkSession, asked: list[list[tuple[int, tuple[int, int]]]]
) -> None:
    """Each video asked about is a video of its own in one table of pairs; clusters are pairs of relation copy."""
    rows: list[Row] = []
    expected: dict[tuple[str, str], str] = {}
    for number, others in enumerate(asked):
        keepers: dict[int, str] = {}
        matches = []
        for place, (cluster, (start, end)) in enumerate(others):
            video_id = f"q{number:02d}-{place:02d}"
            keeper_id = keepers.setdefault(cluster, video_id) if cluster else None
            if keeper_id not in (None, video_id):
                rows.append((str(keeper_id), video_id, "copy", 0, 20, 0, 20))
            rows.append((f"q{number:02d}", video_id, "overlap", start, end, 0, 5))
            matches.append(make_match(video_id, keeper_id, float(start), float(end)))
        for match in mark_common_matches(matches, 3, min_probability=0.9):
            expected[f"q{number:02d}", match.video_id] = match.relation
    named = name(spark, rows, 3)
    assert {ends: named[ends] for ends in expected} == expected


def make_match(video_id: str, keeper_id: str | None, start: float, end: float) -> Match:
    return Match(
        video_id=video_id,
        is_exact=False,
        is_duplicate=False,
        keeper_id=keeper_id,
        cluster_id=keeper_id,
        relation="overlap",
        match_probability=0.95,
        cosine_similarity=0.3,
        alignment_similarity=0.8,
        start_seconds=start,
        end_seconds=end,
        coverage=0.2,
        match_start_seconds=0.0,
        match_end_seconds=5.0,
        match_coverage=0.2,
        evidence={},
    )
