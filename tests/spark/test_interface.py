"""`ndvr.connect`: queries over tables and views, decisions, explanations, and its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import ndvr
from tests.spark.conftest import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described


@pytest.fixture(scope="module")
def tables(described: Described) -> ndvr.Tables:
    return ndvr.connect(described.lake)


def test_a_query_reads_tables_and_views(tables: ndvr.Tables) -> None:
    answer = tables.sql("SELECT video_id, duplicate_of FROM current_duplicates ORDER BY video_id")
    assert list(answer.itertuples(index=False, name=None)) == [
        ("a-checker-caption", "checker"),
        ("a-discs-small", "discs"),
        ("checker-webm", "checker"),
        ("stripes-low", "stripes"),
    ]


def test_two_lakes_are_open_at_once(tables: ndvr.Tables, written_lake: Path) -> None:
    other = ndvr.connect(written_lake)
    query = "SELECT count(*) AS num FROM manifest WHERE video_id = 'tiles'"
    assert [opened.sql(query)["num"][0] for opened in (tables, other, tables)] == [1, 0, 1]


def test_tables_and_views_say_what_a_row_is(tables: ndvr.Tables, described: Described) -> None:
    listed = tables.list_tables()
    assert {"manifest", "pairs", "clusters", "duplicates"} <= listed.keys()
    assert {"current_duplicates", "review_queue"} <= tables.list_views().keys()
    assert all(listed.values())
    assert all(tables.list_views().values())
    assert (tables.root, tables.path("pairs")) == (str(described.lake), str(described.lake / "pairs"))


def test_two_videos_are_explained(tables: ndvr.Tables) -> None:
    together = tables.explain("a-discs-small", "discs", ndvr.Config(**SETTINGS))
    assert together.is_together
    assert not tables.explain("discs", "tiles").is_together


def test_a_decision_is_recorded_once_and_withdrawn(spark: SparkSession, lake_copy: Path) -> None:  # noqa: ARG001 -- the session of the process
    tables = ndvr.connect(str(lake_copy))
    assert tables.decide(["discs", "a-discs-small"], "not_duplicate", by="ann", note="other discs")
    assert not tables.decide(["a-discs-small", "discs"], "not_duplicate", by="bob")
    held = {("a-discs-small", "discs"): ndvr.Decision("a-discs-small", "discs", "not_duplicate", "other discs")}
    assert tables.read_decisions() == held
    assert tables.withdraw(["discs", "a-discs-small"], by="ann").verdict == "not_duplicate"
    assert tables.read_decisions() == {}


def test_invalid_arguments_are_usage_errors(tables: ndvr.Tables, tmp_path: Path) -> None:
    with pytest.raises(ndvr.UsageError, match="the verdict must be one of duplicate, not_duplicate"):
        tables.decide(["a", "b"], "same", by="ann")
    with pytest.raises(ndvr.UsageError, match="the order must be one of least-certain, largest, newest, got 'oldest'"):
        tables.illustrate(tmp_path, order="oldest")
    with pytest.raises(ndvr.UsageError, match="no tables in"):
        ndvr.connect(tmp_path)
    with pytest.raises(ndvr.UsageError, match="the lake was not made by `ndvr demo`; read your labels with load_truth"):
        ndvr.load_demo_truth(tmp_path / "lake")
