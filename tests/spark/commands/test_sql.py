"""`ndvr sql`: the tables as views, printed in three ways."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from jobs.cli import app
from jobs.commands.command_line import run_command
from jobs.lake.read_only import find_effect
from jobs.pipeline import NIGHTLY_TABLES
from jobs.querying.early_checks import WRITING_WORDS, find_writing_word
from tests.support.lakes import EMPTY_TABLES, read_rows, read_versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.spark.conftest import Described

QUERY = "SELECT video_id, published_at, attributes FROM manifest WHERE video_id LIKE 'checker%' ORDER BY video_id"


def ask(query: str, lake: Path, *options: str) -> int:
    return run_command(app, ["sql", query, "--lake", str(lake), *options])


def test_a_table_is_printed_by_default(described: Described, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("SELECT video_id, duplicate_of FROM duplicates ORDER BY video_id", described.lake) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "video_id" in lines[1]
    assert [cell.strip() for cell in lines[3].strip("│").split("│")] == ["a-checker-caption", "checker"]
    assert len(lines) == 3 + 4 + 1


def test_csv_can_be_read_back(described: Described, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(QUERY, described.lake, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["video_id"] for row in rows] == ["checker", "checker-webm"]
    assert rows[0]["published_at"] == "2024-01-02T00:00:00Z"
    assert json.loads(rows[1]["attributes"]) == {"title": 'the "same"'}


def test_json_has_one_object_per_line(described: Described, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(QUERY, described.lake, "--format", "json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == {
        "video_id": "checker",
        "published_at": "2024-01-02T00:00:00Z",
        "attributes": {"title": "Schachbrett, groß"},
    }


def test_bytes_are_printed_as_hexadecimal(described: Described, capsys: pytest.CaptureFixture[str]) -> None:
    query = "SELECT left(frame_descriptors, 2) AS head FROM descriptors ORDER BY video_id LIMIT 1"
    assert ask(query, described.lake, "--format", "json") == 0
    assert len(bytes.fromhex(json.loads(capsys.readouterr().out)["head"])) == 2


@pytest.mark.parametrize("table", [table.name for table in NIGHTLY_TABLES])
def test_every_table_can_be_queried(table: str, described: Described, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(f"FROM {table} |> AGGREGATE count(*) AS n", described.lake, "--format", "json") == 0
    assert (json.loads(capsys.readouterr().out)["n"] == 0) == (table in EMPTY_TABLES)


@pytest.mark.parametrize(
    ("query", "named"),
    [("SELEC 1", "SELEC"), ("SELECT nope FROM pairs", "nope"), ("FROM nowhere |> SELECT *", "nowhere"), ("", "")],
)
def test_an_invalid_query_is_a_usage_error(
    query: str, named: str, described: Described, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(query, described.lake) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("ndvr: invalid query: ")
    assert named in printed.err
    assert printed.out == ""


@pytest.mark.usefixtures("spark")
def test_a_folder_without_tables_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("SELECT 1", tmp_path) == 2
    message = f"ndvr: no tables in '{tmp_path}'; pass the lake of a nightly run to --lake\n"
    assert capsys.readouterr().err == message


def test_an_unknown_format_is_a_usage_error(described: Described) -> None:
    assert ask(QUERY, described.lake, "--format", "xml") == 2


ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns"]


@pytest.fixture(params=[(zone, session) for zone in ZONES for session in ("UTC", "Asia/Tokyo")], ids=" ".join)
def _zones(request: pytest.FixtureRequest, spark: SparkSession) -> Iterator[None]:
    """Set the time zones of this process and of the session."""
    before = os.environ.get("TZ")
    os.environ["TZ"], session = request.param
    time.tzset()
    spark.conf.set("spark.sql.session.timeZone", session)
    yield
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("_zones")
@pytest.mark.parametrize("output", ["json", "csv", "table"])
def test_times_are_utc_in_every_time_zone(output: str, written_lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = """
        SELECT TIMESTAMP '2026-01-02 03:04:05Z' AS a, TIMESTAMP '0001-01-01 00:00:00Z' AS b,
            TIMESTAMP '9999-12-31 23:59:59.999999Z' AS c, TIMESTAMP '2026-11-01 05:30:00.5Z' AS d,
            TIMESTAMP '1969-12-31 23:59:59Z' AS e, TIMESTAMP '+12000-01-01 00:00:00Z' AS f, DATE '-0044-03-15' AS g,
            TIMESTAMP_NTZ '2026-03-08 02:30:00' AS h, DATE '0001-01-01' AS i, (SELECT min(started_at) FROM runs) AS j
    """
    expected = [
        "2026-01-02T03:04:05Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-11-01T05:30:00.500000Z",
        "1969-12-31T23:59:59Z", "+12000-01-01T00:00:00Z", "-0044-03-15", "2026-03-08T02:30:00", "0001-01-01",
        "2024-01-01T02:00:00Z",
    ]  # fmt: skip
    assert ask(query, written_lake, "--format", output) == 0
    printed = capsys.readouterr().out
    if output == "json":
        assert list(json.loads(printed).values()) == expected
    elif output == "csv":
        assert list(csv.reader(io.StringIO(printed)))[1] == expected
    else:
        assert [line.split()[-1] for line in printed.splitlines()[1:]] == expected


def test_nested_and_unusual_values_are_valid_json(written_lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = """
        SELECT array(TIMESTAMP '2026-01-02 03:04:05Z', NULL) AS times, map(DATE '2026-01-02', X'00ff') AS keyed,
            map(array(1), 2) AS by_list, map(named_struct('a', CAST(NULL AS INT),
            'b', TIMESTAMP '2026-01-02 00:00:00Z'), 1) AS by_struct,
            named_struct('at', TIMESTAMP '2026-01-02 03:04:05Z', 'n', array(double('NaN'))) AS struct,
            CAST(NULL AS STRUCT<at: TIMESTAMP>) AS no_struct, float('-inf') AS low, double('inf') AS high,
            CAST('1E-30' AS DECIMAL(38, 30)) AS exact, INTERVAL '1-2' YEAR TO MONTH AS months,
            INTERVAL '1 02:03:04.5' DAY TO SECOND AS seconds, make_interval(1, 2) AS both, TIME '12:34:56' AS clock,
            parse_json('{"a": 1}') AS variant, ST_GeomFromWKB(X'0101000000000000000000F03F0000000000000040') AS place,
            true AS yes, NULL AS nothing, array() AS none, 'ä' AS text
    """
    assert ask(query, written_lake, "--json") == 0

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is not JSON")

    assert json.loads(capsys.readouterr().out, parse_constant=refuse) == {
        "times": ["2026-01-02T03:04:05Z", None],
        "keyed": {"2026-01-02": "00ff"},
        "by_list": {"[1]": 2},
        "by_struct": {'{"a":null,"b":"2026-01-02T00:00:00Z"}': 1},
        "struct": {"at": "2026-01-02T03:04:05Z", "n": ["NaN"]},
        "no_struct": None,
        "low": "-Infinity",
        "high": "Infinity",
        "exact": "0.000000000000000000000000000001",
        "months": "INTERVAL '1-2' YEAR TO MONTH",
        "seconds": "INTERVAL '1 02:03:04.5' DAY TO SECOND",
        "both": "1 years 2 months",
        "clock": "12:34:56",
        "variant": '{"a":1}',
        "place": "0101000000000000000000f03f0000000000000040",
        "yes": True,
        "nothing": None,
        "none": [],
        "text": "ä",
    }
    assert ask(query, written_lake, "--format", "csv") == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["struct"], row["keyed"]) == ('{"at": "2026-01-02T03:04:05Z", "n": ["NaN"]}', '{"2026-01-02": "00ff"}')
    assert (row["nothing"], row["low"], row["text"]) == ("", "-Infinity", "ä")


def test_columns_of_one_name_are_refused_in_json_only(written_lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("SELECT 1 AS a, 2 AS a", written_lake, "--json") == 2
    assert capsys.readouterr().err == "ndvr: several columns are called a; name them with AS, or print CSV\n"
    assert ask("SELECT 1 AS a, 2 AS a", written_lake, "--format", "csv") == 0
    assert capsys.readouterr().out.split() == ["a,a", "1,2"]


def test_a_query_that_fails_on_a_value_is_a_usage_error(written_lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("SELECT 1 / (num_rows - num_rows) FROM runs", written_lake) == 2
    assert capsys.readouterr().err.startswith("ndvr: the query failed: [DIVIDE_BY_ZERO]")


READING = """
SELECT * FROM pairs; -- DELETE FROM pairs
/* DROP TABLE pairs */ WITH new AS (SELECT * FROM pairs) SELECT count(*) FROM new WHERE 'DELETE' <> 'INSERT'
FROM pairs |> WHERE left_id IN (SELECT video_id FROM clusters) |> AGGREGATE count(*) AS n
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r
SELECT a, rank() OVER w FROM VALUES (1), (2) AS t(a) WINDOW w AS (ORDER BY a)
SELECT /*+ BROADCAST(c) */ * FROM clusters c JOIN LATERAL (SELECT c.video_id AS other) LATERAL VIEW explode(array(1)) x
SELECT count(*) FROM clusters GROUP BY CUBE (cluster_id) HAVING count(*) > 1 ORDER BY 1 LIMIT 3 OFFSET 1
SELECT DISTINCT * FROM range(9) DISTRIBUTE BY id SORT BY id
(SELECT 1 UNION SELECT 2) EXCEPT SELECT 3 INTERSECT SELECT 4
SELECT * FROM pairs VERSION AS OF 3
SELECT * FROM (SELECT 1 AS a, 2 AS b) UNPIVOT (n FOR name IN (a, b))
SELECT * FROM VALUES (1, 'x') AS t(a, b) PIVOT (sum(a) FOR b IN ('x'))
SELECT 'reflect', 'java_method', transform(array(1), x -> x + 1)
VALUES (1)
TABLE pairs
EXPLAIN DELETE FROM pairs
EXPLAIN EXTENDED SELECT 1
DESCRIBE HISTORY delta.`/lake/pairs`
DESCRIBE DETAIL delta.`/lake/pairs`
DESCRIBE duplicates
DESCRIBE duplicates video_id
DESCRIBE QUERY SELECT 1
SHOW TABLES
SHOW VIEWS
SHOW CREATE TABLE pairs
""".strip().splitlines()
WRITING = """
DELETE FROM pairs
delete from IDENTIFIER('pairs')
WITH old AS (SELECT * FROM pairs) INSERT INTO pairs SELECT * FROM old
FROM pairs INSERT INTO a SELECT * INSERT INTO b SELECT *
INSERT OVERWRITE DIRECTORY '/tmp/x' USING csv SELECT 1
UPDATE pairs SET run_id = 'x'
MERGE INTO pairs USING clusters ON true WHEN MATCHED THEN DELETE
TRUNCATE TABLE pairs
DROP VIEW pairs
CREATE TABLE x AS SELECT 1
CREATE TABLE a SHALLOW CLONE b
CREATE TEMP VIEW x AS SELECT 1
CREATE VIEW x AS SELECT 1
ALTER TABLE delta.`/lake/pairs` ADD COLUMNS (x INT)
COMMENT ON TABLE pairs IS 'x'
OPTIMIZE delta.`/lake/pairs`
VACUUM delta.`/lake/pairs`
RESTORE TABLE delta.`/lake/pairs` TO VERSION AS OF 1
REORG TABLE delta.`/lake/pairs` APPLY (PURGE)
CONVERT TO DELTA parquet.`/lake`
GENERATE symlink_format_manifest FOR TABLE delta.`/lake/pairs`
ANALYZE TABLE pairs COMPUTE STATISTICS
CACHE TABLE pairs
SET spark.sql.ansi.enabled = false
ADD JAR '/tmp/x.jar'
CALL catalog.procedure()
EXECUTE IMMEDIATE 'DELETE FROM pairs'
EXPLAIN EXECUTE IMMEDIATE 'DELETE FROM pairs'
EXPLAIN CALL catalog.procedure()
BEGIN SELECT 1; DELETE FROM pairs; END
SELECT TRANSFORM(left_id) USING 'tee /tmp/x' FROM pairs
SELECT (SELECT max(a) FROM (SELECT TRANSFORM(left_id) USING 'tee /tmp/x' AS (a) FROM pairs))
WITH x AS (FROM pairs MAP left_id USING 'tee /tmp/x' AS a) SELECT * FROM x
SELECT max(Reflect('java.lang.System', 'gc')) OVER () FROM pairs
SELECT * FROM pairs WHERE EXISTS (SELECT `java_method`('java.lang.System', 'gc'))
SELECT * FROM range(system.builtin.try_reflect('java.lang.System', 'gc'))
SELECT IDENTIFIER('ref' || 'lect')('java.lang.System', 'gc')
""".strip().splitlines()


@pytest.mark.parametrize("statement", READING)
def test_a_statement_that_only_reads_is_accepted(statement: str, spark: SparkSession) -> None:
    assert find_effect(spark, statement) is None


@pytest.mark.parametrize("statement", WRITING)
def test_a_statement_that_may_write_is_recognised(statement: str, spark: SparkSession) -> None:
    assert find_effect(spark, statement) is not None


def test_the_words_that_are_refused_before_spark_starts_begin_no_statement_that_reads() -> None:
    assert {find_writing_word(statement) for statement in READING} == {None}
    assert {find_writing_word(statement) for statement in WRITING} - {None} == WRITING_WORDS


def test_a_statement_that_writes_runs_with_write_only(
    written_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_versions(written_copy)
    program = f"SELECT TRANSFORM(video_id) USING 'tee {tmp_path}/made' FROM manifest"  # noqa: S608 -- as a person writes it
    for statement, effect in (
        ("DELETE FROM decisions", "DELETE"),
        ("WITH x AS (SELECT * FROM decisions) INSERT INTO decisions SELECT * FROM x", "InsertIntoStatement"),
        (program, "ScriptTransformation"),
    ):
        assert ask(statement, written_copy) == 2
        message = f"nothing was run: the statement may do more than read ({effect}); pass --write to run it"
        assert capsys.readouterr() == ("", f"ndvr: {message}\n")
    assert read_versions(written_copy) == before
    assert not (tmp_path / "made").exists()
    assert ask("DELETE FROM decisions WHERE is_withdrawn", written_copy, "--write", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"num_affected_rows": 1}
    assert len(read_rows(written_copy, "decisions")) == 3


def test_a_multiple_statement_is_invalid(written_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("SELECT 1; DELETE FROM decisions", written_copy) == 2
    assert "invalid query: " in capsys.readouterr().err
    assert len(read_rows(written_copy, "decisions")) == 4
