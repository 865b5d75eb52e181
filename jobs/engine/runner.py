"""Runs the pipeline: skips stages that are up to date, loops over batches, audits, and publishes last."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from jobs.contracts.presence import select_present
from jobs.contracts.run import CODE_VERSION
from jobs.contracts.run_log import log
from jobs.contracts.stage import Loop, Stage, StageRecord
from jobs.engine.audits import audit, audit_estimate, report_failed_gates
from jobs.engine.lifecycle import recorded
from jobs.engine.measures import count_lost, measure_attempts, measure_staged
from jobs.engine.outcome import Outcome
from jobs.engine.recorded_runs import find_start, read_recorded_runs
from jobs.engine.results import read_results
from jobs.engine.run_stage import provide_batch, run_stage
from jobs.errors import QualityError
from jobs.lake.session import named_jobs
from jobs.one_video.index.publish import INDEXED_TABLES, publish_index
from jobs.pipeline import PIPELINE, STAGES, TABLES
from jobs.tables import attempts, duplicates, embeddings, manifest, quarantine, runs
from jobs.tables.estimates import read_last_estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run
    from jobs.engine.claims import Claims
    from jobs.engine.recorded_runs import RecordedRuns
    from jobs.lake.lake import Lake

SEEN_TABLES = (embeddings.TABLE, manifest.TABLE, quarantine.TABLE)
"""The tables that decide which videos a search sees; the next search reads the versions that the last one read."""
_COUNTED = {"manifest_source", *(table.name for table in TABLES)}


class Runner:
    """One run of the pipeline over a lake. Runs on: driver.

    Args:
        lake: the tables.
        run: identity and settings.
        manifest_source: the operator's manifest, read and checked.
        publish_anyway: report failed gates, but publish.
    """

    def __init__(self, lake: Lake, run: Run, manifest_source: DataFrame, *, publish_anyway: bool = False) -> None:
        self._lake = lake
        self._run = replace(run, checkpoint=partial(lake.checkpoint, run=run))
        lake.provide("manifest_source", manifest_source)
        self._staged: list[Stage] = []
        self._versions: dict[str, int] = {}
        self._num_rows: dict[str, int] = {}
        self._publish_anyway = publish_anyway
        self._started = time.monotonic()
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Update every table and record the run, whether it succeeds or fails.

        Raises:
            ContractError: a table breaks its contract.
            QualityError: a quality gate failed; the published tables are unchanged.
        """
        self._started = time.monotonic()
        with recorded(self._lake, self._run, self._record) as claims:
            with named_jobs(self._lake.spark, self._run, "plan"):
                recorded_runs = read_recorded_runs(self._lake)
                self._run_steps(claims, recorded_runs)
            with named_jobs(self._lake.spark, self._run, "audit"):
                self._audit(recorded_runs)
            self._publish()
            if self._run.verifier is not None:
                versions = {name: self._version(name) for name in INDEXED_TABLES}
                with named_jobs(self._lake.spark, self._run, "index"):
                    self.outcome.records.append(publish_index(self._lake, self._run, versions))
        is_rebuilt = any(stage.name == duplicates.TABLE.name for stage in self._staged)
        self.outcome.results = read_results(self._lake, self._run, has_new_duplicates=is_rebuilt)
        return self.outcome

    def _run_steps(self, claims: Claims, recorded_runs: RecordedRuns) -> None:
        """Run the stages that are not up to date, in the order of PIPELINE."""
        last = recorded_runs.built
        self._version("decisions")  # looked up before they are read: later decisions are for the next run
        for step in PIPELINE:
            if isinstance(step, Loop):
                self._run_loop(step, claims, recorded_runs.idle)
            elif self._is_current(step, last.get(step.name)):
                self.outcome.records.append(StageRecord(step.name, "skipped", 0.0))
            else:
                if "seen_embeddings" in step.reads:
                    self._provide_seen(step, last.get("pairs"))
                record = run_stage(step, self._lake, self._run)
                self._forget(step.name)
                if step.is_published:
                    self._staged.append(step)
                    self._num_rows[step.name] = record.num_rows or 0
                record.input_rows = self._count_inputs(step)
                self.outcome.records.append(record)

    def _run_loop(self, loop: Loop, claims: Claims, idle: Mapping[str, Any] | None) -> None:
        """Describe in batches until no video is due. Each batch is committed before the next one starts.

        The record of a run that finds no video due names the versions of the tables that it read. With these versions
        and settings, the next run (`idle`) does not search them again.
        """
        first = loop.stages[0]
        for batch in itertools.count(1):
            versions = {name: self._version(name) for name in attempts.DUE_READS}
            with named_jobs(self._lake.spark, self._run, f"attempts, batch {batch}: select"):
                is_idle = batch == 1 and self._is_still_idle(idle, versions)
                due = (
                    [] if is_idle else claims.claim_batch(self._select_due, self._run.config.describe.videos_per_commit)
                )
            if not due:
                is_idle = is_idle or (batch == 1 and claims.is_exhausted)
                record = StageRecord(first.name, "done", 0.0, 0, input_rows={first.reads[0]: 0})
                record.input_versions = versions if is_idle else {}
                self.outcome.add(record)
                break
            provide_batch(self._lake, self._run, due)
            records = [run_stage(stage, self._lake, self._run, batch) for stage in loop.stages]
            with named_jobs(self._lake.spark, self._run, f"attempts, batch {batch}: count"):
                self.outcome.count_attempts(self._lake.read("attempts"))
            for stage, record in zip(loop.stages, records, strict=True):
                record.input_rows = {stage.reads[0]: len(due)}  # one attempt per video that is due
                self.outcome.add(record)
                self._forget(record.stage)

    def _is_still_idle(self, idle: Mapping[str, Any] | None, versions: Mapping[str, int]) -> bool:
        """Return whether no video is due because a run found none, and neither tables, settings nor time changed it."""
        if idle is None or idle["input_versions"] != versions or not self._has_same_settings(idle):
            return False
        return attempts.select_due_by_time(self._read_due_inputs(), self._run, find_start(idle)).isEmpty()

    def _select_due(self) -> DataFrame:
        """Select the videos that must be described, given the current tables."""
        return attempts.select_due(self._read_due_inputs(), self._run)

    def _read_due_inputs(self) -> dict[str, DataFrame]:
        return {name: self._lake.read(name) for name in attempts.DUE_READS}

    def _audit(self, recorded_runs: RecordedRuns) -> None:
        """Check the staged tables against the quality gates; without staged tables, check the attempts.

        Raises:
            QualityError: a gate failed and is not overridden.
        """
        if self._lake.version(runs.TABLE) != recorded_runs.version:  # another run has ended meanwhile
            recorded_runs = read_recorded_runs(self._lake)
        earlier = recorded_runs.select_earlier(self._run.model.model_id)
        has_attempts = any(record.num_rows for record in self.outcome.records if record.stage == attempts.TABLE.name)
        measure = measure_staged if self._staged else measure_attempts
        measures = measure(self._lake, self._run, earlier, has_attempts=has_attempts)
        self.outcome.lost_counts = count_lost(self._lake, self._run)
        self.outcome.audit_values = measures.values
        quality = self._run.config.quality
        self.outcome.findings = audit(measures, earlier.history, quality)
        if quality.min_precision is not None and earlier.last_of_model:
            estimate = read_last_estimate(self._lake, self._run.model.model_id)
            self.outcome.findings += audit_estimate(estimate, self._run.started_at, quality)
        failed = report_failed_gates(self.outcome.findings)
        if failed is None:
            log.info("audited", values=measures.values)
        elif self._publish_anyway:
            log.warning("audits overruled", values=measures.values, tripped=failed)
            self.outcome.overruled = failed
        else:
            raise QualityError(
                f"{failed}\nNothing was published; queries see the last published run. Fix the cause and run again. If "
                "the result is right, raise the limit or pass --publish-anyway"
            )

    def _publish(self) -> None:
        """Commit the published tables one after another, once all of them are built."""
        for stage in sorted(self._staged, key=lambda stage: not stage.is_journal):
            what = f"publish {stage.name}"
            with self._run.progress.show(what), named_jobs(self._lake.spark, self._run, what):
                self._lake.merge(stage.builds, self._lake.read(stage.name), self._run)
            self._forget(stage.name)

    def _forget(self, name: str) -> None:
        """Drop the cached version and row count of a table that was written."""
        self._versions.pop(name, None)
        self._num_rows.pop(name, None)

    def _count_inputs(self, stage: Stage) -> dict[str, int]:
        """Count the rows of each table that a stage read, except its own. Delta counts without a scan."""
        names = [name for name in stage.reads if name in _COUNTED and name != stage.name]
        for name in names:
            if name not in self._num_rows:
                self._num_rows[name] = self._lake.read(name).count()
        return {name: self._num_rows[name] for name in names}

    def _version(self, name: str) -> int:
        """Return the Delta version of a table; it is looked up once between two commits."""
        if name not in self._versions:
            table = next(t for t in TABLES if t.name == name)
            self._versions[name] = self._lake.version(table)
        return self._versions[name]

    def _input_versions(self, stage: Stage) -> dict[str, int]:
        """Return the version of each stored table that a stage reads, except its own."""
        stored = {t.name for t in TABLES} - {stage.name}
        return {name: self._version(name) for name in stage.reads if name in stored}

    def _is_current(self, stage: Stage, last: Mapping[str, object] | None) -> bool:
        """Return whether the last run of a stage had the inputs, settings and code of this run."""
        if last is None or stage.name == "manifest" or any(s.name in stage.reads for s in self._staged):
            return False
        return (
            self._has_same_settings(last)
            and last["input_versions"] == self._input_versions(stage)
            and last["output_version"] == self._version(stage.name)
        )

    def _has_same_settings(self, last: Mapping[str, object]) -> bool:
        """Return whether a record has the settings, code, model and calibration of this run."""
        return (
            last["config_fingerprint"] == self._run.fingerprint
            and last["code_version"] == CODE_VERSION
            and last["model_id"] == self._run.model.model_id
        )

    def _provide_seen(self, stage: Stage, last: Mapping[str, Any] | None) -> None:
        """Provide the embeddings that the last search saw; none if the stored pairs are not its result."""
        self._input_versions(stage)  # looked up before they are read: later commits of other runs are not yet seen
        seen = None
        if last is not None and self._has_same_settings(last) and last["output_version"] == self._version("pairs"):
            seen = self._read_seen(last["input_versions"])
        self._lake.provide("seen_embeddings", self._lake.read("embeddings").limit(0) if seen is None else seen)

    def _read_seen(self, versions: Mapping[str, int]) -> DataFrame | None:
        """Read the embeddings of the videos that a search saw; None if a version of SEEN_TABLES cannot be read.

        A search by an earlier version of ndvr did not record all of them.
        """
        stored = {}
        for table in SEEN_TABLES:
            rows = self._lake.read_version(table, versions[table.name]) if table.name in versions else None
            if rows is None:
                return None
            stored[table.name] = rows
        present = select_present(stored["manifest"], stored["quarantine"])
        return stored["embeddings"].join(present, "video_id", "left_semi")

    def _record(self, failure: BaseException | None) -> None:
        """Append the rows of this run to `runs`."""
        by_name = {stage.name: stage for stage in STAGES if not stage.is_transient}
        for record in self.outcome.records:
            if failure is None and record.status == "done" and record.stage in by_name:
                record.input_versions = self._input_versions(by_name[record.stage])
                record.output_version = self._version(record.stage)
        whole = self.outcome.summarise("run", time.monotonic() - self._started, self.outcome.num_described, failure)
        whole.audit_values = self.outcome.audit_values
        rows = runs.make_rows([*self.outcome.records, whole], self._run)
        with named_jobs(self._lake.spark, self._run, "record"):
            recorded_rows = self._lake.spark.createDataFrame(rows, runs.TABLE.schema).coalesce(1)  # one file a run
            self._lake.append(runs.TABLE, recorded_rows, self._run)
