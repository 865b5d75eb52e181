"""`ndvr calibrate --decisions` on a described lake."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.config.settings import Config
from jobs.contracts.run import find_configured_model
from jobs.lake.lake import Lake
from jobs.tables import answers, decisions
from jobs.training import calibrate_decisions
from jobs.training.judged_pairs import read_judged_pairs
from jobs.training.recalibration import LogitMap, Recalibration
from models.artefact import CARD_FILE, TENSORS_FILE, ModelCard
from tests.support.lakes import read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

NOW = datetime(2024, 5, 2, tzinfo=UTC)


def run(capsys: pytest.CaptureFixture[str], lake: Path, model: Path) -> tuple[int, str]:
    capsys.readouterr()
    code = run_command(app, ["calibrate", "--lake", str(lake), "--model", str(model), "--decisions"])
    return code, capsys.readouterr().err


def write_answers(lake: Lake, pairs: list[tuple[str, str]], verdict: str) -> None:
    lake.create(answers.TABLE)
    rows = [("s", *pair, verdict, "ann", NOW, None) for pair in pairs]
    lake.append(answers.TABLE, lake.spark.createDataFrame(rows, answers.TABLE.schema))


def test_the_verifier_is_refitted_on_judged_pairs_from_its_prior_or_refused(
    spark: SparkSession,
    lake_copy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lake, model = Lake(spark, str(lake_copy)), tmp_path / "model"
    code, error = run(capsys, lake_copy, model)
    assert code == 2
    assert "no pair is judged in " in error

    videos = sorted(row["video_id"] for row in read_rows(lake_copy, "descriptors"))
    copies = [(row["left_id"], row["right_id"]) for row in read_rows(lake_copy, "pairs")]
    others = [pair for pair in combinations(videos, 2) if pair not in copies]
    write_answers(lake, others, "not_duplicate")
    lake.create(decisions.TABLE)
    decided = [(*pair, "duplicate", False, "ann", NOW, None) for pair in copies]
    lake.append(decisions.TABLE, spark.createDataFrame(decided, decisions.TABLE.schema))
    found = read_judged_pairs(lake, find_configured_model(Config()).model_id, Config())
    assert found.num_judged == len(copies) + len(others)
    assert int(found.is_positive.sum()) == len(copies)
    assert len(set(found.groups[found.is_positive])) > 1

    code, error = run(capsys, lake_copy, model)
    assert code == 2
    assert "at least 20 pairs, 5 of each kind and two clusters are needed" in error or "was not refitted" in error
    worse = Recalibration(LogitMap(0.5, 1.0), 0.4, 0.5)
    monkeypatch.setattr(calibrate_decisions, "recalibrate", lambda *_: worse)
    code, error = run(capsys, lake_copy, model)
    assert code == 2
    assert (
        "the verifier was not refitted: it would predict no better (log loss on held-out clusters 0.4000 before"
        in error
    )
    assert not model.exists()

    shipped = find_configured_model(Config()).verifier
    assert shipped is not None
    monkeypatch.setattr(calibrate_decisions, "recalibrate", lambda *_: Recalibration(LogitMap(0.5, 2.0), 0.5, 0.4))
    for _ in range(2):  # the second calibration starts from the shipped verifier too
        code, error = run(capsys, lake_copy, model)
        assert code == 0, error
        card = ModelCard.from_json((model / CARD_FILE).read_bytes())
        assert card.verifier is not None
        assert card.verifier.intercept == pytest.approx(0.5 + 2 * shipped.intercept)
        assert card.verifier.slope == pytest.approx(2 * shipped.slope)
        assert card.verifier.min_probability == shipped.min_probability
        assert card.verifier.trees == shipped.trees
        assert card.metrics["decisions"]["prior"]["intercept"] == shipped.intercept
    assert (model / TENSORS_FILE).is_file()
    settings = Config.model_validate({"embeddings": {"artefact_dir": str(model)}})
    assert find_configured_model(settings).model_id == find_configured_model(Config()).model_id


def test_a_truth_and_decisions_exclude_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["calibrate", "--lake", str(tmp_path), "--model", str(tmp_path), "--decisions", "--truth", "t.csv"]
    assert run_command(app, arguments) == 2
    assert "--decisions uses the decisions and answers of the lake: pass it without --truth" in capsys.readouterr().err
