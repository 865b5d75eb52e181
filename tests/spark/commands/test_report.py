"""`ndvr report` on a described lake, and a decision from its pages that the next run obeys."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from delta.tables import DeltaTable
from pyspark.sql import functions as F

from jobs import tables
from jobs.cli import app
from jobs.clustering.decisions import decisions_in_force
from jobs.commands.command_line import run_command
from jobs.config.settings import Config
from jobs.lake.lake import Lake
from jobs.review.cluster_selection import LINK_COLUMNS, select_contained
from jobs.review.queue import make_queue
from jobs.review.queue_selection import REASONS, select_queue
from jobs.review.report_data import QueueFacts
from jobs.views.queries import select_view
from tests.support.browser import needs_browser, open_browser, wait_for_file
from tests.support.lakes import read_rows, run_night

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described

pytestmark = pytest.mark.usefixtures("spark")


def make_report(lake: Path, out: Path, *options: str) -> int:
    return run_command(app, ["report", "--lake", str(lake), "--out", str(out), *options])


def read_items(report: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the pairs of a report by their ids."""
    items = []
    for file in sorted(report.glob("queue-data-*.js")):
        items += json.loads(file.read_text(encoding="ascii").removeprefix("ndvr.addPairs(").removesuffix(");\n"))
    return {(item["videos"][0]["id"], item["videos"][1]["id"]): item for item in items}


def list_links(lake: Path) -> set[tuple[str, str]]:
    """Return the pairs that link the members of clusters."""
    rows = [row for row in read_rows(lake, "clusters") if not row["is_keeper"]]
    return {(min(ids), max(ids)) for ids in ((row["video_id"], row["joined_by"]) for row in rows)}


