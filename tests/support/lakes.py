"""Runs the nightly job in tests, and reads a lake without Spark."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from deltalake import DeltaTable
from pyspark.sql import functions as F
from rich.console import Console

from jobs.config.settings import Config
from jobs.contracts.progress import Progress
from jobs.contracts.run import Run
from jobs.engine.night import run_nightly
from jobs.pairing.representatives import fingerprint_videos
from jobs.tables import quarantine, search_cells, segment_codes

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from jobs.engine.outcome import Outcome

NIGHT = date(2024, 5, 1)
EMPTY_TABLES = frozenset({"decisions", "search_cells", "segment_codes"})
"""What a night with an exact search leaves empty: people make decisions, and only a search by cells has cells."""
TINY = {
    "describe": {"backbone": "tiny"},
    "embeddings": {"method": "averaged"},
    "pairs": {"min_cosine_similarity": 0.93},
}
"""Settings for an untrained network. In the catalogue, copies have a cosine of .97 or more, other pairs .87 or less."""


def run_night(manifest: Path, lake: Path, settings: dict[str, Any]) -> Outcome:
    """Run the nightly job in this process."""
    return run_nightly(str(manifest), str(lake), Config(**settings), NIGHT)


def make_run(spark: SparkSession, manifest: Path, settings: dict[str, Any]) -> Run:
    """Make a run for tests that call a build function directly."""
    console = Console(stderr=True)
    started_at = datetime(2024, 5, 1, 12, tzinfo=UTC)
    return Run("test-run", NIGHT, started_at, str(manifest), Config(**settings), Progress(spark, console))


def present_in(embeddings: DataFrame) -> DataFrame:
    """Make the columns of `manifest` that `pairs` reads, with every embedded video present."""
    return embeddings.select("video_id", F.lit(None).cast("timestamp").alias("removed_at")).distinct()


def none_in_quarantine(spark: SparkSession) -> DataFrame:
    """Make an empty `quarantine`."""
    return spark.createDataFrame([], quarantine.TABLE.schema)


def make_search_inputs(embeddings: DataFrame, model_id: str) -> dict[str, DataFrame]:
    """Make what the stages before `pairs` build of rows of `embeddings`, in a lake without cells."""
    hashed = fingerprint_videos(embeddings.where(F.col("model_id") == model_id))
    empty = {
        table.name: embeddings.sparkSession.createDataFrame([], table.schema)
        for table in (search_cells.TABLE, segment_codes.TABLE)
    }
    return empty | {"fingerprints": hashed.withColumn("model_id", F.lit(model_id))}


def read_rows(lake: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table, read with delta-rs and sorted by their text."""
    return sorted(DeltaTable(str(lake / table)).to_pyarrow_table().to_pylist(), key=str)


def read_versions(lake: Path) -> dict[str, int]:
    """Return the newest Delta version of each table of a lake."""
    return {log.parent.name: DeltaTable(str(log.parent)).version() for log in lake.glob("*/_delta_log")}


def read_metadata(lake: Path, table: str) -> dict[str, str]:
    """Return the userMetadata of the newest commit of a table."""
    metadata: dict[str, str] = json.loads(DeltaTable(str(lake / table)).history(1)[0]["userMetadata"])
    return metadata
