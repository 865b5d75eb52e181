"""Opens a lake for a command that reads it: a session, and a temporary view of each table."""

from __future__ import annotations

import os
from pathlib import Path

from jobs.errors import UsageError
from jobs.lake.lake import Lake
from jobs.lake.session import start_session
from jobs.pipeline import TABLES


def open_lake(lake_uri: str) -> Lake:
    """Start a session and make a view of each table of the lake, named as the table."""
    from delta.tables import DeltaTable

    spark = start_session("ndvr sql", spark_log=Path(os.devnull))
    lake = Lake(spark, lake_uri)
    stored = [table for table in TABLES if DeltaTable.isDeltaTable(spark, lake.path(table.name))]
    if not stored:
        raise UsageError(f"no tables in {lake_uri!r}; give --lake the folder that a nightly run has written")
    for table in stored:
        lake.read(table.name).createOrReplaceTempView(table.name)
    return lake
