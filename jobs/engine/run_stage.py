"""Runs one stage: read, build, check the contract, write, record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jobs.contracts.run_log import log
from jobs.contracts.stage import StageRecord
from jobs.lake.session import named_jobs

if TYPE_CHECKING:
    from jobs.contracts.run import Run
    from jobs.contracts.stage import Stage
    from jobs.lake.lake import Lake


def run_stage(stage: Stage, lake: Lake, run: Run, batch: int | None = None) -> StageRecord:
    """Build a stage's rows and stage them; commit them at once unless they are published or transient.

    Runs on: driver. Where the stage is run in batches, `batch` is the number of this one, from 1.

    Raises:
        ContractError: the rows break the table's contract; nothing of them is committed.
    """
    started = time.monotonic()
    label = stage.name if batch is None else f"{stage.name}, batch {batch}"
    with run.progress.show(stage.name):
        with named_jobs(lake.spark, run, f"{label}: build"):
            rows = stage.build({name: lake.read(name) for name in stage.reads}, run)
            if stage.is_staged:
                rows = lake.stage(stage.builds, rows, run)
        with named_jobs(lake.spark, run, f"{label}: check"):
            num_rows = lake.count_checked(stage.builds, rows)
        is_kept = not stage.is_published and not stage.is_transient
        if is_kept and (num_rows or stage.builds.is_replaced):
            with named_jobs(lake.spark, run, f"{label}: commit"):
                lake.merge(stage.builds, rows, run, within=None if stage.within is None else lake.read(stage.within))
        elif is_kept:
            lake.unstage(stage.builds)  # else the stages that follow would read no rows as the whole table
    findings = run.findings.get(stage.name, {})
    record = StageRecord(stage.name, "done", time.monotonic() - started, num_rows, **findings)
    log.info("stage done", stage=stage.name, num_rows=num_rows, seconds=round(record.seconds, 3))
    return record
