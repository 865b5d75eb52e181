"""Which engine answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from jobs.errors import UsageError
from jobs.querying.session import Engine, QuerySession, find_obstacle
from tests.support.plain_lake import RUN_1, record_run, write_plain_lake

if TYPE_CHECKING:
    from pathlib import Path


class SparkStartedError(Exception):
    """Spark would start."""


def refuse(_: str) -> NoReturn:
    raise SparkStartedError


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return str(write_plain_lake(tmp_path / "lake", {"runs": record_run(RUN_1, 0)}))


def test_duckdb_answers_without_spark(lake: str) -> None:
    session = QuerySession(lake, refuse)
    assert session.answer("SELECT count(*) FROM runs").rows == [[2]]
    assert {"runs", "review_queue", "run_id"} <= set(session.list_words())


def test_spark_starts_with_the_reason_if_duckdb_refuses(lake: str) -> None:
    reasons: list[str] = []
    with pytest.raises(SparkStartedError):
        QuerySession(lake, refuse, report_start=reasons.append).answer("SELECT rand() AS x")
    assert reasons == ["RAND() is not translated (Rand)"]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "-- a\ndrop table runs",
            r"nothing was run: the statement may do more than read \(DROP\); pass --write to run",
        ),
        ("SELECT * FROM rums", r"no table or view rums in '.*lake'; did you mean runs\? SHOW TABLES lists all"),
        ("WITH a AS (SELECT 1 AS x) SELECT rand() FROM a, nowhere b", "no table or view nowhere in '.*'; SHOW TABLES"),
        ("SELECT rand() IN (SELECT x FROM samples)", "no table or view samples in "),
    ],
)
def test_a_statement_is_refused_before_spark_starts(lake: str, statement: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        QuerySession(lake, refuse).answer(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM RUNS",
        "WITH nowhere AS (SELECT 1 AS x) SELECT rand() FROM Nowhere",
        "SELECT * FROM range(3), runs",
        "SELECT * FROM default.nowhere",
        "SELECT * FROM delta.`/nowhere`",
        "SELECT * FROM runs LATERAL VIEW explode(map_keys(error_counts)) codes AS code",
        "SELECT * FROM duplicates_before_last_run",
        "SELECT 'not closed",
    ],
)
def test_spark_decides_about_other_statements(lake: str, statement: str) -> None:
    with pytest.raises(SparkStartedError):
        QuerySession(lake, refuse).answer(statement)


def test_tables_of_another_catalog_and_of_earlier_statements_may_exist(
    lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SparkStartedError):
        QuerySession(lake, refuse, is_writing=True).answer("SELECT * FROM made_before")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    (tmp_path / "spark-defaults.conf").write_text("spark.sql.catalogImplementation hive\n")
    with pytest.raises(SparkStartedError):
        QuerySession(lake, refuse).answer("SELECT * FROM table_of_hive")


def test_an_engine_can_be_chosen(lake: str) -> None:
    with pytest.raises(SparkStartedError):
        QuerySession(lake, refuse, Engine.SPARK).answer("SELECT count(*) FROM runs")
    message = r"DuckDB does not answer this: RAND\(\) is not translated \(Rand\); leave out --engine duckdb"
    with pytest.raises(UsageError, match=message):
        QuerySession(lake, refuse, Engine.DUCKDB).answer("SELECT rand() AS x")


def test_a_folder_without_tables_is_found_without_spark(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no tables in .*; pass the lake of a nightly run to --lake"):
        QuerySession(str(tmp_path), refuse)


def test_spark_answers_if_it_has_settings_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_obstacle("s3a://bucket/lake") == "the lake is not on this machine"
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    assert find_obstacle("/lake") == ""
    (tmp_path / "spark-defaults.conf").write_text("spark.sql.shuffle.partitions 9\nspark.driver.memory 1g\n")
    assert find_obstacle("/lake") == ""
    (tmp_path / "spark-defaults.conf").write_text("spark.sql.ansi.enabled=false\n")
    assert find_obstacle("/lake") == "spark-defaults.conf sets spark.sql.ansi.enabled"
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert find_obstacle("/lake") == "Spark has settings of its own"
