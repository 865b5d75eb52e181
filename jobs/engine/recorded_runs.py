"""Reads what the earlier runs of a lake recorded in `runs`, with one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs.contracts.times import from_unix_micros
from jobs.tables import attempts, runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pyspark.sql import Column, Row

    from jobs.lake.lake import Lake


@dataclass(frozen=True)
class EarlierRuns:
    """The earlier runs, as the audits need them.

    Attributes:
        rejected: run_ids of the failed runs since the last published run.
        last_of_model: run_id of the last run that was published with the model in use; empty without one.
        history: `audit_values` of the published runs that recorded them, the newest first.
    """

    rejected: list[str]
    last_of_model: str
    history: list[dict[str, float]]


@dataclass(frozen=True)
class RecordedRuns:
    """The rows of `runs` that a run needs.

    Attributes:
        version: version of the table, or an earlier one.
        built: stage -> its newest record in a published run.
        idle: the newest record of a run that found no video due; None without one.
        whole: run_id, status, model_id and audit_values of each nightly run.
    """

    version: int
    built: Mapping[str, Mapping[str, Any]]
    idle: Mapping[str, Any] | None
    whole: Sequence[Row]

    def select_earlier(self, model_id: str) -> EarlierRuns:
        """Select what the audits of a run with this model compare with."""
        rows = sorted(self.whole, reverse=True, key=lambda row: row["run_id"])
        published = [row for row in rows if row["status"] == "done"]
        last = published[0]["run_id"] if published else ""
        return EarlierRuns(
            [row["run_id"] for row in rows if row["run_id"] > last],
            next((row["run_id"] for row in published if row["model_id"] == model_id), ""),
            [dict(row["audit_values"]) for row in published if row["audit_values"] is not None],
        )


def read_recorded_runs(lake: Lake) -> RecordedRuns:
    """Read the rows of `runs`: one for each stage, and one for each run, a few hundred. Runs on: driver."""
    version = lake.version(runs.TABLE)  # looked up first: rows of later commits may be read too
    is_built = (F.col("status") == "done") & F.col("output_version").isNotNull()
    is_idle = (F.col("stage") == attempts.TABLE.name) & (F.size("input_versions") > 0)
    whole = F.struct("run_id", "status", "model_id", "audit_values")
    rows = lake.read(runs.TABLE.name).groupBy("stage")
    found = rows.agg(
        _select_newest(is_built).alias("built"),
        _select_newest(is_idle).alias("idle"),
        F.collect_list(F.when(F.col("stage") == "run", whole)).alias("whole"),
    ).collect()
    return RecordedRuns(
        version,
        {row["stage"]: row["built"].asDict() for row in found if row["built"] is not None},
        next((row["idle"].asDict() for row in found if row["idle"] is not None), None),
        next((row["whole"] for row in found if row["stage"] == "run"), ()),
    )


def find_start(record: Mapping[str, Any]) -> datetime:
    """Return the start of the run that wrote a record, UTC."""
    return from_unix_micros(record["started_micros"])


def _select_newest(is_wanted: Column) -> Column:
    """Select the newest of the wanted rows, with its start in microseconds since 1970; null without one."""
    row = F.struct("*", F.unix_micros("started_at").alias("started_micros"))
    return F.max_by(row, F.when(is_wanted, F.col("started_at")))
