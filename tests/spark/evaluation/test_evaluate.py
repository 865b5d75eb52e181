"""`evaluate` on a small lake with pairs and clusters that can be checked by hand."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from jobs.commands.command_line import run_command
from jobs.commands.evaluate import app
from jobs.lake.lake import Lake
from jobs.tables import clusters, manifest, pairs, runs
from tests.support.written_lake import append_rows

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from jobs.contracts.table import Table

HEADER = (
    "left_id,right_id,relation,transform,left_start_seconds,left_end_seconds,right_start_seconds,right_end_seconds\n"
)
TRUTH = (
    HEADER + "b,a,copy,flip,0,4,0,4\na,c,copy,crop,,,,\nd,e,partial,trim,0,2,6,8\na,f,ignore,,,,,\nz,a,copy,flip,,,,\n"
)
FIVR = {"a": {"ND": ["b"], "DS": ["c"]}, "d": {"IS": ["e", "z"]}}


def pair(left: str, right: str, probability: float, bounds: tuple[float, ...], **other: Any) -> dict[str, Any]:
    row = dict(
        zip(("left_start_seconds", "left_end_seconds", "right_start_seconds", "right_end_seconds"), bounds, strict=True)
    )
    facts = {"relation": "copy", "left_coverage": 1.0, "right_coverage": 1.0, "alignment_similarity": None}
    ids = {"left_id": left, "right_id": right, "model_id": "new", "run_id": "2024-05-02"}
    return ids | row | facts | {"match_probability": probability, "cosine_similarity": 0.9} | other


PAIRS = [
    pair("a", "b", 1.0, (0.0, 4.0, 0.0, 4.0)),
    pair("a", "f", 1.0, (0.0, 9.0, 0.0, 9.0)),
    pair("a", "g", 1.0, (0.0, 4.0, 0.0, 4.0), cosine_similarity=0.8),
    pair("d", "e", 0.6, (0.0, 2.0, 0.0, 2.0)),
    pair("a", "c", 0.99, (0.0, 4.0, 0.0, 4.0), model_id="old", run_id="2024-05-01"),
]
MEMBERS = [("a", "a", "new"), ("b", "a", "new"), ("g", "a", "new"), ("a", "a", "old"), ("c", "a", "old")]


def write_table(lake: Lake, table: Table, rows: list[dict[str, Any]]) -> None:
    lake.create(table)
    filled = lake.spark.createDataFrame(
        [tuple(row.get(f.name) for f in table.schema.fields) for row in rows], table.schema
    )
    filled.write.format("delta").mode("append").save(lake.path(table.name))


def write_manifest(lake: Lake) -> None:
    nothing = dict.fromkeys(field.name for field in manifest.TABLE.schema.fields)
    facts = nothing | {"run_id": "r", "attributes": {}}
    write_table(lake, manifest.TABLE, [facts | {"video_id": video_id} for video_id in "abcdefg"])


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluated") / "lake"
    lake = Lake(spark, str(folder))
    write_manifest(lake)
    write_table(lake, pairs.TABLE, PAIRS)
    facts = {"is_keeper": False, "keeper_reason": "", "joined_by": None, "run_id": "r"}
    members = [{"video_id": v, "cluster_id": c, "model_id": m, **facts} for v, c, m in MEMBERS]
    write_table(lake, clusters.TABLE, members)
    lake.create(runs.TABLE)
    append_rows(lake, runs.TABLE, [{"run_id": "2024-05-02", "stage": "run", "status": "done", "model_id": "new"}])
    return folder


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    (tmp_path / "truth.csv").write_text(TRUTH, encoding="utf-8")
    return tmp_path / "truth.csv"


def run(lake: Path, truth: Path, *options: str) -> int:
    return run_command(app, ["--lake", str(lake), "--truth", str(truth), *options])


def test_the_model_in_use_is_evaluated(lake: Path, truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lake, truth, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model_id"], found["num_videos"], found["num_truth_pairs"], found["num_left_out"]) == ("new", 7, 5, 1)
    # Ranking: ab true, ag false (its cosine is lower), de true. ac is not found.
    assert found["pairs"]["average_precision"] == pytest.approx((1 + 2 / 3) / 3)
    assert (found["pairs"]["precision"], found["pairs"]["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    # Segments: ab is correct. ag is false. de does not overlap, because its true segment is elsewhere in e.
    assert found["segments"]["precision"] == pytest.approx(4 / 10 * 4 / 10)
    assert found["segments"]["within_tolerance_fraction"] == 0.5
    # Clusters: a, b, g. g is wrong and c is missing.
    assert found["clusters"]["precision"] == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 4) / 7)
    assert found["clusters"]["recall"] == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 4) / 7)


def test_a_model_and_a_threshold_can_be_chosen(lake: Path, truth: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lake, truth, "--json", "--model-id", "old") == 0
    assert json.loads(capsys.readouterr().out)["pairs"]["recall_by_relation"] == {"copy": 0.5, "partial": 0.0}
    assert run(lake, truth, "--json", "--min-probability", "0.61") == 0
    assert json.loads(capsys.readouterr().out)["pairs"]["num_found"] == 2


def test_figures_are_printed_as_a_table_and_written_to_files(
    lake: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lake, truth, "--out", str(tmp_path / "out")) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = {line.split("│")[1].strip(): line.split("│")[2].strip() for line in lines if line.startswith("│")}
    assert lines[0].strip() == "new by truth.csv"
    assert cells["truth pairs left out"] == "1"
    assert (cells["pairs: precision"], cells["recall of flip"], cells["recall of crop"]) == (
        "0.6667",
        "1.0000",
        "0.0000",
    )
    assert cells["clusters: B-cubed F1"] == "0.8095"
    assert cells["segments: correct bounds"] == "0.5000"
    assert json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))["pairs"]["num_found"] == 3
    with (tmp_path / "out" / "per_transform.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            ["transform", "num_pairs", "num_found", "recall"],
            ["crop", "1", "0", "0.0"],
            ["flip", "1", "1", "1.0"],
            ["trim", "1", "1", "1.0"],
        ]


def test_a_published_truth_of_queries_gives_map(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "annotation.json"
    path.write_text(json.dumps(FIVR), encoding="utf-8")
    assert run(lake, path, "--format", "fivr", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    # Results of a: b and f with equal scores, then g; c is not found. Result of d: e.
    assert found["mean_average_precision"] == pytest.approx({"dsvr": 0.25, "csvr": 0.25, "isvr": (0.25 + 1) / 2})
    assert (found["num_queries"], found["pairs"], found["num_left_out"]) == ({"dsvr": 1, "csvr": 1, "isvr": 2}, None, 1)
    assert run(lake, path, "--format", "fivr") == 0
    assert "mAP isvr" in capsys.readouterr().out


def test_nothing_is_found_in_a_lake_without_pairs(
    spark: SparkSession, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake(spark, str(tmp_path / "lake"))
    write_manifest(lake)
    lake.create(pairs.TABLE)
    assert run(tmp_path / "lake", truth) == 2
    assert capsys.readouterr().err.startswith("ndvr: no table clusters in '")
    lake.create(clusters.TABLE)
    assert run(tmp_path / "lake", truth) == 0
    assert "no pairs by truth.csv" in capsys.readouterr().out


def test_errors_are_printed_in_one_line(
    lake: Path, truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(lake, truth, "--model-id", "none") == 2
    message = f"ndvr: --model-id 'none' has no pairs in '{lake}'; models with pairs: new, old\n"
    assert capsys.readouterr().err == message
    assert run(lake, tmp_path / "missing.csv") == 2
    assert "does not exist; give --truth an existing file" in capsys.readouterr().err
    truth.write_text("left_id,right_id,relation\nx,y,copy\n", encoding="utf-8")
    assert run(lake, truth) == 3
    assert "the truth has no positive pairs among the 7 videos; 1 of its 1 pairs" in capsys.readouterr().err
    assert run(lake, truth, "--min-probability", "2") == 2
    assert run(lake, truth, "--format", "xml") == 2
