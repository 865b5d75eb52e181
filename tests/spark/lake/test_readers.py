"""Clients other than Spark read the same rows from the tables."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from deltalake import DeltaTable

from jobs.pipeline import NIGHTLY_TABLES
from tests.support.lakes import EMPTY_TABLES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.contracts.table import Table
    from tests.spark.conftest import Described

by_name = pytest.mark.parametrize("table", NIGHTLY_TABLES, ids=lambda table: table.name)


def comparable(value: Any) -> Any:
    """Convert a value to the form that all three readers share: times without zone, and maps as sorted pairs."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, dict):
        return sorted((key, comparable(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        items = [tuple(item.values()) if isinstance(item, dict) else item for item in value]
        return sorted(items) if items and isinstance(items[0], tuple) else [comparable(item) for item in items]
    return bytes(value) if isinstance(value, bytearray) else value


def as_set(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(str({name: comparable(row[name]) for name in sorted(row)}) for row in rows)


@pytest.fixture(scope="module")
def spark_rows(described: Described, spark: SparkSession) -> dict[str, list[str]]:
    stored = {table.name: spark.read.format("delta").load(str(described.lake / table.name)) for table in NIGHTLY_TABLES}
    return {name: as_set([row.asDict() for row in rows.collect()]) for name, rows in stored.items()}


@by_name
def test_delta_rs_reads_the_rows_that_spark_reads(
    table: Table, described: Described, spark_rows: dict[str, list[str]]
) -> None:
    rows = DeltaTable(str(described.lake / table.name)).to_pyarrow_table().to_pylist()
    assert as_set(rows) == spark_rows[table.name]
    assert bool(rows) == (table.name not in EMPTY_TABLES)


@by_name
def test_polars_reads_the_rows_that_spark_reads(
    table: Table, described: Described, spark_rows: dict[str, list[str]]
) -> None:
    assert as_set(pl.read_delta(str(described.lake / table.name)).to_dicts()) == spark_rows[table.name]
