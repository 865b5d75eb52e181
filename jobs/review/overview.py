"""Reads the numbers of a report: the stages of the run, the runs before it, and distributions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from jobs.config.settings import Config
from jobs.contracts.published_runs import IS_PUBLISHED, write_newest
from jobs.contracts.times import from_unix_micros
from jobs.errors import UsageError
from jobs.pipeline import STAGES, TABLES
from jobs.review.report_data import Overview, RunFacts
from jobs.tables.estimates import read_last_estimate
from models.embedding_models import find_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import DataFrame, Row

    from jobs.lake.lake import Lake

_MAX_HISTORY = 30
_ORDER = {stage.name: number for number, stage in enumerate(STAGES)}


def read_history(lake: Lake, run_id: str | None) -> list[RunFacts]:
    """Read a run and up to 29 runs before it, the newest first. Runs on: driver.

    Args:
        lake: the lake.
        run_id: id of the run; None means the newest published run.

    Raises:
        UsageError: the run does not exist, or it published nothing.
    """
    runs = lake.read("runs").withColumn("started_micros", F.unix_micros("started_at"))
    whole = runs.where("stage = 'run'")
    chosen = whole.where(F.col("run_id") == run_id) if run_id else whole.where(IS_PUBLISHED)
    newest = chosen.agg(F.expr(write_newest("struct(*)")).alias("newest")).collect()[0]["newest"]
    if newest is None:
        raise UsageError(
            f"no run {run_id} in {lake.root!r}; the table runs lists all runs"
            if run_id
            else f"no run has been published in {lake.root!r}; run ndvr nightly first"
        )
    if newest["status"] != "done":
        raise UsageError(f"run {run_id} failed and published nothing: {newest['error_detail'] or ''}".rstrip(": "))
    earlier = (
        whole.where(F.col("started_micros") <= newest["started_micros"])
        .orderBy(F.desc("started_micros"), F.desc("run_id"))
        .limit(_MAX_HISTORY)
        .collect()
    )
    ids = [row["run_id"] for row in earlier]
    stages: dict[str, list[Row]] = {}
    for row in runs.where(F.col("run_id").isin(*ids) & (F.col("stage") != "run")).collect():
        stages.setdefault(row["run_id"], []).append(row)
    return [_read_run(row, stages.get(row["run_id"], [])) for row in earlier]


def _read_run(row: Row, stages: Sequence[Row]) -> RunFacts:
    """Make a run from its rows."""
    ordered = sorted(stages, key=lambda stage: _ORDER.get(stage["stage"], len(_ORDER)))
    return RunFacts(
        row["run_id"],
        row["run_date"],
        from_unix_micros(row["started_micros"]),
        row["model_id"],
        row["status"],
        row["seconds"],
        row["num_rows"] or 0,
        row["error_counts"],
        row["config"],
        [(stage["stage"], stage["status"], stage["seconds"], stage["num_rows"]) for stage in ordered],
    )


def read_as_published(lake: Lake, name: str, run: RunFacts) -> DataFrame:
    """Return the rows of the run's model in the version of a table that the run published.

    Columns that an earlier version of ndvr did not write are null.

    Raises:
        UsageError: that version no longer exists.
    """
    of_model = F.col("model_id") == run.model_id
    table = next(t for t in TABLES if t.name == name)
    done = lake.read("runs").where((F.col("stage") == name) & F.col("output_version").isNotNull())
    left = done.where(F.col("started_at") <= run.started_at).agg(F.max_by("output_version", "started_at")).first()
    version = left[0] if left else None
    rows: DataFrame | None = lake.read(name)
    if version is not None and version != lake.version(table):
        rows = lake.read_version(table, version)
    if rows is None:
        raise UsageError(
            f"the version of table {name} that run {run.run_id} published no longer exists; report on a later run"
        )
    missing = {field.name: F.lit(None).cast(field.dataType) for field in table.schema if field.name not in rows.columns}
    return rows.where(of_model).withColumns(missing)


def read_overview(lake: Lake, history: Sequence[RunFacts], clusters: DataFrame, pairs: DataFrame) -> Overview:
    """Read the distributions of a report. Runs on: driver, which collects a bounded number of rows.

    Args:
        lake: the lake.
        history: the result of `read_history`; the report is about the first run.
        clusters: the rows of `clusters` that the run published.
        pairs: the rows of `pairs` that the run published.
    """
    sizes = clusters.groupBy("cluster_id").count()
    cluster_sizes = _count_by(sizes, F.col("count"))
    error_codes = _count_by(lake.read("quarantine"), F.col("error_code"))
    probabilities = _count_by(pairs, F.floor(F.col("match_probability") * 100).cast("int"))
    cosines = _count_by(pairs, F.floor(F.col("cosine_similarity") * 100).cast("int"))
    counts = {
        "videos in the manifest": lake.read("manifest").where("removed_at IS NULL").count(),
        "pairs that share footage": sum(probabilities.values()),
        "clusters": sum(cluster_sizes.values()),
        "videos in clusters": sum(size * number for size, number in cluster_sizes.items()),
        "videos in quarantine": sum(error_codes.values()),
    }
    counts["copies that are not kept"] = counts["videos in clusters"] - counts["clusters"]
    probability, cosine = _find_thresholds(history[0])
    estimate = read_last_estimate(lake, history[0].model_id)
    precision = None if estimate is None else estimate.describe(datetime.now(UTC))
    return Overview(
        history[0], history, counts, probabilities, cosines, probability, cosine, cluster_sizes, error_codes, precision
    )


def _count_by(rows: DataFrame, value: Any) -> Mapping[Any, int]:  # noqa: ANN401 - a Column, of any type of value
    """Count rows by a value with few distinct values; sorted by the value."""
    counted = rows.groupBy(value.alias("value")).count().collect()
    return dict(sorted((row["value"], row["count"]) for row in counted))


def _find_thresholds(run: RunFacts) -> tuple[float | None, float | None]:
    """Return the thresholds of match_probability and of cosine_similarity; None where one is unused or unknown."""
    try:
        config = Config(**_read_config(run.config))
        model = find_model(
            config.embeddings.method,
            config.describe.backbone,
            config.describe.descriptor_id,
            config.embeddings.artefact_dir,
        )
    except ValueError:  # the model was moved, or the settings belong to another version
        return None, None
    pairs = config.pairs
    if model.verifier is not None and pairs.min_cosine_similarity is None:
        return pairs.min_match_probability or model.verifier.min_probability, None
    if pairs.min_cosine_similarity is not None:
        return None, pairs.min_cosine_similarity
    return None, model.calibration.min_cosine_similarity if model.calibration else None


def _read_config(text: str | None) -> dict[str, Any]:
    """Parse the settings that a run recorded."""
    settings: dict[str, Any] = json.loads(text) if text else {}
    return settings
