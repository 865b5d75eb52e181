"""Describes a catalogue shard by shard and batch by batch, until nothing is pending or the budget is used up."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.run_log import log
from jobs.contracts.stage import StageRecord
from jobs.engine.audits import audit_failures, report_failed_gates
from jobs.engine.backlog import add_shard, count_states, select_pending
from jobs.engine.budget import BackfillProgress
from jobs.engine.lifecycle import recorded
from jobs.engine.measures import Measures
from jobs.engine.outcome import Outcome
from jobs.engine.run_stage import provide_batch, run_stage
from jobs.engine.shards import plan_shards
from jobs.errors import QualityError, UsageError
from jobs.lake.session import named_jobs
from jobs.pipeline import STAGES
from jobs.tables import attempts, descriptors, manifest, runs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row
    from rich.console import Console

    from jobs.contracts.run import Run
    from jobs.engine.budget import BackfillBudget
    from jobs.engine.claims import Claims
    from jobs.engine.shards import BackfillShard
    from jobs.lake.lake import Lake

_STAGE = {stage.name: stage for stage in STAGES}
_DESCRIBING = ("attempts", "thumbnails", "descriptors", "quarantine")


class Backfill:
    """One run of a backfill. Runs on: driver.

    A batch is claimed, its new videos are inserted into `manifest`, and then they are described and embedded, each step
    in its own commit. A killed run loses at most one batch, and the next run reads from the tables where to continue.
    Videos are inserted into `manifest` just before they are described, because a nightly run describes everything in
    `manifest`. The next nightly run finds pairs, clusters and duplicates.

    Args:
        lake: the tables.
        run: identity and settings; the backfill is for its model.
        named: catalogue, normalised by `jobs.tables.manifest.normalise`; None for the lake's own manifest.
        budget: limits of this run.
        console: where progress is printed.
    """

    def __init__(self, lake: Lake, run: Run, named: DataFrame | None, budget: BackfillBudget, console: Console) -> None:
        self._lake = lake
        self._run = replace(run, checkpoint=partial(lake.checkpoint, run=run))
        self._named = named
        self._budget = budget
        self._console = console
        self._started = time.monotonic()
        self._num_tried = 0
        self.outcome = Outcome()
        self.progress = BackfillProgress(0, 0, 0)

    def run(self) -> Outcome:
        """Process the pending videos within the budget and record the run, whether it succeeds or fails.

        Raises:
            QualityError: too many videos failed; the finished batches are kept.
            UsageError: videos of the lake's own manifest must be described, and `manifest.roots` is empty.
        """
        with (
            recorded(self._lake, self._run, self._record) as claims,
            named_jobs(self._lake.spark, self._run, "backfill"),
        ):
            self._process_shards(claims)
        return self.outcome

    def _process_shards(self, claims: Claims) -> None:
        """Process the shards in order until the budget is used up."""
        rows = self._named
        if rows is None:
            rows = self._lake.read("manifest").where("removed_at IS NULL").select("video_id", "published_at")
        else:
            rows = rows.where("NOT is_removed")
        catalogue = self._run.checkpoint("catalogue", add_shard(rows))
        self.progress, pending = count_states(catalogue, self._lake, self._run)
        self._report()
        for shard in plan_shards(pending, self._run.config.describe.videos_per_commit):
            log.info("shard begun", shard=shard.name, num_videos=shard.num_videos)
            if not self._process_shard(catalogue, shard, claims):
                log.info("budget used up", num_tried=self._num_tried)
                break
        self.progress = replace(count_states(catalogue, self._lake, self._run)[0], rate=self.progress.rate)
        self._report()

    def _process_shard(self, catalogue: DataFrame, shard: BackfillShard, claims: Claims) -> bool:
        """Process a shard, without the videos that other runs claim; return False if the budget ends before it does."""
        after: tuple[int, str] | None = None
        while size := self._choose_batch_size():
            pending = partial(select_pending, catalogue, shard, after, self._lake, self._run)
            batch = claims.claim_batch(pending, size)
            if not batch:
                return True
            self._process_batch(catalogue, batch)
            self._report()
            after = (batch[-1]["hash"], batch[-1]["video_id"])
        return False

    def _choose_batch_size(self) -> int:
        """Return the number of videos in the next batch; 0 if the budget is used up."""
        config, seconds = self._run.config.describe, time.monotonic() - self._started
        first = config.videos_per_task * self._lake.spark.sparkContext.defaultParallelism
        sizes = (min(first, config.videos_per_commit), config.videos_per_commit)
        return self._budget.choose_batch(self._num_tried, seconds, self.progress.rate, sizes)

    def _process_batch(self, catalogue: DataFrame, batch: list[Row]) -> None:
        """Insert, describe and embed a batch."""
        ids = F.broadcast(self._lake.spark.createDataFrame([(row["video_id"],) for row in batch], "video_id STRING"))
        if self._named is not None:
            self._insert_manifest_rows(catalogue.join(ids, "video_id", "left_semi"))
        num_failed = self.outcome.error_counts.total()
        self._describe(ids)
        described = self._lake.read("descriptors").join(ids, "video_id", "left_semi")
        self._lake.provide("descriptors", described)
        self.outcome.add(run_stage(_STAGE["embeddings"], self._lake, self._run))
        self._lake.unstage(descriptors.TABLE)
        num_failed = self.outcome.error_counts.total() - num_failed
        self._num_tried += len(batch)
        self.progress = replace(
            self.progress,
            num_done=self.progress.num_done + len(batch) - num_failed,
            num_failed=self.progress.num_failed + num_failed,
            rate=self._num_tried / (time.monotonic() - self._started),
        )
        self._audit()

    def _insert_manifest_rows(self, named: DataFrame) -> None:
        """Insert the videos that are not in `manifest`; existing rows come from nightly runs and are newer."""
        started = time.monotonic()
        stored = self._lake.read("manifest")
        new = manifest.merge_known(named.join(stored, "video_id", "left_anti"), stored, self._run)
        rows = self._lake.stage(manifest.TABLE, new, self._run)
        num_rows = self._lake.count_checked(manifest.TABLE, rows)
        self._lake.merge(manifest.TABLE, rows, self._run, is_insert_only=True)
        self.outcome.add(StageRecord("manifest", "done", time.monotonic() - started, num_rows))

    def _describe(self, ids: DataFrame) -> None:
        """Describe the videos of a batch that are due."""
        inputs = {name: self._lake.read(name) for name in attempts.DUE_READS}
        due = attempts.select_due(inputs, self._run).join(ids, "video_id", "left_semi").collect()
        if not due:
            return
        if self._named is None and not self._run.config.manifest.roots:
            raise UsageError(
                f"{len(due)} videos must be described for {self._run.model.descriptor_id}, but no folder is allowed: "
                "pass --manifest, or list their folders in manifest.roots"
            )
        provide_batch(self._lake, self._run, due)
        for name in _DESCRIBING:
            self.outcome.add(run_stage(_STAGE[name], self._lake, self._run))
        self.outcome.count_attempts(self._lake.read("attempts"))

    def _audit(self) -> None:
        """Stop if too many videos fail, because an unreachable store would put the whole catalogue into quarantine."""
        measures = Measures(num_described=self.outcome.num_described, error_counts=self.outcome.error_counts)
        finding = audit_failures(measures, self._run.config.quality)
        if finding is not None and (failed := report_failed_gates([finding])) is not None:
            raise QualityError(f"the backfill stops: {failed}")

    def _report(self) -> None:
        """Log and print the progress."""
        log.info("backfill", num_tried=self._num_tried, **vars(self.progress))
        self._console.print(self.progress.describe())

    def _record(self, failure: BaseException | None) -> None:
        """Append the rows of this run to `runs`, without an output_version, so that no nightly run reuses them."""
        whole = self.outcome.summarise("backfill", time.monotonic() - self._started, self._num_tried, failure)
        rows = runs.make_rows([*self.outcome.records, whole], self._run)
        self._lake.append(runs.TABLE, self._lake.spark.createDataFrame(rows, runs.TABLE.schema), self._run)
