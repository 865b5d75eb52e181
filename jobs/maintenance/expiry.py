"""Finds expired rows: those of unused models, and records of old runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.contracts.run_ids import parse_run_time
from jobs.tables import (
    clusters,
    descriptors,
    duplicates,
    embeddings,
    fingerprints,
    pairs,
    runs,
    search_cells,
    segment_codes,
    thumbnails,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyspark.sql import Column

    from jobs.config.operation import MaintenanceConfig
    from jobs.contracts.table import Table
    from jobs.lake.lake import Lake
    from models.embedding_models import EmbeddingModel

# cluster_events is not listed: it is a journal, and a model that is used again takes its cluster ids from it.
MODEL_TABLES = (
    embeddings.TABLE,
    fingerprints.TABLE,
    search_cells.TABLE,
    segment_codes.TABLE,
    pairs.TABLE,
    clusters.TABLE,
    duplicates.TABLE,
)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Deletion:
    """Rows to delete from a table.

    Attributes:
        table: contract of the table.
        what: description for the report.
        condition: selects the rows.
    """

    table: Table
    what: str
    condition: Column


def expire_models(lake: Lake, model: EmbeddingModel, config: MaintenanceConfig, now: datetime) -> list[Deletion]:
    """Find the rows of models and descriptors that no run has used for `expire_model_days`. Runs on: driver.

    The model of the config, the model of the newest published run and those in `keep_models` are kept at any age. The
    last use of a model is its newest run, recorded in `runs` or only in a row. Descriptors are in use while a kept
    model uses them: its model_id contains the descriptor_id.
    """
    if config.expire_model_days is None:
        return []
    oldest = now - timedelta(days=config.expire_model_days)
    last_used = _read_last_use(lake)
    in_use = runs.find_model_in_use(lake)
    kept = {model.model_id, *config.keep_models, *([in_use] if in_use else [])}
    expired = {model_id for model_id, used_at in last_used.items() if used_at < oldest} - kept
    kept |= last_used.keys() - expired | {model.descriptor_id}
    found = [
        Deletion(table, f"rows of {', '.join(names)}", F.col("model_id").isin(*names))
        for table in MODEL_TABLES
        if (names := sorted(expired & _read_last_runs(lake, table, "model_id").keys()))
    ]
    described = _read_last_runs(lake, descriptors.TABLE, "descriptor_id")
    names = sorted(d for d, used_at in described.items() if used_at < oldest and not _is_used(d, kept))
    if names:
        is_expired = F.col("descriptor_id").isin(*names)
        tables = (descriptors.TABLE, thumbnails.TABLE)
        found += [Deletion(table, f"rows of {', '.join(names)}", is_expired) for table in tables]
    return found


def _is_used(descriptor_id: str, kept: Iterable[str]) -> bool:
    """Return whether a kept model uses the descriptors, or `keep_models` names them."""
    return any(descriptor_id in name for name in kept)


def expire_runs(lake: Lake, config: MaintenanceConfig, now: datetime) -> list[Deletion]:
    """Find the records of runs older than `keep_run_days`. Runs on: driver.

    The newest record of each stage is kept, because the next run uses it to find what is up to date.
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
    """Read when each model was last used, from the records of runs and from the rows themselves."""
    uses = [_read_last_runs(lake, table, "model_id") for table in (*MODEL_TABLES, runs.TABLE)]
    names = {name for use in uses for name in use}
    return {name: max(use.get(name, _NEVER) for use in uses) for name in names}


def _read_last_runs(lake: Lake, table: Table, column: str) -> Mapping[str, datetime]:
    """Read the start time of the newest run that wrote each value of a column."""
    if not lake.exists(table):
        return {}
    newest = lake.read(table.name).groupBy(column).agg(F.max("run_id").alias("run_id")).collect()
    # ndvr did not make a run_id without a time, so its rows never expire.
    return {row[column]: parse_run_time(row["run_id"]) or datetime.max.replace(tzinfo=UTC) for row in newest}