def test_the_pages_show_the_queue_and_every_member_with_both_videos(
    described: Described, spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report"
    capsys.readouterr()
    assert make_report(described.lake, out) == 0
    items = read_items(out)
    queue = select_view(Lake(spark, str(described.lake)), "review_queue").select("left_id", "right_id").collect()
    assert {ids for ids, item in items.items() if item["reasons"]} == {tuple(row) for row in queue}
    assert capsys.readouterr().out == (
        f"pairs to review: {len(queue)}, shown: {len(items)}; open {out / 'index.html'}\n"
    )
    links = list_links(described.lake)
    assert len(links) >= 4
    assert links <= set(items)
    assert len(list((out / "pictures").glob("*-left.jpg"))) == len(items)
    assert len(list((out / "pictures").glob("*-match.webp"))) == len(items)
    assert "Schachbrett, groß" in {video["title"] for item in items.values() for video in item["videos"]}
    shown = items["checker", "checker-webm"]
    assert shown["sentence"] == "Each shows all of the other: the same pictures in the same order, from the start."
    assert shown["segments"] == [[0.0, 2.0, 0.0, 2.0]]
    assert "threshold is 0." in (out / "index.html").read_text(encoding="utf-8")
    (run,) = {row["run_id"] for row in read_rows(described.lake, "runs")}
    capsys.readouterr()
    assert make_report(described.lake, out, "--run", run, "--clusters", "1", "--clips", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["num_to_review"], made["index"]) == (len(queue), str(out / "index.html"))
    clips = list((out / "clips").glob("*.webm"))
    assert made["num_clipped_pairs"] == len(clips) / 2 == len(read_items(out)) > 0
    assert made["clip_bytes"] == sum(clip.stat().st_size for clip in clips) > 0
    assert all((out / file).is_file() for item in read_items(out).values() for file in item["clips"]["files"])


def list_strips(report: Path) -> set[str]:
    return {file.name for side in ("left", "right") for file in (report / "pictures").glob(f"*-{side}.jpg")}


def test_videos_are_shown_from_their_thumbnails_if_their_files_are_gone(
    spark: SparkSession, lake_copy: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report"
    DeltaTable.forPath(spark, str(lake_copy / "descriptors")).update(set={"uri": "concat(uri, '.gone')"})
    assert make_report(lake_copy, report) == 0
    items = read_items(report)
    assert len(list_strips(report)) == 2 * len(items) > 0
    assert {frames["error"] for item in items.values() for frames in item["frames"]} == {None}
    assert "same place" in dict(items["checker", "checker-webm"]["evidence"])["second look"]

    DeltaTable.forPath(spark, str(lake_copy / "thumbnails")).update(set={"content_sha256": "'of another file'"})
    assert make_report(lake_copy, report, "--clips") == 0
    assert list_strips(report) == set()
    items = read_items(report)
    assert {frames["error"] for item in items.values() for frames in item["frames"]} == {"NOT_FOUND"}
    assert not any("clips" in item for item in items.values())


def test_videos_of_a_lake_without_thumbnails_are_decoded(lake_copy: Path, tmp_path: Path) -> None:
    shutil.rmtree(lake_copy / "thumbnails")
    assert make_report(lake_copy, tmp_path / "report") == 0
    assert len(list_strips(tmp_path / "report")) == 2 * len(read_items(tmp_path / "report")) > 0


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
    assert all(part.is_contained for part in parts)


def test_an_unknown_run_or_a_foreign_folder_exits_with_2(
    described: Described, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert make_report(described.lake, tmp_path / "report", "--run", "nightless") == 2
    assert "no run nightless in" in capsys.readouterr().err
    (tmp_path / "mine.txt").touch()
    assert make_report(described.lake, tmp_path) == 2
    assert "exists and is not a report" in capsys.readouterr().err


def test_a_blind_queue_of_any_pairs_has_their_frames(described: Described, spark: SparkSession, tmp_path: Path) -> None:
    lake = Lake(spark, str(described.lake))
    facts = QueueFacts("Sample", "s1", "answers.jsonl", "ndvr estimate", "sample", is_blind=True, sample_id="s1")
    pairs = [("checker", "checker-webm"), ("checker", "glow")]  # the second pair is not in the table
    model_id = read_rows(described.lake, "runs")[0]["model_id"]
    assert make_queue(lake, pairs, facts, model_id, Config(), tmp_path) == tmp_path / "queue.html"
    items = read_items(tmp_path)
    assert set(items) == set(pairs)
    assert all(set(item) == {"videos", "frames", "clocks"} for item in items.values())
    assert len(list_strips(tmp_path)) == 4


def test_the_queue_has_the_rows_and_reasons_of_the_view_and_judged_pairs(
    spark: SparkSession, written_lake: Path
) -> None:
    lake = Lake(spark, str(written_lake))
    names = ("pairs", "clusters", "duplicates", "decisions", "manifest", "runs")
    queue = [queued for queued in select_queue({name: lake.read(name) for name in names}, 10) if queued.reasons]
    found = {(*queued.pair.ids, *queued.reasons): queued for queued in queue}
    rows = select_view(lake, "review_queue").collect()
    wanted = {(row["left_id"], row["right_id"], REASONS[row["reason"]]): row for row in rows}
    assert len(wanted) > 1
    assert wanted.keys() <= found.keys()
    decided = {(row["left_id"], row["right_id"]) for row in decisions_in_force(lake.read("decisions")).collect()}
    assert {ids[:2] for ids in found.keys() - wanted.keys()} <= decided
    for key, row in wanted.items():
        shown = found[key]
        assert (shown.probability, shown.relation) == (row["match_probability"], row["relation"])
        assert shown.cluster_id == row["cluster_id"]
        assert (shown.pair.row is None) == (row["reason"] == "chain")
    assert [queued.probability for queued in queue] == sorted(queued.probability for queued in queue)


@pytest.mark.slow
@needs_browser
def test_the_next_run_obeys_decisions_made_on_the_page_and_the_next_report_marks_them(
    described: Described, lake_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_report(lake_copy, tmp_path / "report") == 0
    with open_browser(tmp_path) as browser:
        browser.get((tmp_path / "report" / "queue.html").as_uri())
        browser.execute_script(
            "const form = document.getElementById('filter'); form.elements.find.value = 'checker-webm';"
            "form.dispatchEvent(new Event('input'));"
        )
        shown = browser.find_element("css selector", ".pair")
        ids = [shown.get_attribute(f"data-{side}") for side in ("left", "right")]
        browser.find_element("css selector", "[data-verdict=part]").click()
        browser.find_element("id", "save").click()
        run_id = max(row["run_id"] for row in read_rows(lake_copy, "runs"))
        file = wait_for_file(tmp_path / f"decisions-{run_id}.jsonl")
    decide = ["decide", "--file", str(file), "--by", "ann", "--lake", str(lake_copy)]
    assert run_command(app, decide) == 0
    run_night(described.manifest, lake_copy, described.settings)
    together = {row["video_id"]: row["cluster_id"] for row in read_rows(lake_copy, "clusters")}
    assert "a-checker-caption" in together
    assert "checker-webm" in ids
    assert together.get(str(ids[0])) != together.get(str(ids[1]))
    capsys.readouterr()
    assert run_command(app, ["why", *map(str, ids), "--lake", str(lake_copy)]) == 0
    assert "not together: a decision says that they share only a part" in capsys.readouterr().out

    assert make_report(lake_copy, tmp_path / "after") == 0
    text = (tmp_path / "after" / "queue-decisions.js").read_text(encoding="ascii")
    (past,) = json.loads(text.removeprefix("ndvr.addDecisions(").removesuffix(");\n"))
    assert [past["left_id"], past["right_id"], past["verdict"], past["decided_by"]] == [
        *sorted(map(str, ids)),
        "part",
        "ann",
    ]
