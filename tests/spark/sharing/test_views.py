"""The views for analysts, by name in `ndvr sql` and by path in a catalogue; and docs/sql.md, query by query."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.errors import UsageError
from jobs.pipeline import TABLES
from jobs.sharing.views import (
    CatalogEntries,
    CatalogLocation,
    create_entries,
    find_foreign_tables,
    find_foreign_views,
    storable_views,
)
from jobs.views.queries import BEFORE, read_views

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "sql.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```sql\n(.*?)```\n\n```text\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize(("query", "printed"), EXAMPLES, ids=[str(number) for number in range(len(EXAMPLES))])
def test_the_page_prints_what_ndvr_sql_prints(
    query: str, printed: str, written_lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(app, ["sql", query, "--lake", str(written_lake)]) == 0
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == printed.splitlines()


def test_every_query_of_the_page_has_its_result_and_every_view_a_query() -> None:
    assert len(EXAMPLES) == PAGE.count("```sql")
    asked = " ".join(query for query, _ in EXAMPLES)
    assert [view.name for view in read_views() if view.name not in asked] == []
    told = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, flags=re.MULTILINE)
    assert told == [(view.name, view.grain[0].lower() + view.grain[1:]) for view in read_views()]


def test_no_view_has_the_name_of_a_table_and_each_reads_tables_alone() -> None:
    names = {table.name for table in TABLES}
    assert {view.name for view in read_views()} & names == set()
    assert {name for view in read_views() for name in view.tables} <= names | {BEFORE}


@pytest.fixture
def schema(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[CatalogLocation]:
    """Return a schema. The catalog of the test session is in memory; it is taken for a persistent one.

    tests/submit/test_hive.py has a persistent one.
    """
    monkeypatch.setattr("jobs.sharing.views._IN_MEMORY", "no catalog")
    yield CatalogLocation("spark_catalog", "ndvr_views")
    spark.sql("DROP SCHEMA IF EXISTS spark_catalog.ndvr_views CASCADE")


@pytest.mark.parametrize("registered", [(), tuple(table.name for table in TABLES)])
def test_views_of_a_catalogue_are_created_and_created_again(
    written_lake: Path, spark: SparkSession, schema: CatalogLocation, registered: tuple[str, ...]
) -> None:
    entries = CatalogEntries(str(written_lake), schema, registered)
    for _ in range(2):
        assert create_entries(spark, entries) == [*entries.table_names, *entries.view_names]
    rows = spark.sql("SELECT * FROM spark_catalog.ndvr_views.reclaimable_bytes").collect()
    assert [tuple(row) for row in rows] == [("bob", 2, 740_000_000), ("cyd", 1, 8_000_000)]
    stored = spark.sql("SHOW VIEWS IN spark_catalog.ndvr_views").collect()
    assert {row["viewName"] for row in stored if not row["isTemporary"]} == {view.name for view in storable_views()}
    detail = spark.sql("DESCRIBE TABLE EXTENDED spark_catalog.ndvr_views.review_queue").collect()
    (comment,) = (row["data_type"] for row in detail if row["col_name"] == "Comment")
    assert comment.startswith("A pair that a person should look at and nobody has decided about, ")
    tables = {row["tableName"] for row in spark.sql("SHOW TABLES IN spark_catalog.ndvr_views").collect()}
    assert tables >= set(registered)
    assert [spark.table(name).count() for name in entries.table_names] == [
        spark.read.format("delta").load(entries.path(table)).count() for table in registered
    ]


def test_views_of_others_are_not_replaced_without_the_option(
    written_lake: Path, spark: SparkSession, schema: CatalogLocation
) -> None:
    entries = CatalogEntries(str(written_lake), schema)
    spark.sql("CREATE SCHEMA spark_catalog.ndvr_views")
    spark.sql("CREATE VIEW spark_catalog.ndvr_views.run_history AS SELECT 1 AS own")
    assert find_foreign_views(spark, entries) == ["`spark_catalog`.`ndvr_views`.`run_history`"]
    message = "nothing was created: `spark_catalog`.`ndvr_views`.`run_history` already exist, and ndvr did not create"
    with pytest.raises(UsageError, match=message):
        create_entries(spark, entries)
    assert spark.sql("SHOW VIEWS IN spark_catalog.ndvr_views").where("NOT isTemporary").count() == 1
    create_entries(spark, entries, is_replacing=True)
    assert spark.table("spark_catalog.ndvr_views.run_history").count() == 2
    assert find_foreign_views(spark, entries) == []


def test_tables_of_another_lake_are_never_replaced(
    written_lake: Path, written_copy: Path, spark: SparkSession, schema: CatalogLocation
) -> None:
    create_entries(spark, CatalogEntries(str(written_copy), schema, ("pairs",)))
    entries = CatalogEntries(str(written_lake), schema, ("pairs", "runs"))
    assert find_foreign_tables(spark, entries) == ["`spark_catalog`.`ndvr_views`.`pairs`"]
    message = "nothing was created: `spark_catalog`.`ndvr_views`.`pairs` already exist, and they are not the tables of"
    with pytest.raises(UsageError, match=message):
        create_entries(spark, entries, is_replacing=True)
    assert not spark.catalog.tableExists("spark_catalog.ndvr_views.runs")


def test_a_catalogue_in_memory_would_forget_the_views(written_lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(app, ["views", "--lake", str(written_lake), "--schema", "ndvr"]) == 2
    assert capsys.readouterr().err.startswith(
        "ndvr: the catalog of the session is in memory and would lose the views; "
    )


def test_a_catalogue_that_is_not_there_is_a_usage_error(written_lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(app, ["views", "--lake", str(written_lake), "--catalog", "nowhere", "--schema", "ndvr"]) == 2
    assert capsys.readouterr().err.startswith("ndvr: the views could not be created: ")
    assert run_command(app, ["views", "--lake", str(written_lake), "--catalog", "nowhere"]) == 2
    message = "ndvr: --catalog requires --schema: the full name of a view is catalog.schema.view\n"
    assert capsys.readouterr().err == message
    assert run_command(app, ["views", "--lake", str(written_lake), "--tables"]) == 2
    assert capsys.readouterr().err.startswith("ndvr: --tables requires --schema: ")


def test_the_sql_is_printed_without_spark(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(app, ["views", "--lake", "s3://bucket/lake", "--schema", "ndvr", "--print"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("CREATE SCHEMA IF NOT EXISTS `ndvr`;\n\n")
    assert printed.count(";\n\n") == 1 + len(storable_views())
    assert "changes_since_last_run" not in printed, "it reads an earlier version of a table"
    assert "FROM delta.`s3a://bucket/lake/duplicates` d" in printed
    assert "{" not in printed
    assert run_command(app, ["views", "--lake", "s3://bucket/lake", "--schema", "ndvr", "--tables", "--print"]) == 0
    printed = capsys.readouterr().out
    assert "CREATE TABLE IF NOT EXISTS `ndvr`.`pairs` USING DELTA LOCATION 's3a://bucket/lake/pairs';\n\n" in printed
    assert "FROM `ndvr`.`duplicates` d" in printed
    assert "delta." not in printed


def test_an_older_version_is_asked_by_path(written_lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = f"FROM delta.`{written_lake}/duplicates` VERSION AS OF 0 |> AGGREGATE count(*) AS n"
    assert run_command(app, ["sql", query, "--lake", str(written_lake), "--format", "json"]) == 0
    assert capsys.readouterr().out == '{"n": 0}\n'
