"""The views for analysts, by name in `ndvr sql` and by path in a catalogue; and docs/sql.md, query by query."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.errors import UsageError
from jobs.lake.lake import Lake
from jobs.pipeline import TABLES
from jobs.sharing.views import ViewLocation, create_views, find_foreign, make_statements, storable_views
from jobs.views.queries import BEFORE, read_views

if TYPE_CHECKING:
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


def test_views_of_a_catalogue_read_the_tables_by_path_and_are_made_again(
    written_lake: Path, spark: SparkSession
) -> None:
    """The test session has an in-memory catalog, which `ndvr views` refuses; the statements are those for any other."""
    place = ViewLocation("spark_catalog", "ndvr_views")
    try:
        for _ in range(2):
            for statement in make_statements(str(written_lake), place):
                spark.sql(statement)
        rows = spark.sql("SELECT * FROM spark_catalog.`ndvr_views`.reclaimable_bytes").collect()
        assert [tuple(row) for row in rows] == [("bob", 2, 740_000_000), ("cyd", 1, 8_000_000)]
        stored = spark.sql("SHOW VIEWS IN spark_catalog.`ndvr_views`").collect()
        assert {row["viewName"] for row in stored if not row["isTemporary"]} == {view.name for view in storable_views()}
        detail = spark.sql("DESCRIBE TABLE EXTENDED spark_catalog.`ndvr_views`.review_queue").collect()
        (comment,) = (row["data_type"] for row in detail if row["col_name"] == "Comment")
        assert comment.startswith("A pair that a person should look at and nobody has decided about, ")
        names = [place.qualify(view.name) for view in storable_views()]
        assert find_foreign(spark, names) == []
        spark.sql(f"CREATE OR REPLACE VIEW {place.qualify('review_queue')} AS SELECT 1 AS own")
        assert find_foreign(spark, names) == ["`spark_catalog`.`ndvr_views`.`review_queue`"]
    finally:
        spark.sql("DROP SCHEMA IF EXISTS spark_catalog.`ndvr_views` CASCADE")


def test_views_of_others_are_not_replaced_without_the_option(
    written_lake: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog of the test session is in memory; it is taken for a persistent one."""
    monkeypatch.setattr("jobs.sharing.views._IN_MEMORY", "no catalog")
    place, lake = ViewLocation("spark_catalog", "ndvr_own"), Lake(spark, str(written_lake))
    try:
        spark.sql("CREATE SCHEMA spark_catalog.ndvr_own")
        spark.sql("CREATE VIEW spark_catalog.ndvr_own.run_history AS SELECT 1 AS own")
        message = "nothing was created: `spark_catalog`.`ndvr_own`.`run_history` already exist, and ndvr did not create"
        with pytest.raises(UsageError, match=message):
            create_views(lake, place)
        assert spark.sql("SHOW VIEWS IN spark_catalog.ndvr_own").where("NOT isTemporary").count() == 1
        create_views(lake, place, is_replacing=True)
        assert spark.table("spark_catalog.ndvr_own.run_history").count() == 2
        assert len(create_views(lake, place)) == len(storable_views())
    finally:
        spark.sql("DROP SCHEMA IF EXISTS spark_catalog.ndvr_own CASCADE")


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


def test_the_sql_is_printed_without_spark(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(app, ["views", "--lake", "s3://bucket/lake", "--schema", "ndvr", "--print"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("CREATE SCHEMA IF NOT EXISTS `ndvr`;\n\n")
    assert printed.count(";\n\n") == 1 + len(storable_views())
    assert "changes_since_last_run" not in printed, "it reads an earlier version of a table"
    assert "FROM delta.`s3a://bucket/lake/duplicates` d" in printed
    assert "{" not in printed


def test_an_older_version_is_asked_by_path(written_lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = f"FROM delta.`{written_lake}/duplicates` VERSION AS OF 0 |> AGGREGATE count(*) AS n"
    assert run_command(app, ["sql", query, "--lake", str(written_lake), "--format", "json"]) == 0
    assert capsys.readouterr().out == '{"n": 0}\n'
