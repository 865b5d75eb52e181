from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F

from jobs.lake.file_skipping import covers

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession


@pytest.fixture(scope="module")
def table(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    """A table of three files with the ids a0 to a9, b0 to b9 and c0 to c9; the second file is gone."""
    folder = tmp_path_factory.mktemp("skipping") / "table"
    files: dict[str, Path] = {}
    for letter in "abc":
        before = set(folder.glob("*.parquet"))
        rows = spark.range(10).select(F.concat(F.lit(letter), F.col("id")).alias("video_id"))
        rows.coalesce(1).write.format("delta").mode("append").save(str(folder))
        (files[letter],) = set(folder.glob("*.parquet")) - before
    files["b"].unlink()
    return spark.read.format("delta").load(str(folder))


def list_ids(rows: DataFrame) -> list[str]:
    return sorted(row["video_id"] for row in rows.collect())


def test_files_without_the_ids_are_not_read(table: DataFrame) -> None:
    assert list_ids(table.where(covers("video_id", ["c7", "a1", "c7"]))) == ["a1", "c7"]
    assert list_ids(table.where(covers("video_id", []))) == []


def test_many_ids_are_combined_into_ranges_that_hold_all_of_them(spark: SparkSession) -> None:
    ids = [f"{number:04}" for number in range(0, 2000, 3)]
    rows = spark.range(2000).select(F.format_string("%04d", "id").alias("video_id"))
    found = list_ids(rows.where(covers("video_id", reversed(ids))))
    assert set(ids) <= set(found)
    assert len(found) < 2000
