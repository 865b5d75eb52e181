"""Claims: of the videos that are due, each is described by one run, whoever else works on the lake meanwhile."""

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
    """The claims of one run. A claim holds until its run takes the next batch, or ends, or is killed.

    Runs on: driver.

    Args:
        lake: where the runs meet.
        run: whose claims these are.
    """

    def __init__(self, lake: Lake, run: Run) -> None:
        self._lake = lake
        self._run = run
        self._heartbeat = Heartbeat(lake, run.run_id)

    def take(self, select: Callable[[], DataFrame], limit: int) -> list[Row]:
        """Choose videos in the order of a hash, and claim them before anybody else does.

        A video that another run claims and has done with after `select` has read the tables would be done twice; so
        where they were written to until the claims stood, the choice is made anew. Then whatever has been done by
        others is seen, and whatever they are about to do is claimed.

        Args:
            select: reads the tables as they are now, and gives rows with a video_id: what there is to do.
            limit: at most so many are taken; the others' are passed over.

        Returns:
            The rows that were taken; none where nothing is left that nobody else has claimed.
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
                log.info("batch chosen anew", num_chosen=len(chosen), num_taken=len(taken))

    def close(self) -> None:
        """Give no more signs of life; the claims hold no longer when the run's staging folder is removed."""
        self._heartbeat.stop()

    def _choose(self, rows: DataFrame, limit: int) -> list[Row]:
        """Take the first rows that no run which is going has claimed."""
        living = self._heartbeat.find_living()
        if living:
            others = self._read_claims().where(F.col("run_id").isin(*living))
            rows = rows.join(others.select("video_id"), "video_id", "left_anti")
        return rows.orderBy(F.xxhash64("video_id"), "video_id").limit(limit).collect()

    def _claim(self, chosen: list[Row]) -> list[Row]:
        """Claim the videos, and return those that no other run had claimed before."""
        self._heartbeat.start()  # a claim without a sign of life would hold nothing
        run = (self._run.model.descriptor_id, self._run.run_id, datetime.now(UTC))
        rows = self._lake.spark.createDataFrame([(row["video_id"], *run) for row in chosen], claims.TABLE.schema)
        retry_conflicts(lambda: self._merge(rows), claims.TABLE.name)
        mine = self._read_claims().where(F.col("run_id") == self._run.run_id).select("video_id").collect()
        held = {row["video_id"] for row in mine}
        return [row for row in chosen if row["video_id"] in held]

    def _merge(self, rows: DataFrame) -> None:
        """Add the claims that stand against no other run's, in place of those of this run and of runs that have ended.

        The claims are read before it is asked who lives: whoever has one gave a sign of life before.
        """
        from delta.tables import DeltaTable

        owners = {row["run_id"] for row in self._lake.read("claims").select("run_id").distinct().collect()}
        ended = sorted(owners - self._heartbeat.find_living() - {self._run.run_id})
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
        """Read the claims on descriptors of the kind that this run makes."""
        return self._lake.read("claims").where(F.col("descriptor_id") == self._run.model.descriptor_id)

    def _read_versions(self) -> tuple[int, ...]:
        """Return the versions of the tables that tell what is done."""
        return tuple(self._lake.version(table) for table in (descriptors.TABLE, quarantine.TABLE))
