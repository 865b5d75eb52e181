"""Runs one stage: read, build, check the contract, write, record."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jobs.contracts.run_log import log
from jobs.contracts.stage import Built, StageRecord
from jobs.lake.session import named_jobs
from jobs.tables import attempts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame, Row

    from jobs.contracts.run import Run
    from jobs.contracts.stage import Stage
    from jobs.lake.lake import Lake


def run_stage(stage: Stage, lake: Lake, run: Run, batch: int | None = None) -> StageRecord:
    """Build a stage's rows and stage them; commit them immediately unless they are published or transient.

    Runs on: driver.

    Args:
        stage: what to run.
        lake: where it reads and writes.
        run: identity and settings.
        batch: number of the batch, from 1, for a stage that runs in batches.

    Raises:
        ContractError: the rows break the table's contract; none of them is committed.
    """
    started = time.monotonic()
    label = stage.name if batch is None else f"{stage.name}, batch {batch}"
    with run.progress.show(stage.name):
        with named_jobs(lake.spark, run, f"{label}: build"):
            built = Built.of(stage.build({name: lake.read(name) for name in stage.reads}, run))
            rows = lake.stage(stage.builds, built.rows, run) if stage.is_staged else built.rows
        with named_jobs(lake.spark, run, f"{label}: check"):
            num_rows = lake.count_checked(stage.builds, rows)
        is_kept = not stage.is_published and not stage.is_transient
        if is_kept and (num_rows or stage.builds.is_replaced):
            with named_jobs(lake.spark, run, f"{label}: commit"):
                _commit(stage, lake, rows, run)
        elif is_kept:
            lake.unstage(stage.builds)  # otherwise later stages would read an empty table instead of the stored one
    seconds = time.monotonic() - started
    log.info("stage done", stage=stage.name, num_rows=num_rows, seconds=round(seconds, 3))
    return StageRecord(
        stage.name,
        "done",
        seconds,
        num_rows,
        search_plan=built.search_plan,
        search_recall=built.search_recall,
        unseen_pairs=dict(built.unseen_pairs),
    )


def _commit(stage: Stage, lake: Lake, rows: DataFrame, run: Run) -> None:
    """Merge the rows of a stage into its table, or append them; then `lake.read` returns the stored table again."""
    if stage.is_appended:
        lake.append(stage.builds, rows, run)
        lake.unstage(stage.builds)
    else:
        lake.merge(stage.builds, rows, run, within=None if stage.within is None else lake.read(stage.within))


def provide_batch(lake: Lake, run: Run, due: Sequence[Row]) -> None:
    """Provide a batch of videos to the stages that describe, as the input `due`. Runs on: driver.

    Args:
        lake: lake of the run.
        run: identity and settings.
        due: one row per video, with video_id and uri; at least one.
    """
    run.progress.expect(len(due))
    lake.provide("due", attempts.make_requests(lake.spark, due, run.config.describe.videos_per_task))
