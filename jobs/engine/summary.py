"""One JSON object about a run, whether it ended well or not: what a scheduler, a dashboard or a person asks first."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from jobs.contracts.run import CODE_VERSION
from jobs.engine.metrics import push_summary
from jobs.engine.outcome import Outcome
from jobs.errors import NdvrError
from jobs.pipeline import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobs.config.settings import Config
    from jobs.contracts.stage import StageRecord

_PUBLISHED = {stage.name for stage in STAGES if stage.is_published}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageSummary(_Model):
    """What a stage did; the numbers of `runs`."""

    stage: str = Field(description="the table that it builds")
    status: Literal["done", "skipped"] = Field(description="skipped: nothing to do; a stage that failed is not listed")
    seconds: float = Field(description="wall-clock time")
    num_rows: int | None = Field(description="rows built; null where it was skipped")
    input_rows: dict[str, int] = Field(description="rows of each table that was read")
    rows_per_second: float | None = Field(description="rows built a second; null where it was skipped")
    search_plan: str | None = Field(description="of pairs: exact, cells, incremental or inverted_index")
    search_recall: float | None = Field(description="of pairs: share that cells found, estimated; null where exact")


class AuditSummary(_Model):
    """What an audit found. Audits with too little to judge by are not listed."""

    audit: str = Field(description="its name")
    value: float = Field(description="what was measured")
    limit: float = Field(description="it trips above this")
    setting: str = Field(description="the key of the config that sets the limit")
    is_tripped: bool = Field(description="the value is above the limit")
    what: str = Field(description="the measured numbers, in words")


class RunSummary(_Model):
    """A run. Fields may be added; one that is removed or changes its meaning raises `schema_version`."""

    schema_version: Literal[1] = Field(1, description="of these fields")
    run_id: str = Field(description="as in the table runs")
    run_date: date = Field(description="the night, as the scheduler counts nights")
    started_at: datetime = Field(description="UTC")
    seconds: float = Field(description="wall-clock time, Spark's start included")
    status: Literal["done", "failed"] = Field(description="done: the night is published")
    exit_code: int = Field(description="of the process: see the README")
    error: str | None = Field(description="why it failed: the error's class and message")
    manifest: str = Field(description="path or URI")
    lake: str = Field(description="path or URI")
    model_id: str | None = Field(description="the embedding model in use; null where the run came not so far")
    code_version: str = Field(description="of ndvr")
    config_fingerprint: str | None = Field(
        description="changes whenever a setting that decides rows does, or the model's calibration"
    )
    num_described: int = Field(description="videos described in this run")
    error_counts: dict[str, int] = Field(description="videos quarantined in this run, by error_code")
    stages: list[StageSummary] = Field(description="in the order of the pipeline, as far as it came")
    audits: list[AuditSummary] = Field(description="in the order in which they are done")
    is_overruled: bool = Field(description="audits tripped, and the night was published by --publish-anyway")
    published: dict[str, int] = Field(description="Delta version of each published table that this run built anew")


@dataclass
class RunSummaryWriter:
    """A run, as far as it has come: what its summary is made of. Runs on: driver.

    Attributes:
        run_id: of the run.
        run_date: the night.
        started_at: UTC.
        manifest: path or URI.
        lake: path or URI.
        config: validated settings.
        outcome: the runner's, once there is one.
        model_id: of the model in use, once it is known.
        fingerprint: of the run, likewise.
    """

    run_id: str
    run_date: date
    started_at: datetime
    manifest: str
    lake: str
    config: Config
    outcome: Outcome = field(default_factory=Outcome)
    model_id: str | None = None
    fingerprint: str | None = None

    @contextmanager
    def summarised(self, file: Path, *, as_json: bool = False) -> Iterator[None]:
        """Write the summary when the block ends, however it ends, and push it where the config says.

        Args:
            file: where it is written.
            as_json: write it to standard output too, on one line.
        """
        started = time.monotonic()
        failure: BaseException | None = None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            summary = self.summarise(time.monotonic() - started, failure)
            text = summary.model_dump_json()
            file.write_text(text + "\n", encoding="utf-8")
            if as_json:
                sys.stdout.write(text + "\n")
            push_summary(summary, self.config.metrics)

    def summarise(self, seconds: float, failure: BaseException | None) -> RunSummary:
        """Make the summary of a run that took so long and ended so."""
        outcome = self.outcome
        records = [record for record in outcome.records if record.output_version is not None]
        return RunSummary(
            run_id=self.run_id,
            run_date=self.run_date,
            started_at=self.started_at,
            seconds=round(seconds, 3),
            status="failed" if failure else "done",
            exit_code=_exit_code(failure),
            error=f"{type(failure).__name__}: {failure}" if failure else None,
            manifest=self.manifest,
            lake=self.lake,
            model_id=self.model_id,
            code_version=CODE_VERSION,
            config_fingerprint=self.fingerprint,
            num_described=outcome.num_described,
            error_counts=dict(outcome.error_counts),
            stages=[_summarise_stage(record) for record in outcome.records],
            audits=[
                AuditSummary(
                    audit=found.audit,
                    value=found.value,
                    limit=found.limit,
                    setting=found.setting,
                    is_tripped=found.is_tripped,
                    what=found.what,
                )
                for found in outcome.findings
            ],
            is_overruled=outcome.overruled is not None,
            published={r.stage: r.output_version for r in records if r.stage in _PUBLISHED and r.output_version},
        )


def _exit_code(failure: BaseException | None) -> int:
    """Return the exit code of a failure, as `jobs.commands.command_line` does; 1 for an unexpected error."""
    if failure is None:
        return 0
    return failure.exit_code if isinstance(failure, NdvrError) else 1


def _summarise_stage(record: StageRecord) -> StageSummary:
    has_rate = record.num_rows is not None and record.seconds > 0
    return StageSummary(
        stage=record.stage,
        status="skipped" if record.status == "skipped" else "done",
        seconds=round(record.seconds, 3),
        num_rows=record.num_rows,
        input_rows=record.input_rows,
        rows_per_second=round((record.num_rows or 0) / record.seconds, 3) if has_rate else None,
        search_plan=record.search_plan,
        search_recall=record.search_recall,
    )
