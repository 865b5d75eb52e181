"""What a stage is, and how one is run: read, build, check the contract, write, record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pyspark.sql import DataFrame

from jobs.contracts.run_log import log
from jobs.lake.session import named_jobs

if TYPE_CHECKING:
    from jobs.contracts.run import Run
    from jobs.contracts.table import Table
    from jobs.lake.lake import Lake

Inputs: TypeAlias = Mapping[str, DataFrame]


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline: it builds one table from others.

    Attributes:
        builds: the table it builds.
        reads: names of the inputs that `build` uses.
        build: pure function (inputs, run) -> rows of the table; it neither reads nor writes tables.
        is_published: people query the table, so it changes only after all stages and audits of a run.
        is_journal: of the published tables it is committed first, so that a run that is killed in between leaves it
            ahead of them and never behind.
        is_transient: the table lives in the staging area alone, for the stages that follow.
        is_staged: rows are written to the staging area first. False only where `build` merely filters and joins what
            is stored already, so that running it twice costs little and gives the same.
        within: an input that names the keys the build is about; rows of other keys are left as they are, whoever has
            written them. None where it is about all.
    """

    builds: Table
    reads: tuple[str, ...]
    build: Callable[[Inputs, Run], DataFrame]
    is_published: bool = False
    is_journal: bool = False
    is_transient: bool = False
    is_staged: bool = True
    within: str | None = None

    @property
    def name(self) -> str:
        """The table's name is the stage's."""
        return self.builds.name


@dataclass(frozen=True)
class Loop:
    """Stages that are run again and again, in batches, until the first of them yields no rows."""

    stages: tuple[Stage, ...]


@dataclass
class StageRecord:
    """What a stage did in this run: a row of `runs`."""

    stage: str
    status: str
    seconds: float
    num_rows: int | None = None
    input_versions: dict[str, int] = field(default_factory=dict)
    input_rows: dict[str, int] = field(default_factory=dict)
    output_version: int | None = None
    error_counts: dict[str, int] = field(default_factory=dict)
    error_detail: str | None = None
    search_plan: str | None = None
    search_recall: float | None = None
    audit_values: dict[str, float] | None = None


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
