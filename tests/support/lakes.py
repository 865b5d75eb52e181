"""Running nights in tests, and looking at a lake without Spark."""

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

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from jobs.engine.outcome import Outcome

NIGHT = date(2024, 5, 1)
TINY = {
    "describe": {"backbone": "tiny"},
    "embeddings": {"method": "averaged"},
    "pairs": {"min_cosine_similarity": 0.93},
}
"""Settings of an untrained network: the catalogue's copies are at .97 and above, strangers at .87 and below."""


def run_night(manifest: Path, lake: Path, settings: dict[str, Any]) -> Outcome:
    """Run the nightly job in this process."""
    return run_nightly(str(manifest), str(lake), Config(**settings), NIGHT)


def make_run(spark: SparkSession, manifest: Path, settings: dict[str, Any]) -> Run:
    """Make what a build is handed, for the builds that are called alone."""
    console = Console(stderr=True)
    started_at = datetime(2024, 5, 1, 12, tzinfo=UTC)
    return Run("test-run", NIGHT, started_at, str(manifest), Config(**settings), Progress(spark, console))


def present_in(embeddings: DataFrame) -> DataFrame:
    """Make what `pairs` must know of the manifest: that every embedded video is there."""
    return embeddings.select("video_id", F.lit(None).cast("timestamp").alias("removed_at")).distinct()


def read_rows(lake: Path, table: str) -> list[dict[str, Any]]:
    """Return a table's rows by delta-rs, in the order of their text."""
    return sorted(DeltaTable(str(lake / table)).to_pyarrow_table().to_pylist(), key=str)


def read_versions(lake: Path) -> dict[str, int]:
    """Return the newest Delta version of each table of a lake."""
    return {log.parent.name: DeltaTable(str(log.parent)).version() for log in lake.glob("*/_delta_log")}


def read_metadata(lake: Path, table: str) -> dict[str, str]:
    """Return what the newest commit of a table says in its userMetadata."""
    metadata: dict[str, str] = json.loads(DeltaTable(str(lake / table)).history(1)[0]["userMetadata"])
    return metadata
