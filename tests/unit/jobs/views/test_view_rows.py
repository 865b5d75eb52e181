"""What the views list. Their SQL is run by DuckDB; tests/spark/querying shows that Spark gives the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from jobs.querying.duckdb_engine import DuckDBEngine
from jobs.views.queries import NUM_LARGE_CLUSTERS
from tests.support.plain_lake import (
    RUN_1,
    RUN_2,
    decide,
    describe_video,
    duplicate,
    members,
    pair,
    record_run,
    write_plain_lake,
    write_rows,
)

if TYPE_CHECKING:
    from pathlib import Path

_THIRD = "20240103T020000Z-cccccc"


def write(folder: Path, videos: dict[str, str], **tables: list[dict[str, Any]]) -> DuckDBEngine:
    """Write a lake of videos, each with its content, and other rows."""
    rows: dict[str, list[dict[str, Any]]] = {"runs": record_run(RUN_1, 0)} | tables
    for video_id, content in videos.items():
        for table, described in describe_video(video_id, content).items():
            rows.setdefault(table, []).extend(described)
    return DuckDBEngine(write_plain_lake(folder, rows))


def ask(engine: DuckDBEngine, query: str) -> list[list[Any]]:
    return engine.answer(query).rows


def test_shared_footage_lists_both_directions_and_each_identical_file(tmp_path: Path) -> None:
    videos = {"a": "x", "a-twin": "x", "b": "y", "b-twin": "y", "c": "z"}
    pairs = [
        pair("a", "a-twin", 1.0),
        pair("b", "b-twin", 1.0),
        pair("a", "b", 0.9, left_start_seconds=5.0, right_start_seconds=7.0),
        pair("b", "c", 0.8, "contained", left_coverage=0.2),
    ]
    engine = write(tmp_path, videos, pairs=pairs)
    shown = "other_id, relation, match_probability, is_exact, start_seconds, other_start_seconds"
    assert ask(engine, f"SELECT {shown} FROM shared_footage WHERE video_id = 'a-twin' ORDER BY other_id") == [  # noqa: S608 -- a literal list of columns
        ["a", "copy", 1.0, True, 0.0, 0.0],
        ["b", "copy", 0.9, False, 5.0, 7.0],
        ["b-twin", "copy", 0.9, False, 5.0, 7.0],
    ]
    assert ask(engine, f"SELECT {shown} FROM shared_footage WHERE video_id = 'b-twin' ORDER BY other_id") == [  # noqa: S608 -- as above
        ["a", "copy", 0.9, False, 7.0, 5.0],
        ["a-twin", "copy", 0.9, False, 7.0, 5.0],
        ["b", "copy", 1.0, True, 0.0, 0.0],
        ["c", "contains", 0.8, False, 0.0, 0.0],
    ]
    assert ask(engine, "SELECT other_id, relation FROM shared_footage WHERE video_id = 'c' ORDER BY other_id") == [
        ["b", "contained"],
        ["b-twin", "contained"],
    ]


def test_shared_footage_omits_absent_videos_and_shows_the_decision_in_force(tmp_path: Path) -> None:
    engine = write(
        tmp_path,
        {"a": "x", "b": "y", "lost": "x"},
        pairs=[pair("a", "b", 0.9)],
        quarantine=[{"video_id": "lost", "error_code": "NOT_FOUND"}],
        decisions=[decide("a", "b", "duplicate", 9), decide("a", "b", "part", 10)],
    )
    rows = ask(engine, "SELECT video_id, other_id, verdict FROM shared_footage ORDER BY video_id")
    assert rows == [["a", "b", "part"], ["b", "a", "part"]]


def test_the_queue_has_one_reason_for_each_pair(tmp_path: Path) -> None:
    videos = {name: name for name in ("a", "b", "c", "d", "e", "f", "g")}
    engine = write(
        tmp_path,
        videos,
        pairs=[
            pair("a", "b", 0.99),  # the least probable link of a large cluster
            pair("a", "c", 0.995),
            pair("c", "d", 0.8),
            pair("d", "e", 0.97),  # a copy that joins nothing
            pair("e", "f", 0.85, "overlap"),
            pair("e", "g", 0.99, "overlap"),
            pair("f", "g", 0.8, "common"),
        ],
        clusters=[*members("k", "a", "b", "c"), *members("k", "a", "d", joined_by="c")[1:]],
        duplicates=[
            duplicate("b", "a", "k", 0.99),
            duplicate("c", "a", "k", 0.995),
            duplicate("d", "a", "k", 0.796, is_direct=False),
        ],
    )
    assert ask(engine, "SELECT left_id, right_id, reason, cluster_id, left_start_seconds FROM review_queue") == [
        ["a", "d", "chain", "k", None],
        ["c", "d", "uncertain", "k", 0.0],
        ["e", "f", "uncertain", None, 0.0],
        ["d", "e", "separated", None, 0.0],
    ]


def test_the_least_probable_link_of_a_large_cluster_is_in_the_queue(tmp_path: Path) -> None:
    engine = write(
        tmp_path,
        {name: name for name in ("a", "b", "c", "d", "e")},
        pairs=[pair("a", "b", 0.99), pair("a", "c", 0.98), pair("b", "c", 0.95), pair("d", "e", 0.97)],
        clusters=[*members("k", "a", "b", "c"), *members("l", "d", "e")],
    )
    # b and c are joined by a, so their own pair misplaces nothing; the cluster of two is not large
    assert ask(engine, "SELECT left_id, right_id, reason FROM review_queue") == [["a", "c", "large_cluster"]]
    assert NUM_LARGE_CLUSTERS == 20


@pytest.mark.parametrize("verdict", ["duplicate", "not_duplicate", "part"])
def test_a_decision_of_any_verdict_takes_a_pair_out_of_the_queue_until_it_is_withdrawn(
    verdict: str, tmp_path: Path
) -> None:
    engine = write(
        tmp_path,
        {"a": "x", "b": "y", "c": "z"},
        pairs=[pair("a", "b", 0.8), pair("a", "c", 0.7)],
        decisions=[decide("a", "b", verdict)],
    )
    assert ask(engine, "SELECT left_id, right_id FROM review_queue") == [["a", "c"]]
    write_rows(tmp_path, "decisions", [decide("a", "b", verdict, 10, is_withdrawn=True)])
    assert ask(engine, "SELECT left_id, right_id FROM review_queue") == [["a", "c"], ["a", "b"]]


def test_cluster_members_say_what_joins_each_to_the_keeper(tmp_path: Path) -> None:
    engine = write(
        tmp_path,
        {"a": "x", "b": "x", "c": "y"},
        clusters=members("k", "a", "b", "c"),
        duplicates=[duplicate("b", "a", "k", 1.0, is_exact=True), duplicate("c", "a", "k", 0.9, is_direct=False)],
    )
    columns = "num_videos, video_id, is_keeper, keeper_id, match_probability, is_direct, is_exact"
    assert ask(engine, f"SELECT {columns} FROM cluster_members") == [  # noqa: S608 -- as above
        [3, "a", True, "a", None, None, None],
        [3, "b", False, "a", 1.0, True, True],
        [3, "c", False, "a", 0.9, False, False],
    ]


CHANGES = "SELECT change, video_id, duplicate_of, duplicate_of_before, match_probability FROM changes_since_last_run"


def test_changes_compare_with_the_version_before_the_newest_published_run(tmp_path: Path) -> None:
    first = [duplicate(name, "k", "c", 0.9) for name in ("gone", "moved", "same")]
    engine = write(tmp_path, {"k": "x"}, duplicates=first)
    assert ask(engine, CHANGES) == [  # no run was published before the newest
        ["added", "gone", "k", None, 0.9],
        ["added", "moved", "k", None, 0.9],
        ["added", "same", "k", None, 0.9],
    ]
    second = [duplicate("same", "k", "c", 0.9), duplicate("moved", "l", "c", 0.95), duplicate("new", "k", "c", 0.8)]
    write_rows(tmp_path, "duplicates", second, mode="overwrite")
    write_rows(tmp_path, "runs", record_run(RUN_2, 1))
    expected = [
        ["added", "new", "k", None, 0.8],
        ["changed", "moved", "l", "k", 0.95],
        ["removed", "gone", None, "k", None],
    ]
    assert ask(engine, CHANGES) == expected
    write_rows(tmp_path, "runs", record_run(_THIRD, None, "failed"))  # it published nothing
    assert ask(engine, CHANGES) == expected


def test_a_run_that_skips_the_stage_changes_nothing(tmp_path: Path) -> None:
    engine = write(tmp_path, {"k": "x"}, duplicates=[duplicate("a", "k", "c", 0.9)])
    write_rows(tmp_path, "runs", record_run(RUN_2, None))
    assert ask(engine, CHANGES) == []
