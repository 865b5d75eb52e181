"""runs: what each stage of each run did; for skipping, auditing and asking how long things take."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jobs.contracts.run import CODE_VERSION
from jobs.contracts.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.contracts.run import Run
    from jobs.contracts.stage import StageRecord

TABLE = Table(
    name="runs",
    grain="A stage of a run",
    key=("run_id", "stage"),
    num_indexed_columns=6,
    checks={"status_is_known": "status IN ('done', 'skipped', 'failed')"},
    ddl="""
        run_id STRING NOT NULL COMMENT 'starts with the UTC time of the run',
        stage STRING NOT NULL COMMENT 'the table that the stage builds, or for a whole job: run (nightly), backfill',
        status STRING NOT NULL COMMENT 'done, skipped (nothing to do) or failed',
        run_date DATE NOT NULL COMMENT 'the night, as the scheduler counts nights',
        started_at TIMESTAMP NOT NULL COMMENT 'UTC',
        seconds DOUBLE NOT NULL COMMENT 'wall-clock time of the stage',
        num_rows BIGINT COMMENT 'rows that the stage built; null where it was skipped or failed',
        config_fingerprint STRING NOT NULL COMMENT 'changes whenever a setting or the calibration of the model does',
        code_version STRING NOT NULL COMMENT 'of ndvr',
        model_id STRING NOT NULL COMMENT 'the embedding model in use',
        input_versions MAP<STRING, BIGINT> NOT NULL COMMENT 'Delta version of each table that was read',
        input_rows MAP<STRING, BIGINT> COMMENT 'rows of each table that was read, when the stage had read it',
        output_version BIGINT COMMENT 'Delta version of the table after the stage',
        error_counts MAP<STRING, BIGINT> NOT NULL COMMENT 'videos quarantined by error_code',
        error_detail STRING COMMENT 'why the stage failed, or which audits tripped and were overruled',
        search_plan STRING COMMENT 'of pairs: exact, cells, incremental or inverted_index',
        search_recall DOUBLE COMMENT 'of pairs: share of them that cells found, in [0, 1], estimated; null where exact',
        audit_values MAP<STRING, DOUBLE> COMMENT 'values that the audits measured, on the row of the whole job',
        config STRING COMMENT 'all settings as JSON, on the row of the whole job'
    """,
)


def make_rows(records: Sequence[StageRecord], run: Run) -> list[dict[str, Any]]:
    """Make the table's rows of what the stages of a run did. Runs on: driver."""
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
