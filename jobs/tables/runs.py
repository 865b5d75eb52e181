"""runs: a record of each stage of each run, used to skip stages, to audit and to measure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs.contracts.published_runs import IS_PUBLISHED, MODEL_IN_USE
from jobs.contracts.run import CODE_VERSION
from jobs.contracts.table import Table
from jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.contracts.run import Run
    from jobs.contracts.stage import StageRecord
    from jobs.lake.lake import Lake

TABLE = Table(
    name="runs",
    grain="A stage of a run",
    key=("run_id", "stage"),
    num_indexed_columns=6,
    checks={"status_is_known": "status IN ('done', 'skipped', 'failed')"},
    ddl="""
        run_id STRING NOT NULL COMMENT 'starts with the UTC time of the run',
        stage STRING NOT NULL COMMENT 'the table that the stage builds; run or backfill for the row of the whole job',
        status STRING NOT NULL COMMENT 'done, skipped (nothing to do) or failed',
        run_date DATE NOT NULL COMMENT 'date of the run, set by the scheduler',
        started_at TIMESTAMP NOT NULL COMMENT 'start of the run, UTC',
        seconds DOUBLE NOT NULL COMMENT 'wall-clock time of the stage',
        num_rows BIGINT COMMENT 'rows that the stage built; null if it was skipped or failed',
        config_fingerprint STRING NOT NULL COMMENT 'changes with any setting and with the calibration of the model',
        code_version STRING NOT NULL COMMENT 'version of ndvr',
        model_id STRING NOT NULL COMMENT 'the embedding model in use',
        input_versions MAP<STRING, BIGINT> NOT NULL COMMENT 'Delta version of each table that the stage read',
        input_rows MAP<STRING, BIGINT> COMMENT 'rows of each table that the stage read',
        output_version BIGINT COMMENT 'Delta version of the table after the stage',
        error_counts MAP<STRING, BIGINT> NOT NULL COMMENT 'number of quarantined videos by error_code',
        error_detail STRING COMMENT 'why the stage failed, or the failed audits that were overridden',
        search_plan STRING COMMENT 'plan of the stage pairs: exact, cells, incremental or inverted_index',
        search_recall DOUBLE COMMENT 'estimated share of candidates that cells found, in [0, 1]; null if exact',
        unseen_pairs MAP<STRING, BIGINT> COMMENT 'pairs without a second look, by error_code of the unreadable file',
        audit_values MAP<STRING, DOUBLE> COMMENT 'values measured by the audits; only on the row of the whole job',
        config STRING COMMENT 'all settings as JSON; only on the row of the whole job'
    """,
)


def make_rows(records: Sequence[StageRecord], run: Run) -> list[dict[str, Any]]:
    """Make the table's rows from the records of a run's stages. Runs on: driver."""
    shared = {
        "run_id": run.run_id,
        "run_date": run.run_date,
        "started_at": run.started_at,
        "config_fingerprint": run.fingerprint,
        "code_version": CODE_VERSION,
        "model_id": run.model.model_id,
    }
    config = run.config.model_dump_json()
    whole = ("run", "backfill")
    return [shared | asdict(record) | {"config": config if record.stage in whole else None} for record in records]


def find_model_in_use(lake: Lake) -> str | None:
    """Return the model in use: that of the newest published nightly run. Runs on: driver.

    Every command, view and export that is not given a model uses this one, so that they all describe the same rows.
    Failed runs and backfills do not count: they publish no pairs, clusters or duplicates. The newest row of `pairs`
    does not count either: a run that changes no pair leaves no row of its own.

    Returns:
        None if no run has been published.
    """
    if not lake.exists(TABLE):
        return None
    newest = lake.read(TABLE.name).where(IS_PUBLISHED).agg(F.expr(MODEL_IN_USE).alias("model_id"))
    model_id: str | None = newest.collect()[0]["model_id"]
    return model_id


def choose_model(lake: Lake, model_id: str | None) -> str:
    """Return the given model, or the model in use. Runs on: driver.

    Raises:
        UsageError: no model is given and no run has been published.
    """
    chosen = model_id or find_model_in_use(lake)
    if chosen is None:
        raise UsageError(f"no run has been published in {lake.root!r}; run ndvr nightly first")
    return chosen
