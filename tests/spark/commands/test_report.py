"""`ndvr report` on a described lake, and a decision from its pages that the next run obeys."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from delta.tables import DeltaTable
from pyspark.sql import functions as F

from jobs import tables
from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.review.cluster_selection import LINK_COLUMNS, select_contained
from tests.support.browser import click, needs_browser, open_browser, wait_for_file
from tests.support.lakes import read_rows, run_night

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described

pytestmark = pytest.mark.usefixtures("spark")


def make_report(lake: Path, out: Path, *options: str) -> int:
    return run_command(app, ["report", "--lake", str(lake), "--out", str(out), *options])


def test_the_pages_show_every_member_with_both_videos(
    described: Described, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    capsys.readouterr()
    assert make_report(described.lake, out) == 0
    assert capsys.readouterr().out == f"4 pages; open {out / 'index.html'}\n"
    clusters = read_rows(described.lake, "clusters")
    num_pairs = sum(not row["is_keeper"] for row in clusters)
    assert num_pairs >= 4
    assert len(list((out / "pictures").glob("*-left.webp"))) == num_pairs
    assert len(list((out / "pictures").glob("*-match.webp"))) == num_pairs
    page = (out / "least-certain-1.html").read_text(encoding="utf-8")
    assert set(re.findall(r'data-keep="([^"]+)"', page)) == {row["video_id"] for row in clusters}
    assert "Schachbrett, groß" in page
    assert "published first" in page
    assert "the &#34;same&#34;" in page
    index = (out / "index.html").read_text(encoding="utf-8")
    assert "threshold is 0." in index
    (run,) = {row["run_id"] for row in read_rows(described.lake, "runs")}
    capsys.readouterr()
    assert make_report(described.lake, out, "--run", run, "--clusters", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"num_pages": 4, "index": str(out / "index.html")}
    assert (out / "least-certain-1.html").read_text(encoding="utf-8").count("<article") == 1


def list_strips(report: Path) -> set[str]:
    return {file.name for side in ("left", "right") for file in (report / "pictures").glob(f"*-{side}.webp")}


def test_videos_are_shown_from_their_thumbnails_if_their_files_are_gone(
    spark: SparkSession, lake_copy: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    DeltaTable.forPath(spark, str(lake_copy / "descriptors")).update(set={"uri": "concat(uri, '.gone')"})
    num_pairs = sum(not row["is_keeper"] for row in read_rows(lake_copy, "clusters"))
    assert make_report(lake_copy, report) == 0
    assert len(list_strips(report)) == 2 * num_pairs
    page = (report / "least-certain-1.html").read_text(encoding="utf-8")
    assert "could not be read" not in page
    assert "same place" in page

    DeltaTable.forPath(spark, str(lake_copy / "thumbnails")).update(set={"content_sha256": "'of another file'"})
    assert make_report(lake_copy, report) == 0
    assert list_strips(report) == set()
    page = (report / "least-certain-1.html").read_text(encoding="utf-8")
    assert page.count("could not be read (<code>NOT_FOUND</code>)") == 2 * num_pairs


def test_videos_of_a_lake_without_thumbnails_are_decoded(lake_copy: Path, tmp_path: Path) -> None:
    shutil.rmtree(lake_copy / "thumbnails")
    assert make_report(lake_copy, tmp_path / "report") == 0
    num_pairs = sum(not row["is_keeper"] for row in read_rows(lake_copy, "clusters"))
    assert len(list_strips(tmp_path / "report")) == 2 * num_pairs


def test_the_least_certain_contained_videos_are_selected_without_members_of_the_cluster(spark: SparkSession) -> None:
    named = "video_id STRING, duplicate_of STRING, cluster_id STRING, relation STRING, match_probability DOUBLE"
    duplicates = spark.createDataFrame(
        [
            ("clip", "film", "c-film", "contained", 0.9),
            ("scene", "film", "c-film", "contained", 0.8),
            ("whole", "film", "c-film", "copy", 0.7),
            ("member", "film", "c-film", "contained", 0.6),  # if clusters.relations has contained
            ("sure", "film", "c-film", "contained", 0.99),
        ],
        named,
    ).withColumn("run_id", F.lit("night"))
    clusters = spark.createDataFrame(
        [("film", "c-film"), ("whole", "c-film"), ("member", "c-film")], "video_id STRING, cluster_id STRING"
    )
    pairs = duplicates.select(
        F.least("video_id", "duplicate_of").alias("left_id"),
        F.greatest("video_id", "duplicate_of").alias("right_id"),
        *(c if c in duplicates.columns else F.lit(1.0).alias(c) for c in LINK_COLUMNS),
    )
    decisions = spark.createDataFrame([], tables.decisions.TABLE.schema)
    parts = select_contained(duplicates, clusters, pairs, decisions, 2)
    assert [(part.pairs[0].member_id, part.keeper_id, part.min_probability) for part in parts] == [
        ("scene", "film", 0.8),
        ("clip", "film", 0.9),
    ]
    assert all(part.is_part and part.num_hidden == 0 for part in parts)


def test_an_unknown_run_or_a_foreign_folder_exits_with_2(
    described: Described, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert make_report(described.lake, tmp_path / "report", "--run", "nightless") == 2
    assert "no run nightless in" in capsys.readouterr().err
    (tmp_path / "mine.txt").touch()
    assert make_report(described.lake, tmp_path) == 2
    assert "exists and is not a report" in capsys.readouterr().err


@pytest.mark.slow
@needs_browser
def test_the_next_run_obeys_a_decision_made_on_a_page_and_the_earlier_report_shows_it(
    described: Described, lake_copy: Path, tmp_path: Path
) -> None:
    assert make_report(lake_copy, tmp_path / "report") == 0
    with open_browser(tmp_path) as browser:
        browser.get((tmp_path / "report" / "index.html").as_uri())
        browser.find_element("link text", "the largest").click()
        pair = browser.find_element("css selector", '[data-left="checker"][data-right="checker-webm"]')
        click(browser, pair.find_element("css selector", "[data-verdict=not_duplicate]"))
        browser.find_element("id", "save").click()
        run_id = max(row["run_id"] for row in read_rows(lake_copy, "runs"))
        file = wait_for_file(tmp_path / f"decisions-{run_id}.jsonl")
    decide = ["decide", "--file", str(file), "--by", "ann", "--lake", str(lake_copy)]
    assert run_command(app, decide) == 0
    run_night(described.manifest, lake_copy, described.settings)
    together = {row["video_id"]: row["cluster_id"] for row in read_rows(lake_copy, "clusters")}
    assert "a-checker-caption" in together
    assert together.get("checker") != together.get("checker-webm")

    assert make_report(lake_copy, tmp_path / "before", "--run", run_id) == 0
    before = (tmp_path / "before" / "largest-1.html").read_text(encoding="utf-8")
    assert 'data-left="checker" data-right="checker-webm"' in before
    assert "ann decided: not_duplicate" in before
