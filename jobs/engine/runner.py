"""Runs the pipeline: skips what is up to date, loops over batches, audits, and publishes last."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from jobs.contracts.run import CODE_VERSION
from jobs.contracts.run_log import log
from jobs.contracts.stage import Loop, Stage, StageRecord
from jobs.engine.audits import audit, report_tripped
from jobs.engine.claims import Claims
from jobs.engine.measures import measure_attempts, measure_staged, read_nights
from jobs.engine.outcome import Outcome
from jobs.engine.run_stage import run_stage
from jobs.errors import NdvrError, QualityError
from jobs.lake.session import named_jobs
from jobs.one_video.index.publish import INDEXED_TABLES, publish_index
from jobs.pipeline import PIPELINE, STAGES, TABLES
from jobs.tables import attempts, embeddings, manifest, runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.contracts.run import Run
    from jobs.contracts.table import Table
    from jobs.lake.lake import Lake

_NUM_TABLES_AT_ONCE = 4  # opening a table is mostly waiting: for the driver's planner and the file system
_COUNTED = {"manifest_source", *(table.name for table in TABLES)}


class Runner:
    """One run over a lake. Runs on: driver.

    Args:
        lake: where the tables are.
        run: identity and settings.
        manifest_source: the operator's manifest, read and checked.
        publish_anyway: let audits that trip be told, and stop nothing.
    """

    def __init__(self, lake: Lake, run: Run, manifest_source: DataFrame, *, publish_anyway: bool = False) -> None:
        self._lake = lake
        self._run = replace(run, checkpoint=partial(lake.checkpoint, run=run))
        lake.provide("manifest_source", manifest_source)
        self._claims = Claims(lake, self._run)
        self._staged: list[Stage] = []
        self._versions: dict[str, int] = {}
        self._num_rows: dict[str, int] = {}
        self._publish_anyway = publish_anyway
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Bring every table up to date and record what was done, whether it ends well or not.

        Raises:
            ContractError: a table breaks its contract.
            QualityError: an audit tripped; published tables are as they were.
        """
        started = time.monotonic()
        try:
            with ThreadPoolExecutor(_NUM_TABLES_AT_ONCE) as pool:
                list(pool.map(self._open, TABLES))
            log.info("tables opened", num_tables=len(TABLES))
            with named_jobs(self._lake.spark, self._run, "plan"):
                self._run_steps()
            with named_jobs(self._lake.spark, self._run, "audit"):
                self._audit()
            self._publish()
            if self._run.verifier is not None:
                versions = {name: self._version(name) for name in INDEXED_TABLES}
                with named_jobs(self._lake.spark, self._run, "index"):
                    self.outcome.records.append(publish_index(self._lake, self._run, versions))
        except BaseException as error:
            with suppress(NdvrError, PySparkException, Py4JError):  # what broke the run may break its record too
                self._record(time.monotonic() - started, error)
            raise
        finally:
            self._claims.close()
            self._lake.clear_staging(self._run)
        self._record(time.monotonic() - started)
        log.info("run recorded")
        return self.outcome

    def _open(self, table: Table) -> None:
        """Create a table or check it; in a thread of its own, so that its jobs are named there."""
        with named_jobs(self._lake.spark, self._run, f"open {table.name}"):
            self._lake.create(table)

    def _run_steps(self) -> None:
        """Run what is not up to date, in the order of PIPELINE."""
        last = self._last_records()
        self._version("decisions")  # before they are read: what is decided meanwhile is for the next run
        for step in PIPELINE:
            if isinstance(step, Loop):
                self._run_loop(step)
            elif self._is_current(step, last.get(step.name)):
                self.outcome.records.append(StageRecord(step.name, "skipped", 0.0))
            else:
                if "seen_embeddings" in step.reads:
                    self._provide_seen(step, last.get(step.name))
                record = run_stage(step, self._lake, self._run)
                self._forget(step.name)
                if step.is_published:
                    self._staged.append(step)
                    self._num_rows[step.name] = record.num_rows or 0
                record.input_rows = self._count_inputs(step)
                self.outcome.records.append(record)

    def _run_loop(self, loop: Loop) -> None:
        """Describe in batches until nothing is due; each batch is committed before the next begins."""
        for batch in itertools.count(1):
            with named_jobs(self._lake.spark, self._run, f"attempts, batch {batch}: select"):
                due = self._claims.take(self._select_due, self._run.config.describe.videos_per_commit)
            self._lake.provide("due", attempts.make_requests(self._lake.spark, due))
            records = [run_stage(loop.stages[0], self._lake, self._run, batch)]
            if records[0].num_rows:
                records += [run_stage(stage, self._lake, self._run, batch) for stage in loop.stages[1:]]
                with named_jobs(self._lake.spark, self._run, f"attempts, batch {batch}: count"):
                    self.outcome.count_attempts(self._lake.read("attempts"))
            for stage, record in zip(loop.stages, records, strict=False):  # the last batch is the first stage alone
                record.input_rows = {stage.reads[0]: records[0].num_rows or 0}  # what is due is tried: a row each
                self.outcome.add(record)
                self._forget(record.stage)
            if not records[0].num_rows:
                break

    def _select_due(self) -> DataFrame:
        """Select what must be described, by the tables as they are now."""
        return attempts.select_due({name: self._lake.read(name) for name in attempts.DUE_READS}, self._run)

    def _audit(self) -> None:
        """Judge what is staged; where nothing is, what was tried.

        Raises:
            QualityError: an audit tripped, and is not overruled.
        """
        nights = read_nights(self._lake, self._run)
        measure = measure_staged if self._staged else measure_attempts
        measures = measure(self._lake, self._run, nights)
        self.outcome.audit_values = measures.values
        self.outcome.findings = audit(measures, nights.history, self._run.config.quality)
        tripped = report_tripped(self.outcome.findings)
        if tripped is None:
            log.info("audited", values=measures.values)
        elif self._publish_anyway:
            log.warning("audits overruled", values=measures.values, tripped=tripped)
            self.outcome.overruled = tripped
        else:
            raise QualityError(
                f"{tripped}\nNothing was published: people read what the last published night left. Mend the cause and "
                "run the night again; where it is right as it is, raise the limit, or run it with --publish-anyway"
            )

    def _publish(self) -> None:
        """Commit the published tables, one after another, when all of them have been built."""
        for stage in sorted(self._staged, key=lambda stage: not stage.is_journal):
            what = f"publish {stage.name}"
            with self._run.progress.show(what), named_jobs(self._lake.spark, self._run, what):
                self._lake.merge(stage.builds, self._lake.read(stage.name), self._run)
            self._forget(stage.name)

    def _forget(self, name: str) -> None:
        """Forget the version and the rows of a table that has been written."""
        self._versions.pop(name, None)
        self._num_rows.pop(name, None)

    def _count_inputs(self, stage: Stage) -> dict[str, int]:
        """Count the rows of each table that a stage has read, other than its own; Delta knows them without a scan."""
        names = [name for name in stage.reads if name in _COUNTED and name != stage.name]
        for name in names:
            if name not in self._num_rows:
                self._num_rows[name] = self._lake.read(name).count()
        return {name: self._num_rows[name] for name in names}

    def _version(self, name: str) -> int:
        """Return the Delta version of a table, looked up once between commits."""
        if name not in self._versions:
            table = next(t for t in TABLES if t.name == name)
            self._versions[name] = self._lake.version(table)
        return self._versions[name]

    def _input_versions(self, stage: Stage) -> dict[str, int]:
        """Return the version of each stored table that a stage reads, other than its own."""
        stored = {t.name for t in TABLES} - {stage.name}
        return {name: self._version(name) for name in stage.reads if name in stored}

    def _is_current(self, stage: Stage, last: Mapping[str, object] | None) -> bool:
        """Tell whether a stage was last run on the very inputs, settings and code that it would be run on now."""
        if last is None or stage.name == "manifest" or any(s.name in stage.reads for s in self._staged):
            return False
        return (
            self._is_of_this_run(last)
            and last["input_versions"] == self._input_versions(stage)
            and last["output_version"] == self._version(stage.name)
        )

    def _is_of_this_run(self, last: Mapping[str, object]) -> bool:
        """Tell whether a record was made under the settings, the code, the model and the calibration of this run."""
        return (
            last["config_fingerprint"] == self._run.fingerprint
            and last["code_version"] == CODE_VERSION
            and last["model_id"] == self._run.model.model_id
        )

    def _provide_seen(self, stage: Stage, last: Mapping[str, Any] | None) -> None:
        """Let `pairs` read the embeddings that its last search saw; none where what that left no longer holds."""
        self._input_versions(stage)  # looked up before they are read: what others write meanwhile is not yet seen
        seen = present = None
        if last is not None and self._is_of_this_run(last) and last["output_version"] == self._version("pairs"):
            seen = self._lake.read_version(embeddings.TABLE, last["input_versions"]["embeddings"])
            present = self._lake.read_version(manifest.TABLE, last["input_versions"]["manifest"])
        if seen is None or present is None:
            seen = self._lake.read("embeddings").limit(0)
        else:
            seen = seen.join(present.where("removed_at IS NULL").select("video_id"), "video_id", "left_semi")
        self._lake.provide("seen_embeddings", seen)

    def _last_records(self) -> dict[str, Mapping[str, object]]:
        """Return the newest record of each stage that was run to its end in a run that was published."""
        done = self._lake.read("runs").where("status = 'done' AND output_version IS NOT NULL")
        newest = done.groupBy("stage").agg(F.max_by(F.struct("*"), "started_at").alias("row"))
        return {row["stage"]: row["row"].asDict() for row in newest.collect()}

    def _record(self, seconds: float, failure: BaseException | None = None) -> None:
        """Append this run's rows to `runs`."""
        by_name = {stage.name: stage for stage in STAGES if not stage.is_transient}
        for record in self.outcome.records:
            if failure is None and record.status == "done" and record.stage in by_name:
                record.input_versions = self._input_versions(by_name[record.stage])
                record.output_version = self._version(record.stage)
        whole = self.outcome.sum_up("run", seconds, self.outcome.num_described, failure)
        whole.audit_values = self.outcome.audit_values
        rows = runs.make_rows([*self.outcome.records, whole], self._run)
        with named_jobs(self._lake.spark, self._run, "record"):
            self._lake.append(runs.TABLE, self._lake.spark.createDataFrame(rows, runs.TABLE.schema), self._run)
