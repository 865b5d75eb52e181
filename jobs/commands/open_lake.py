"""Opens a lake for a command that reads it: starts a session and creates a temporary view of each table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.config.loading import load_config
from jobs.lake.lake import Lake
from jobs.lake.required_tables import no_tables
from jobs.lake.session import start_session
from jobs.pipeline import TABLES

if TYPE_CHECKING:
    from jobs.config.operation import SparkConfig


def open_lake(lake_uri: str, settings: SparkConfig | None = None) -> Lake:
    """Start a session and create a temporary view of each table of the lake, with the name of the table.

    Views of another lake that this process has opened before are replaced or dropped.

    Args:
        lake_uri: absolute path or URI.
        settings: packages and properties of the session; None takes them from the environment.

    Raises:
        UsageError: the lake has no tables, its store cannot be opened, or a setting in the environment is not valid.
    """
    from delta.tables import DeltaTable

    spark = start_session("ndvr sql", lake_uri, settings=settings or load_config().spark)
    lake = Lake(spark, lake_uri)
    stored = [table for table in TABLES if DeltaTable.isDeltaTable(spark, lake.path(table.name))]
    if not stored:
        raise no_tables(lake_uri)
    for table in TABLES:
        if table in stored:
            lake.read(table.name).createOrReplaceTempView(table.name)
        else:
            spark.catalog.dropTempView(table.name)
    return lake
