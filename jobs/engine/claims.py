"""Claims: each due video is described by only one run, even if several runs work on the lake."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.run_log import log
from jobs.engine.heartbeat import Heartbeat
from jobs.lake.commits import retry_conflicts
from jobs.lake.session import named_jobs
from jobs.tables import claims, descriptors, quarantine

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame, Row

    from jobs.contracts.run import Run
    from jobs.lake.lake import Lake


class Claims:
    """The claims of one run. A claim holds until its run claims the next batch, ends, or is killed.

    Runs on: driver.

    Args:
        lake: lake that the runs share.
        run: run that claims.

    Attributes:
        is_exhausted: whether no video was pending at the last choice, not even one that another run had claimed.
    """

    def __init__(self, lake: Lake, run: Run) -> None:
        self._lake = lake
        self._run = run
        self._heartbeat = Heartbeat(lake, run.run_id)
        self.is_exhausted = False

    def claim_batch(self, select: Callable[[], DataFrame], limit: int) -> list[Row]:
        """Choose videos in the order of a hash and claim them before other runs do.

        A video that another run claims and finishes after `select` has read the tables would be described twice. So if
        the tables change before the claims are committed, the batch is chosen again. After that, finished videos of
        other runs are visible in the tables, and their unfinished videos are claimed.

        Args:
            select: reads the current tables and returns one row per pending video, with video_id.
            limit: maximum number of videos; videos that other runs claim are skipped.

        Returns:
            The claimed rows; empty if every pending video is claimed by another run.
        """
        with named_jobs(self._lake.spark, self._run, "claims"):
            while True:
                seen = self._read_versions()
                chosen = self._choose(select(), limit)
                if not chosen:
                    return []
                taken = self._claim(chosen)
                if taken and self._read_versions() == seen:
                    return taken
                log.info("batch chosen again", num_chosen=len(chosen), num_taken=len(taken))

    def close(self) -> None:
        """Stop the heartbeat. The claims end when the staging folder of the run is removed."""
        self._heartbeat.stop()

    def _choose(self, rows: DataFrame, limit: int) -> list[Row]:
        """Return the first rows that no active run has claimed."""
        active = self._heartbeat.find_active()
        if active:
            others = self._read_claims().where(F.col("run_id").isin(*active))
            rows = rows.join(others.select("video_id"), "video_id", "left_anti")
        chosen = rows.orderBy(F.xxhash64("video_id"), "video_id").limit(limit).collect()
        self.is_exhausted = not chosen and not active
        return chosen

    def _claim(self, chosen: list[Row]) -> list[Row]:
        """Claim the videos and return those that no other run had claimed before."""
        self._heartbeat.start()  # other runs ignore the claims of a run without a heartbeat
        run = (self._run.model.descriptor_id, self._run.run_id, datetime.now(UTC))
        rows = self._lake.spark.createDataFrame([(row["video_id"], *run) for row in chosen], claims.TABLE.schema)
        retry_conflicts(lambda: self._merge(rows), claims.TABLE.name)
        mine = self._read_claims().where(F.col("run_id") == self._run.run_id).select("video_id").collect()
        claimed = {row["video_id"] for row in mine}
        return [row for row in chosen if row["video_id"] in claimed]

    def _merge(self, rows: DataFrame) -> None:
        """Add the claims that conflict with no active run, and delete those of this run and of ended runs.

        The claims are read before the active runs are listed, because a run starts its heartbeat before it claims.
        """
        from delta.tables import DeltaTable

        owners = {row["run_id"] for row in self._lake.read("claims").select("run_id").distinct().collect()}
        ended = sorted(owners - self._heartbeat.find_active() - {self._run.run_id})
        values: dict[str, str | Column] = {name: F.col(f"source.`{name}`") for name in rows.columns}
        merge = (
            DeltaTable.forPath(self._lake.spark, self._lake.path("claims"))
            .alias("target")
            .merge(rows.alias("source"), " AND ".join(f"target.{key} = source.{key}" for key in claims.TABLE.key))
            .whenMatchedUpdate(F.col("target.run_id").isin(*ended), values)
            .whenNotMatchedInsert(values=values)
            .whenNotMatchedBySourceDelete(F.col("target.run_id").isin(*ended, self._run.run_id))
        )
        self._lake.commit(claims.TABLE, self._run, merge.execute)

    def _read_claims(self) -> DataFrame:
        """Read the claims for the descriptor_id of this run."""
        return self._lake.read("claims").where(F.col("descriptor_id") == self._run.model.descriptor_id)

    def _read_versions(self) -> tuple[int, ...]:
        """Return the versions of the tables that record finished videos."""
        return tuple(self._lake.version(table) for table in (descriptors.TABLE, quarantine.TABLE))
