"""Works off what is pending of a catalogue: shard by shard, batch by batch, until all is done or the budget is used."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from jobs.contracts.run_log import log
from jobs.contracts.stage import StageRecord
from jobs.engine.audits import audit_failures, report_tripped
from jobs.engine.backlog import add_shard, count_states, select_pending
from jobs.engine.budget import BackfillProgress
from jobs.engine.claims import Claims
from jobs.engine.measures import Measures
from jobs.engine.outcome import Outcome
from jobs.engine.run_stage import run_stage
from jobs.engine.shards import plan_shards
from jobs.errors import NdvrError, QualityError, UsageError
from jobs.lake.session import named_jobs
from jobs.pipeline import STAGES, TABLES
from jobs.tables import attempts, descriptors, manifest, runs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row
    from rich.console import Console

    from jobs.contracts.run import Run
    from jobs.engine.budget import BackfillBudget
    from jobs.engine.shards import BackfillShard
    from jobs.lake.lake import Lake

_STAGE = {stage.name: stage for stage in STAGES}
_DESCRIBING = ("attempts", "descriptors", "quarantine")
_NUM_TABLES_AT_ONCE = 4


class Backfill:
    """One run of a backfill. Runs on: driver.

    A batch is claimed, its videos are put into `manifest` where they are not there yet, described and embedded, each in
    a commit of its own. So a run that is killed loses a batch at most, and the next one finds by the tables where to go
    on. Videos come into `manifest` just before they are described: else the next night would describe all of them.
    Pairs, clusters and duplicates are left to that night.

    Args:
        lake: where the tables are.
        run: identity and settings; its model is what is filled up.
        named: the catalogue's rows as `jobs.tables.manifest.normalise` gives them; None takes the lake's own manifest.
        budget: what this run may do.
        console: where it is told how far the backfill is.
    """

    def __init__(self, lake: Lake, run: Run, named: DataFrame | None, budget: BackfillBudget, console: Console) -> None:
        self._lake = lake
        self._run = replace(run, checkpoint=partial(lake.checkpoint, run=run))
        self._named = named
        self._budget = budget
        self._console = console
        self._claims = Claims(lake, self._run)
        self._started = time.monotonic()
        self._num_tried = 0
        self.outcome = Outcome()
        self.standing = BackfillProgress(0, 0, 0)

    def run(self) -> Outcome:
        """Do what the budget allows, and record it in `runs`, whether it ends well or not.

        Raises:
            QualityError: too many videos fail; what was done until then stays.
            UsageError: videos of the lake's own manifest must be described, and no `manifest.roots` say from where.
        """
        try:
            with ThreadPoolExecutor(_NUM_TABLES_AT_ONCE) as pool:
                list(pool.map(self._lake.create, TABLES))
            with named_jobs(self._lake.spark, self._run, "backfill"):
                self._work()
        except BaseException as error:
            with suppress(NdvrError, PySparkException, Py4JError):  # what broke the run may break its record too
                self._record(error)
            raise
        finally:
            self._claims.close()
            self._lake.clear_staging(self._run)
        self._record()
        return self.outcome

    def _work(self) -> None:
        """Work off the shards in their order."""
        rows = self._named
        if rows is None:
            rows = self._lake.read("manifest").where("removed_at IS NULL").select("video_id", "published_at")
        else:
            rows = rows.where("NOT is_removed")
        catalogue = self._run.checkpoint("catalogue", add_shard(rows))
        self.standing, pending = count_states(catalogue, self._lake, self._run)
        self._tell()
        for shard in plan_shards(pending, self._run.config.describe.videos_per_commit):
            log.info("shard begun", shard=shard.name, num_videos=shard.num_videos)
            if not self._work_off(catalogue, shard):
                log.info("budget used up", num_tried=self._num_tried)
                break
        self.standing = replace(count_states(catalogue, self._lake, self._run)[0], rate=self.standing.rate)
        self._tell()

    def _work_off(self, catalogue: DataFrame, shard: BackfillShard) -> bool:
        """Work off a shard; False where the budget ends before it does. What others have claimed is theirs."""
        after: tuple[int, str] | None = None
        while size := self._choose_size():
            pending = partial(select_pending, catalogue, shard, after, self._lake, self._run)
            taken = self._claims.take(pending, size)
            if not taken:
                return True
            self._do_batch(catalogue, taken)
            self._tell()
            after = (taken[-1]["hash"], taken[-1]["video_id"])
        return False

    def _choose_size(self) -> int:
        """Choose how many videos the next batch has."""
        config, seconds = self._run.config.describe, time.monotonic() - self._started
        first = config.videos_per_task * self._lake.spark.sparkContext.defaultParallelism
        sizes = (min(first, config.videos_per_commit), config.videos_per_commit)
        return self._budget.choose_batch(self._num_tried, seconds, self.standing.rate, sizes)

    def _do_batch(self, catalogue: DataFrame, taken: list[Row]) -> None:
        """Bring a batch into the tables."""
        ids = F.broadcast(self._lake.spark.createDataFrame([(row["video_id"],) for row in taken], "video_id STRING"))
        if self._named is not None:
            self._bring(catalogue.join(ids, "video_id", "left_semi"))
        num_failed = self.outcome.error_counts.total()
        self._describe(ids)
        described = self._lake.read("descriptors").join(ids, "video_id", "left_semi")
        self._lake.provide("descriptors", described)
        self.outcome.add(run_stage(_STAGE["embeddings"], self._lake, self._run))
        self._lake.unstage(descriptors.TABLE)
        num_failed = self.outcome.error_counts.total() - num_failed
        self._num_tried += len(taken)
        self.standing = replace(
            self.standing,
            num_done=self.standing.num_done + len(taken) - num_failed,
            num_failed=self.standing.num_failed + num_failed,
            rate=self._num_tried / (time.monotonic() - self._started),
        )
        self._audit()

    def _bring(self, named: DataFrame) -> None:
        """Put videos into `manifest` that are not there; what nights have said of one is newer."""
        started = time.monotonic()
        stored = self._lake.read("manifest")
        new = manifest.bring(named.join(stored, "video_id", "left_anti"), stored, self._run)
        rows = self._lake.stage(manifest.TABLE, new, self._run)
        num_rows = self._lake.count_checked(manifest.TABLE, rows)
        self._lake.merge(manifest.TABLE, rows, self._run, is_insert_only=True)
        self.outcome.add(StageRecord("manifest", "done", time.monotonic() - started, num_rows))

    def _describe(self, ids: DataFrame) -> None:
        """Describe those of a batch that are due."""
        inputs = {name: self._lake.read(name) for name in attempts.DUE_READS}
        due = attempts.select_due(inputs, self._run).join(ids, "video_id", "left_semi").collect()
        if not due:
            return
        if self._named is None and not self._run.config.manifest.roots:
            raise UsageError(
                f"{len(due)} videos must be described for {self._run.model.descriptor_id}, and nothing says where they "
                "may be read from: give --manifest, or name their folders as manifest.roots"
            )
        self._lake.provide("due", attempts.make_requests(self._lake.spark, due))
        for name in _DESCRIBING:
            self.outcome.add(run_stage(_STAGE[name], self._lake, self._run))
        self.outcome.count_attempts(self._lake.read("attempts"))

    def _audit(self) -> None:
        """Stop where too many videos fail: a store that is out of reach would put all of the past into quarantine."""
        measures = Measures(num_described=self.outcome.num_described, error_counts=self.outcome.error_counts)
        finding = audit_failures(measures, self._run.config.quality)
        if finding is not None and (told := report_tripped([finding])) is not None:
            raise QualityError(f"the backfill stops: {told}")

    def _tell(self) -> None:
        """Tell how far it is."""
        log.info("backfill", num_tried=self._num_tried, **vars(self.standing))
        self._console.print(self.standing.describe())

    def _record(self, failure: BaseException | None = None) -> None:
        """Append this run's rows to `runs`; no night takes them for its own: they have no output_version."""
        whole = self.outcome.sum_up("backfill", time.monotonic() - self._started, self._num_tried, failure)
        rows = runs.make_rows([*self.outcome.records, whole], self._run)
        self._lake.append(runs.TABLE, self._lake.spark.createDataFrame(rows, runs.TABLE.schema), self._run)
