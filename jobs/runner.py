"""Runs the pipeline: skips what is up to date, loops over batches, audits, and publishes last."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from jobs.audit import check_attempts
from jobs.errors import NdvrError
from jobs.log import log
from jobs.pipeline import PIPELINE, STAGES, TABLES
from jobs.run import CODE_VERSION
from jobs.stage import Loop, Stage, StageRecord, run_stage
from jobs.tables import embeddings, manifest, runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from jobs.lake import Lake
    from jobs.run import Run

_MAX_DETAIL_CHARACTERS = 2000
_NUM_TABLES_AT_ONCE = 4  # opening a table is mostly waiting: for the driver's planner and the file system


@dataclass
class Outcome:
    """What a run did, stage by stage, and what came of the videos it tried."""

    records: list[StageRecord] = field(default_factory=list)
    num_described: int = 0
    error_counts: Counter[str] = field(default_factory=Counter)


class Runner:
    """One run over a lake. Runs on: driver.

    Args:
        lake: where the tables are.
        run: identity and settings.
        manifest_source: the operator's manifest, read and checked.
    """

    def __init__(self, lake: Lake, run: Run, manifest_source: DataFrame) -> None:
        self._lake = lake
        self._run = replace(run, checkpoint=partial(lake.checkpoint, run=run))
        lake.provide("manifest_source", manifest_source)
        self._staged: list[Stage] = []
        self._versions: dict[str, int] = {}
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
                list(pool.map(self._lake.create, TABLES))
            log.info("tables opened", num_tables=len(TABLES))
            self._run_steps()
            check_attempts(self.outcome.num_described, self.outcome.error_counts, self._run.config.quality)
            self._publish()
        except BaseException as error:
            with suppress(NdvrError, PySparkException, Py4JError):  # what broke the run may break its record too
                self._record(time.monotonic() - started, error)
            raise
        finally:
            self._lake.clear_staging(self._run)
        self._record(time.monotonic() - started)
        log.info("run recorded")
        return self.outcome

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
                self.outcome.records.append(run_stage(step, self._lake, self._run))
                self._versions.pop(step.name, None)
                if step.is_published:
                    self._staged.append(step)

    def _run_loop(self, loop: Loop) -> None:
        """Describe in batches until nothing is due; each batch is committed before the next begins."""
        totals: dict[str, StageRecord] = {}
        while True:
            records = [run_stage(loop.stages[0], self._lake, self._run)]
            if records[0].num_rows:
                records += [run_stage(stage, self._lake, self._run) for stage in loop.stages[1:]]
                self._count_attempts()
            for record in records:
                total = totals.setdefault(record.stage, StageRecord(record.stage, record.status, 0.0, 0))
                total.seconds += record.seconds
                total.num_rows = (total.num_rows or 0) + (record.num_rows or 0)
                self._versions.pop(record.stage, None)
            if not records[0].num_rows:
                break
        self.outcome.records += totals.values()

    def _count_attempts(self) -> None:
        """Add up what came of the batch just tried."""
        tried = self._lake.read("attempts")
        for code, count in tried.groupBy("error_code").count().collect():
            if code is None:
                self.outcome.num_described += count
            else:
                self.outcome.error_counts[code] += count

    def _publish(self) -> None:
        """Commit the published tables, one after another, when all of them have been built."""
        for stage in sorted(self._staged, key=lambda stage: not stage.is_journal):
            with self._run.progress.show(f"publish {stage.name}"):
                self._lake.merge(stage.builds, self._lake.read(stage.name), self._run)
            self._versions.pop(stage.name, None)

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
        """Tell whether a record was made under the settings, the code and the model of this run."""
        return (
            last["config_fingerprint"] == self._run.config.fingerprint()
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
        whole = StageRecord("run", "failed" if failure else "done", seconds, self.outcome.num_described)
        whole.error_counts = dict(self.outcome.error_counts)
        whole.error_detail = f"{type(failure).__name__}: {failure}"[:_MAX_DETAIL_CHARACTERS] if failure else None
        rows = runs.make_rows([*self.outcome.records, whole], self._run)
        self._lake.append(runs.TABLE, self._lake.spark.createDataFrame(rows, runs.TABLE.schema), self._run)
