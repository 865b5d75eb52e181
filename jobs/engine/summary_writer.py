"""Collects the facts of a run, and writes and pushes its summary."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from jobs.contracts.run import CODE_VERSION
from jobs.engine.metrics import push_summary
from jobs.engine.outcome import Outcome
from jobs.engine.summary import (
    AuditSummary,
    EstimateSummary,
    ResultsSummary,
    RunSummary,
    ShareSummary,
    StageSummary,
    UnreadValuesSummary,
)
from jobs.failures import exit_code_of
from jobs.pipeline import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime
    from pathlib import Path

    from jobs.config.settings import Config
    from jobs.contracts.stage import StageRecord
    from jobs.engine.manifest_check import UnreadValues
    from jobs.engine.results import Results
    from jobs.tables.estimates import Estimate, Share


_PUBLISHED = {stage.name for stage in STAGES if stage.is_published}


@dataclass
class RunSummaryWriter:
    """The facts of a run so far, and the writer of its summary. Runs on: driver.

    Attributes:
        run_id: id of the run.
        run_date: date that the run is for.
        started_at: start of the run, UTC.
        manifest: path or URI.
        lake: path or URI.
        config: validated settings.
        outcome: outcome of the runner, once it exists.
        model_id: model in use, once it is known.
        fingerprint: fingerprint of the run, once it is known.
        unread_values: values of the manifest that are read as null, once it is checked.
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
    unread_values: list[UnreadValues] = field(default_factory=list)

    @contextmanager
    def written_to(self, file: Path, *, as_json: bool = False) -> Iterator[None]:
        """Write the summary when the block ends, however it ends, and push it to the configured Pushgateway.

        Args:
            file: file to write.
            as_json: also write the summary to standard output, on one line.
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
        """Return the summary of a run that took `seconds` and ended with `failure`, or without one."""
        outcome = self.outcome
        records = [record for record in outcome.records if record.output_version is not None]
        return RunSummary(
            run_id=self.run_id,
            run_date=self.run_date,
            started_at=self.started_at,
            seconds=round(seconds, 3),
            status="failed" if failure else "done",
            exit_code=exit_code_of(failure) if failure else 0,
            error=f"{type(failure).__name__}: {failure}" if failure else None,
            manifest=self.manifest,
            lake=self.lake,
            model_id=self.model_id,
            code_version=CODE_VERSION,
            config_fingerprint=self.fingerprint,
            unread_values=[UnreadValuesSummary(**found._asdict()) for found in self.unread_values],
            num_described=outcome.num_described,
            num_unchanged=outcome.num_unchanged,
            error_counts=dict(outcome.error_counts),
            lost_counts=dict(outcome.lost_counts),
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
            results=None if outcome.results is None else _summarise_results(outcome.results, self.started_at),
            published={r.stage: r.output_version for r in records if r.stage in _PUBLISHED and r.output_version},
        )


def _summarise_results(results: Results, started_at: datetime) -> ResultsSummary:
    estimate = results.estimate
    return ResultsSummary(
        num_added=results.num_added,
        num_removed=results.num_removed,
        num_obeyed=results.num_obeyed,
        reclaimable_bytes=results.reclaimable_bytes,
        num_to_review=results.num_to_review,
        estimate=None if estimate is None else _summarise_estimate(estimate, started_at),
    )


def _summarise_estimate(estimate: Estimate, started_at: datetime) -> EstimateSummary:
    def summarise(share: Share | None) -> ShareSummary | None:
        return None if share is None else ShareSummary(**asdict(share))

    return EstimateSummary(
        sample_id=estimate.sample_id,
        drawn_at=estimate.drawn_at,
        age_days=round(estimate.measure_age_days(started_at), 3),
        pairs_precision=summarise(estimate.pairs_precision),
        duplicates_precision=summarise(estimate.duplicates_precision),
        recall=summarise(estimate.recall),
    )


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
        unseen_pairs=record.unseen_pairs,
    )
