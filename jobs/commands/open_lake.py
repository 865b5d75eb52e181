"""Opens a lake for a command that reads it: starts a session and creates a temporary view of each table."""

from __future__ import annotations

from jobs.lake.lake import Lake
from jobs.lake.location import no_tables
from jobs.lake.session import start_session
from jobs.pipeline import TABLES


def open_lake(lake_uri: str) -> Lake:
    """Start a session and create a temporary view of each table of the lake, with the name of the table.

    Raises:
        UsageError: the lake has no tables.
    """
    from delta.tables import DeltaTable

    spark = start_session("ndvr sql")
    lake = Lake(spark, lake_uri)
    stored = [table for table in TABLES if DeltaTable.isDeltaTable(spark, lake.path(table.name))]
    if not stored:
        raise no_tables(lake_uri)
    for table in stored:
        lake.read(table.name).createOrReplaceTempView(table.name)
    return lake
