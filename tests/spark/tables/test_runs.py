"""Which model is in use: every command, view and export gives the same answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobs.commands.compare_models import choose_old
from jobs.commands.evaluate import evaluate_lake
from jobs.commands.open_lake import open_lake
from jobs.commands.why import explain
from jobs.config.operation import MaintenanceConfig
from jobs.evaluation.truth import load_truth
from jobs.lake.lake import Lake
from jobs.maintenance.expiry import expire_models
from jobs.pipeline import TABLES
from jobs.review.overview import read_history
from jobs.sharing.selection import choose_model
from jobs.sharing.views import add_temp_views
from jobs.tables import embeddings, pairs, runs
from jobs.views.queries import VIEW_NAMES
from tests.support.lakes import TINY, make_run
from tests.support.written_lake import MODEL, append_rows, write_lake

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

_THIRD, _FOURTH, _FIFTH, _SIXTH = (f"2024010{day}T020000Z-cccccc" for day in (3, 4, 5, 6))


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake whose model was changed and changed back; its newest runs failed or were backfills of other models.

    The newest row of `pairs` belongs to a failed run, and the newest of a published run to the model that was replaced:
    the last published run changed no pair.
    """
    folder = write_lake(spark, tmp_path_factory.mktemp("models") / "lake")
    lake = open_lake(str(folder))
    append_rows(
        lake,
        runs.TABLE,
        [
            _record(_THIRD, "run", "done", "replaced-v1"),
            _record(_FOURTH, "run", "done", MODEL),
            _record(_FIFTH, "run", "failed", "failed-v1"),
            _record(_SIXTH, "backfill", "done", "filled-v1"),
        ],
    )
    pair = {"left_id": "rome", "right_id": "tides", "relation": "copy", "match_probability": 1.0}
    models = {"replaced-v1": _THIRD, "failed-v1": _FIFTH}
    append_rows(lake, pairs.TABLE, [pair | {"model_id": name, "run_id": run_id} for name, run_id in models.items()])
    segment = {"video_id": "rome", "start_seconds": 0.0, "end_seconds": 1.0, "model_id": MODEL}
    append_rows(lake, embeddings.TABLE, [segment])
    return lake


def _record(run_id: str, stage: str, status: str, model_id: str) -> dict[str, Any]:
    started_at = datetime.strptime(run_id[:8], "%Y%m%d").replace(tzinfo=UTC)
    return {"run_id": run_id, "stage": stage, "status": status, "model_id": model_id, "started_at": started_at}


def test_the_model_in_use_is_that_of_the_newest_published_run(lake: Lake) -> None:
    assert runs.find_model_in_use(lake) == MODEL


def test_commands_and_exports_use_the_model_in_use(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("left_id,right_id,relation\nrome,rome-again,copy\n", encoding="utf-8")
    run = make_run(lake.spark, tmp_path / "manifest.csv", TINY)
    found = {
        "compare-models": choose_old(lake, run, None),
        "evaluate": evaluate_lake(lake, load_truth(tmp_path / "truth.csv"))[0],
        "export-vectors": choose_model(lake, None),
        "report": read_history(lake, None)[0].model_id,
        "why": explain(lake, "rome", "rome-again", ("copy",)).model_id,
    }
    assert found == dict.fromkeys(found, MODEL)


def test_views_show_the_model_in_use(lake: Lake) -> None:
    add_temp_views(lake.spark, " ".join(VIEW_NAMES), {table.name for table in TABLES})
    for name in ("review_queue", "current_duplicates", "biggest_clusters"):
        assert lake.spark.table(name).count() > 0, name
    shown = {(row["left_id"], row["right_id"]) for row in lake.spark.table("review_queue").collect()}
    assert ("rome", "tides") not in shown
    assert lake.spark.table("new_duplicates").count() == 0, "the newest published run changed no pair"


def test_maintenance_keeps_the_model_in_use(lake: Lake, tmp_path: Path) -> None:
    run = make_run(lake.spark, tmp_path / "manifest.csv", TINY)
    other = replace(run.model, model_id="configured-v1")
    later = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=1000)
    gone = expire_models(lake, other, MaintenanceConfig(), later)
    expired = {deletion.table.name: deletion.what for deletion in gone}
    assert expired["pairs"] == "rows of failed-v1, replaced-v1"
    assert "embeddings" not in expired


def test_a_lake_without_a_published_run_has_no_model_in_use(spark: SparkSession, tmp_path: Path) -> None:
    empty = Lake(spark, str(tmp_path / "lake"))
    assert runs.find_model_in_use(empty) is None
    empty.create(runs.TABLE)
    append_rows(empty, runs.TABLE, [_record(_FIFTH, "run", "failed", "failed-v1")])
    assert runs.find_model_in_use(empty) is None
