"""`ndvr sample` and `ndvr estimate` on a described lake: strata, blind lists, answers, estimates and the gate."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.errors import QualityError
from jobs.estimation.frame import find_rejected
from jobs.estimation.published import read_published_run
from jobs.lake.lake import Lake
from jobs.tables import estimates, samples
from tests.support.lakes import read_rows, run_night

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described

COPIES = {("a-checker-caption", "checker"), ("checker", "checker-webm"), ("a-discs-small", "discs"),
          ("a-checker-caption", "checker-webm"), ("stripes", "stripes-low")}  # fmt: skip


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run_command(app, arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def draw(capsys: pytest.CaptureFixture[str], lake: Path, out: Path, *more: str) -> dict[str, Any]:
    code, printed, error = run(
        capsys, "sample", "--lake", str(lake), "--out", str(out), "--pairs", "12", "--json", *more
    )
    assert code == 0, error
    drawn: dict[str, Any] = json.loads(printed)
    return drawn


def answer(out: Path, *, all_are: str | None = None) -> Path:
    """Fill in the list of pairs by what the catalogue planted."""
    with (out / "pairs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        is_copy = (row["left_id"], row["right_id"]) in COPIES
        row["verdict"] = all_are or ("duplicate" if is_copy else "not_duplicate")
    answered = out / "answered.csv"
    with answered.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return answered


def estimate(capsys: pytest.CaptureFixture[str], lake: Path, *more: str) -> dict[str, Any]:
    code, printed, error = run(capsys, "estimate", "--lake", str(lake), "--json", *more)
    assert code == 0, error
    found: dict[str, Any] = json.loads(printed)
    return found


def test_a_sample_is_blind_and_its_answers_give_precision_and_recall(
    spark: SparkSession, lake_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sample"
    drawn = draw(capsys, lake_copy, out)
    rows = read_rows(lake_copy, "samples")
    assert {(row["left_id"], row["right_id"]) for row in rows if row["is_published"]} == COPIES
    assert {row["stratum"] for row in rows if row["relation"] and not row["is_published"]} == {"rejected"}
    assert drawn["num_pairs"] == len(rows) == drawn["num_unanswered"]
    assert drawn["num_searched"] == drawn["num_videos"]
    sizes = {row["stratum"]: (row["stratum_size"], row["stratum_size_variance"]) for row in rows}
    assert sizes == {part["stratum"]: (float(part["num_pairs"]), 0.0) for part in drawn["strata"]}
    assert (out / "queue.html").is_file()
    text = (out / "pairs.csv").read_text(encoding="utf-8")
    assert text.startswith("sample_id,left_id,right_id,verdict,note,left_uri,right_uri\n")
    assert "in duplicates" not in text

    again = draw(capsys, lake_copy, tmp_path / "again")
    assert again["strata"] == drawn["strata"]
    pairs = {(row["sample_id"], row["left_id"], row["right_id"]) for row in read_rows(lake_copy, "samples")}
    by_sample = [{pair[1:] for pair in pairs if pair[0] == name} for name in {pair[0] for pair in pairs}]
    assert len(by_sample) == 2
    assert by_sample[0] == by_sample[1]

    found = estimate(capsys, lake_copy, "--answers", str(answer(out)), "--by", "ann")
    assert found["num_written"] == len(rows)
    assert found["pairs_precision"]["value"] == found["duplicates_precision"]["value"] == 1.0
    assert found["recall"]["value"] == 1.0
    assert {row["answered_by"] for row in read_rows(lake_copy, "answers")} == {"ann"}
    code, printed, _ = run(capsys, "estimate", "--lake", str(lake_copy))
    assert code == 0
    assert f"{len(rows)} of {len(rows)} pairs have an answer" in printed
    assert "precision of pairs        1 (1 to 1), 5 answers" in printed
    third = draw(capsys, lake_copy, tmp_path / "third", "--seed", "5")
    of_third = {
        (row["left_id"], row["right_id"])
        for row in read_rows(lake_copy, "samples")
        if row["sample_id"] == third["sample_id"]
    }
    assert third["num_unanswered"] == len(of_third - by_sample[0])
    stored = estimates.read_last_estimate(Lake(spark, str(lake_copy)), rows[0]["model_id"])
    assert stored is not None
    assert stored.pairs_precision == estimates.Share(1.0, 1.0, 1.0, 5)
    assert stored.num_answers == len(rows)


@pytest.mark.slow
def test_a_run_without_a_sufficient_estimate_publishes_nothing(
    described: Described, lake_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"quality": {"min_precision": 0.9}}
    with pytest.raises(QualityError, match=r"missing_estimates 1: precision has not been measured for this model"):
        run_night(described.manifest, lake_copy, settings)
    out = tmp_path / "sample"
    draw(capsys, lake_copy, out)
    estimate(capsys, lake_copy, "--answers", str(answer(out, all_are="not_duplicate")), "--by", "ann")
    with pytest.raises(QualityError, match=r"false_fraction 1: precision is 0 \(0 to .*min_precision is 0.9"):
        run_night(described.manifest, lake_copy, settings)
    estimate(capsys, lake_copy, "--answers", str(answer(out)), "--by", "bob")
    capsys.readouterr()
    results = run_night(described.manifest, lake_copy, settings).results
    assert results is not None
    assert results.estimate is not None
    printed = capsys.readouterr().err.splitlines()
    assert printed[-2].startswith("+0 duplicates, -0, 0 decisions obeyed, ")
    assert printed[-2].endswith("to review, precision 1 (1 to 1; 4 pairs, today)")
    assert printed[-1] == (
        f"ndvr report --lake {lake_copy} --out ndvr-report && xdg-open ndvr-report/index.html"
    )  # fmt: skip


def test_the_summary_of_the_first_run_says_what_it_added(described: Described) -> None:
    (file,) = (described.lake / "_logs").glob("*.summary.json")
    results = json.loads(file.read_text(encoding="utf-8"))["results"]
    assert results["num_added"] == len(read_rows(described.lake, "duplicates"))
    assert (results["num_removed"], results["num_obeyed"], results["estimate"]) == (0, 0, None)
    assert results["reclaimable_bytes"] > 0


def test_invalid_usage_is_explained(
    spark: SparkSession, lake_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("sample_id,left_id,right_id,verdict\ns,checker,discs,part\n", encoding="utf-8")
    options = ("--lake", str(lake_copy))
    assert run(capsys, "estimate", *options, "--answers", str(file))[2] == (
        "ndvr: pass the name of the person who answered: --by NAME\n"
    )
    by = ("--answers", str(file), "--by", "ann")
    assert "no table samples in " in run(capsys, "estimate", *options, *by)[2]
    Lake(spark, str(lake_copy)).create(samples.TABLE)
    code, _, error = run(capsys, "estimate", *options, *by)
    assert code == 2
    assert "nothing was written: these pairs are not in the sample that they name; pass the lake of that" in error
    assert "\n  s checker discs\n" in error
    assert "no pair of a sample has an answer: pass a file of answers" in run(capsys, "estimate", *options)[2]
    assert "no sample s in " in run(capsys, "estimate", *options, "--sample", "s")[2]
    other = tmp_path / "other.yaml"
    other.write_text("embeddings:\n  method: averaged\n", encoding="utf-8")
    out = tmp_path / "out"
    code, _, error = run(capsys, "sample", *options, "--out", str(out), "--config", str(other))
    assert code == 2
    assert ", and the settings name averaged-" in error
    assert not out.exists(), "a refused command changes nothing"
    out.mkdir()
    (out / "pairs.csv").write_text("sample_id,left_id,right_id,verdict\ns,checker,discs,part\n", encoding="utf-8")
    code, _, error = run(capsys, "sample", *options, "--out", str(out))
    assert code == 2
    assert "has answers: import them with ndvr estimate --answers, then move the file" in error


def test_rejected_candidates_of_some_videos_are_found_again(spark: SparkSession, described: Described) -> None:
    lake = Lake(spark, str(described.lake))
    published = read_published_run(lake, None)
    assert published.verifier is not None
    open_to_all = replace(published.verifier, min_open_probability=0.0)
    config = published.config.model_copy(
        update={"pairs": published.config.pairs.model_copy(update={"min_candidate_similarity": -1.0})}
    )

    def find(num_videos: int) -> tuple[set[tuple[str, str]], set[str], int]:
        found = find_rejected(lake, published.model.model_id, open_to_all, config, num_videos, 0)
        rows = found.rows.collect()
        assert all(row["owner_id"] in {row["left_id"], row["right_id"]} for row in rows)
        assert all(row["match_probability"] < published.min_probability for row in rows)
        pairs = {(row["left_id"], row["right_id"]) for row in rows}
        return pairs, {row["owner_id"] for row in rows}, found.num_searched

    everything, _, num_videos = find(100)
    assert ("a-checker-caption", "tiles") in everything
    assert not everything & COPIES
    some, owners, num_searched = find(3)
    assert (num_videos, num_searched) == (9, 3)
    assert some <= everything
    assert len(owners) <= 3
