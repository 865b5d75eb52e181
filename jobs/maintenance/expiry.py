"""What has expired: the rows of models that nobody uses any more, and the records of old runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.run_ids import parse_run_time
from jobs.tables import clusters, descriptors, duplicates, embeddings, pairs, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyspark.sql import Column

    from jobs.config.operation import MaintenanceConfig
    from jobs.contracts.table import Table
    from jobs.lake.lake import Lake
    from models.embedding_models import EmbeddingModel

# cluster_events is a journal: the clusters of a model that comes back take their names from it.
MODEL_TABLES = (embeddings.TABLE, pairs.TABLE, clusters.TABLE, duplicates.TABLE)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Deletion:
    """Rows to delete from a table.

    Attributes:
        table: which.
        what: why, for people.
        condition: the rows.
    """

    table: Table
    what: str
    condition: Column


def expire_models(lake: Lake, model: EmbeddingModel, config: MaintenanceConfig, now: datetime) -> list[Deletion]:
    """Name the rows of models and descriptors that no run has used for `expire_model_days`. Runs on: driver.

    In use are the model of the config and that of the newest published run, whatever their age, and what
    `keep_models` names. A model was last used by its newest run, be it recorded in `runs` or only in a row; descriptors
    by the newest run of a model that takes them (a model_id contains the descriptor_id).
    """
    if config.expire_model_days is None:
        return []
    oldest = now - timedelta(days=config.expire_model_days)
    last_used = _read_last_use(lake)
    kept = {model.model_id, *config.keep_models, *_read_published_model(lake)}
    expired = {model_id for model_id, used_at in last_used.items() if used_at < oldest} - kept
    kept |= last_used.keys() - expired | {model.descriptor_id}
    found = [
        Deletion(table, f"rows of {', '.join(gone)}", F.col("model_id").isin(*gone))
        for table in MODEL_TABLES
        if (gone := sorted(expired & _read_runs_by(lake, table, "model_id").keys()))
    ]
    described = _read_runs_by(lake, descriptors.TABLE, "descriptor_id")
    gone = sorted(d for d, used_at in described.items() if used_at < oldest and not _is_taken(d, kept))
    if gone:
        found.append(Deletion(descriptors.TABLE, f"rows of {', '.join(gone)}", F.col("descriptor_id").isin(*gone)))
    return found


def _is_taken(descriptor_id: str, kept: Iterable[str]) -> bool:
    """Tell whether a kept model takes the descriptors, or they are kept by name."""
    return any(descriptor_id in name for name in kept)


def expire_runs(lake: Lake, config: MaintenanceConfig, now: datetime) -> list[Deletion]:
    """Name the records of runs older than `keep_run_days`. Runs on: driver.

    The newest record of each stage stays: by it the next run knows what is up to date.
    """
    if not lake.exists(runs.TABLE):
        return []
    records = lake.read("runs")
    published = records.where("status = 'done' AND (output_version IS NOT NULL OR stage = 'run')")
    needed = published.groupBy("stage").agg(F.max_by("run_id", "started_at").alias("run_id"))
    kept = sorted({row["run_id"] for row in needed.collect()})
    is_old = (F.col("started_at") < F.lit(now - timedelta(days=config.keep_run_days))) & ~F.col("run_id").isin(*kept)
    num_old = records.where(is_old).count()
    return [Deletion(runs.TABLE, f"{num_old} records of old runs", is_old)] if num_old else []


def _read_last_use(lake: Lake) -> dict[str, datetime]:
    """Tell when each model was last used: by the records of runs, and by the rows themselves."""
    uses = [_read_runs_by(lake, table, "model_id") for table in (*MODEL_TABLES, runs.TABLE)]
    names = {name for use in uses for name in use}
    return {name: max(use.get(name, _NEVER) for use in uses) for name in names}


def _read_runs_by(lake: Lake, table: Table, column: str) -> Mapping[str, datetime]:
    """Read the start of the newest run that each value of a column came from."""
    if not lake.exists(table):
        return {}
    newest = lake.read(table.name).groupBy(column).agg(F.max("run_id").alias("run_id")).collect()
    # A run_id that tells no time is somebody's own: its rows are not ours to delete.
    return {row[column]: parse_run_time(row["run_id"]) or datetime.max.replace(tzinfo=UTC) for row in newest}


def _read_published_model(lake: Lake) -> set[str]:
    """Read the model of the newest run that was published."""
    if not lake.exists(runs.TABLE):
        return set()
    done = lake.read("runs").where("stage = 'run' AND status = 'done'")
    row = done.agg(F.max_by("model_id", "started_at").alias("model_id")).collect()[0]
    return {row["model_id"]} - {None}
