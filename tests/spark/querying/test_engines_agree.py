"""DuckDB gives the columns and cells of Spark, or refuses. Spark is the oracle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.commands.open_lake import open_lake
from jobs.errors import UsageError
from jobs.pipeline import TABLES
from jobs.querying.duckdb_engine import DuckDBEngine
from jobs.querying.kinds import UnsupportedError
from jobs.querying.spark_engine import SparkEngine
from jobs.views.queries import VIEW_NAMES
from tests.support.odd_lake import write_odd_lake
from tests.support.plain_lake import describe_video, pair, record_run, write_plain_lake
from tests.support.shared import build_once

if TYPE_CHECKING:
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy
    from pyspark.sql import SparkSession

    from jobs.querying.answer import AnswerRows

ORDERED = ("ORDER BY", "FROM review_queue", "FROM cluster_members", "FROM biggest_clusters", "FROM run_history")
NAMES = [*(table.name for table in TABLES), *VIEW_NAMES]
STATEMENTS = [
    "SHOW TABLES",
    "SHOW VIEWS",
    *[f"{words} {name}" for words in ("SELECT * FROM", "DESCRIBE") for name in NAMES],
]
EXPRESSIONS = """
seconds > 2; seconds = 0; seconds < search_recall; seconds <=> search_recall; num_rows < seconds
num_rows = 2147483648; output_version + 1; num_rows % 3; num_rows % -3; num_rows / 3; output_version / 2
seconds * search_recall; seconds + 0.1; seconds - 0.5; abs(seconds); -seconds; round(output_version / 3, 2)
error_detail < search_plan; error_detail = search_plan; error_detail || search_plan
concat(error_detail, '-', search_plan); length(error_detail); lower(stage); upper(status)
substring(error_detail, 2); substring(error_detail, 1, 2); startswith(error_detail, search_plan)
contains(error_detail, search_plan); error_detail LIKE 'a%'; error_detail LIKE '_'; error_detail NOT LIKE '%a%'
error_detail LIKE '%_c'; error_detail IN ('a', NULL); error_detail NOT IN ('a', 'b'); seconds IN (1, 2.5)
num_rows BETWEEN 0 AND 10; coalesce(search_recall, 0); coalesce(NULL, error_detail)
greatest(num_rows, output_version); least(seconds, search_recall); greatest(error_detail, search_plan)
nullif(error_detail, ''); if(num_rows > 5, num_rows, NULL); CASE WHEN num_rows > 5 THEN 1.5 ELSE seconds END
CASE stage WHEN 'run' THEN 'R' ELSE status END; (num_rows > 5) IS NOT TRUE; NOT num_rows > 5 OR error_detail = 'a'
num_rows > 5 OR error_detail = 'a' AND output_version = 1; num_rows IS NULL; started_at > '2024-02-29 12:30:15'
started_at BETWEEN '2024-01-01' AND '2024-12-31'; run_date = '2024-03-03'; run_date < started_at
CAST(started_at AS DATE); date(started_at); year(started_at); month(run_date); day(started_at)
date_trunc('week', started_at); date_trunc('quarter', started_at); CAST(num_rows AS STRING)
CAST(output_version AS DOUBLE); error_counts['a']; map_keys(error_counts); map_values(error_counts)
size(unseen_pairs); 2 + 3 * 4 - 10 / 4; 7 % 4 * 2; aggregate(map_values(error_counts), 0L, (s, n) -> s + n)
TIMESTAMP '2024-02-29 01:02:03'; 1e3; -5; NULL; ''; 2147483648; (SELECT max(num_rows) FROM runs)
EXISTS (SELECT 1 FROM runs WHERE stage = 'run')
"""
QUERIES = """
SELECT count(*), count(num_rows), count(DISTINCT stage), sum(output_version), min(num_rows), max(num_rows) FROM runs
SELECT stage, min(seconds) AS lo, max(seconds) AS hi, min(error_detail) AS t, max(run_date) AS d FROM runs GROUP BY ALL
SELECT sum(output_version) AS s, avg(output_version) AS a, count_if(num_rows > 5) AS n FROM runs WHERE false
SELECT run_id, num_rows FROM runs ORDER BY num_rows, run_id
SELECT run_id, error_detail AS t FROM runs ORDER BY t DESC, run_id LIMIT 7 OFFSET 3
SELECT run_id, search_recall FROM runs ORDER BY search_recall DESC NULLS FIRST, run_id
SELECT max(status) AS status, run_date FROM runs GROUP BY run_date ORDER BY status, run_date
SELECT upper(stage) AS s, count(*) AS n FROM runs GROUP BY 1 HAVING n > 13 ORDER BY s
SELECT seconds, count(*) AS n FROM runs GROUP BY seconds
SELECT DISTINCT seconds FROM runs
SELECT DISTINCT error_detail FROM runs ORDER BY error_detail
SELECT stage, status, count(*) AS n FROM runs GROUP BY ALL ORDER BY n DESC, stage, status
SELECT a.run_id, b.run_id AS other FROM runs a JOIN runs b ON a.seconds = b.search_recall
SELECT a.run_id, b.run_id AS other FROM runs a FULL JOIN runs b ON a.output_version = b.num_rows
SELECT a.run_id FROM runs a LEFT ANTI JOIN runs b ON a.output_version = b.num_rows
SELECT * FROM (SELECT run_id, stage FROM runs) a LEFT JOIN (SELECT 1 AS n, stage FROM runs LIMIT 0) b USING (stage)
WITH x AS (SELECT stage, 1 AS n FROM runs GROUP BY stage), y AS (SELECT max(n) AS top FROM x) SELECT * FROM x, y
WITH runs AS (SELECT 1 AS a) SELECT * FROM runs
SELECT num_rows FROM runs UNION SELECT output_version FROM runs
SELECT 1 AS a UNION ALL SELECT seconds FROM runs
SELECT NULL AS a UNION ALL SELECT error_detail FROM runs
SELECT run_id FROM runs WHERE output_version NOT IN (SELECT num_rows FROM runs)
SELECT run_id FROM runs WHERE output_version NOT IN (SELECT num_rows FROM runs WHERE num_rows > 3) AND stage = 'run'
SELECT max_by(error_detail, struct(output_version, run_id)) AS a FROM runs
SELECT min_by(error_detail, struct(output_version, run_id)) AS a FROM runs
SELECT stage, max_by(error_detail, CASE WHEN status = 'done' THEN run_id END) AS a FROM runs GROUP BY stage
SELECT date_trunc('month', started_at) AS m, count(*) AS n FROM runs GROUP BY 1 ORDER BY 1
SELECT stage FROM runs GROUP BY stage ORDER BY max(output_version), stage
""".strip().splitlines()
DIFFERENT = """
SELECT 'it''s' AS v
SELECT run_id, num_rows IN (SELECT output_version FROM runs) AS v FROM runs
SELECT run_id FROM runs WHERE NOT (stage = 'x' OR output_version IN (SELECT num_rows FROM runs))
SELECT lower(error_detail) AS v FROM runs
SELECT num_rows / (num_rows - num_rows) AS v FROM runs
SELECT num_rows + 1 AS v FROM runs
SELECT num_rows || 'a' AS v FROM runs
SELECT trim(error_detail) AS v FROM runs
SELECT 1.5 AS v
SELECT round(num_rows, -1) AS v FROM runs
SELECT error_detail RLIKE 'a' AS v FROM runs
SELECT substring(error_detail, -2) AS v FROM runs
SELECT 'a\\\\nb' AS v
WITH RUNS AS (SELECT 1 AS a) SELECT * FROM runs
SELECT stage AS status, count(*) AS n FROM runs GROUP BY status
SELECT * FROM runs VERSION AS OF 1
SELECT /*+ COALESCE(1) */ run_id FROM runs
SELECT DISTINCT error_counts FROM runs
SELECT first(run_id) AS v FROM runs
SELECT explode(map_keys(error_counts)) AS v FROM runs
""".strip().splitlines()
"""Statements whose meaning or text in DuckDB is another than in Spark. DuckDB must refuse them."""


class Engines:
    """Both engines over one lake. The session has the tables of one lake at a time: the last that was opened."""

    opened: ClassVar[SparkEngine]

    def __init__(self, lake: Path) -> None:
        self.duckdb = DuckDBEngine(lake)
        Engines.opened = SparkEngine(open_lake(str(lake)), is_writing=False)

    def ask_spark(self, statement: str) -> AnswerRows:
        return self.opened.answer(statement)

    def compare(self, statement: str) -> None:
        """Assert that both give the same; in any order, if the statement names none."""
        found, expected = self.duckdb.answer(statement), self.ask_spark(statement)
        is_ordered = any(words in statement for words in ORDERED)
        assert found.columns == expected.columns, statement
        assert write_rows(found, is_ordered=is_ordered) == write_rows(expected, is_ordered=is_ordered), statement


def write_rows(answer: AnswerRows, *, is_ordered: bool) -> list[str]:
    """Write rows as JSON, so that 1 and 1.0, and 0.0 and -0.0, differ."""
    rows = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in answer.rows]
    return rows if is_ordered else sorted(rows)


@pytest.fixture(scope="module")
def written(written_lake: Path) -> Engines:
    return Engines(written_lake)


@pytest.fixture(scope="module")
def odd(spark: SparkSession, shared_folder: Path) -> Engines:
    return Engines(build_once(shared_folder / "odd", lambda folder: write_odd_lake(spark, folder)))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_tables_and_views_are_the_same(statement: str, written: Engines) -> None:
    written.compare(statement)


def test_values_of_expressions_are_the_same(odd: Engines) -> None:
    """All are in one query, because Spark takes most of the time to plan it."""
    listed = [part.strip() for part in EXPRESSIONS.replace("\n", ";").split(";") if part.strip()]
    columns = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(listed))
    odd.compare(f"SELECT run_id, {columns} FROM runs ORDER BY run_id")  # noqa: S608 -- literals of this file


@pytest.mark.parametrize("statement", QUERIES)
def test_rows_of_queries_are_the_same(statement: str, odd: Engines) -> None:
    odd.compare(statement)


@pytest.mark.parametrize("statement", DIFFERENT)
def test_a_statement_that_dialects_read_differently_is_left_to_spark(statement: str, odd: Engines) -> None:
    with pytest.raises(UnsupportedError):
        odd.duckdb.answer(statement)


_NUMBERS = st.sampled_from(["seconds", "search_recall", "output_version", "num_rows", "0", "7", "2.5", "NULL", "1e2"])
_TEXTS = st.sampled_from(["error_detail", "search_plan", "stage", "'a'", "''", "NULL", "'2024-01-01'"])
_TIMES = st.sampled_from(["started_at", "run_date", "'2024-02-29'", "DATE '2024-06-01'", "NULL"])


def _combine(values: SearchStrategy[str], *forms: str) -> SearchStrategy[str]:
    """Fill values into the places a, b and c of forms."""
    return st.builds(lambda form, a, b, c: form.format(a=a, b=b, c=c), st.sampled_from(forms), values, values, values)


_ARITHMETIC = _combine(
    _NUMBERS,
    *("({a} + {b})", "({a} - {b})", "({a} * {b})", "({a} / {b})", "({a} % {b})", "(- {a})", "abs({a})", "{a}"),
    *("coalesce({a}, {b})", "greatest({a}, {b}, {c})", "least({a}, {b})", "nullif({a}, {b})", "round({a}, 1)"),
    "CASE WHEN {a} > {b} THEN {c} ELSE {a} END",
)
_WORDS = _combine(
    _TEXTS,
    *("({a} || {b})", "concat({a}, {b}, {c})", "coalesce({a}, {b})", "upper({a})", "substring({a}, 2, 1)", "{a}"),
    *("greatest({a}, {b})", "nullif({a}, {b})", "CASE {a} WHEN {b} THEN {c} END"),
)
_COMPARISONS = (
    *("({a} = {b})", "({a} <> {b})", "({a} < {b})", "({a} >= {b})", "({a} <=> {b})", "({a} IS NULL)"),
    *("({a} IN ({b}, {c}))", "({a} NOT IN ({b}, {c}))", "({a} BETWEEN {b} AND {c})"),
)
_CONDITIONS = st.one_of(
    _combine(_ARITHMETIC, *_COMPARISONS), _combine(_WORDS, *_COMPARISONS), _combine(_TIMES, *_COMPARISONS)
)
_BOOLEANS = st.one_of(
    _CONDITIONS,
    _combine(_CONDITIONS, "({a} AND {b})", "({a} OR {b} AND {c})", "(NOT {a})", "(NOT {a} OR {b})", "({a} IS TRUE)"),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    columns=st.lists(st.one_of(_ARITHMETIC, _WORDS, _BOOLEANS), min_size=1, max_size=8),
    condition=_BOOLEANS,
)
def test_random_expressions_are_the_same_or_left_to_spark(columns: list[str], condition: str, odd: Engines) -> None:
    """Columns that DuckDB refuses are left out, so that most examples compare something."""
    answered = [column for column in columns if is_answered(odd, column, "true")]
    listed = "".join(f", {column} AS c{number}" for number, column in enumerate(answered))
    where = condition if is_answered(odd, "1", condition) else "true"
    statement = f"SELECT run_id{listed} FROM runs WHERE {where} ORDER BY run_id"  # noqa: S608 -- made here
    try:
        expected = odd.ask_spark(statement)
    except UsageError as error:
        pytest.fail(f"Spark fails where DuckDB answers: {error}: {statement}")
    assert write_rows(odd.duckdb.answer(statement), is_ordered=True) == write_rows(expected, is_ordered=True), statement


def is_answered(engines: Engines, column: str, condition: str) -> bool:
    """Return whether DuckDB answers a query with these parts."""
    try:
        engines.duckdb.answer(f"SELECT {column} AS v FROM runs WHERE {condition}")  # noqa: S608 -- made here
    except UnsupportedError:
        return False
    return True


def test_views_keep_their_order_over_many_rows(tmp_path: Path) -> None:
    """A query without ORDER BY shows the rows of a view in the order of the view."""
    rows: dict[str, list[dict[str, Any]]] = {"runs": record_run("20240101T020000Z-aaaaaa", 0), "pairs": []}
    for number in range(30_000):
        rows["pairs"].append(pair("a", f"b{number:05}", (number * 7919 % 30_000) / 40_000))
    rows |= describe_video("a", "x")
    answer = DuckDBEngine(write_plain_lake(tmp_path, rows)).answer("SELECT match_probability FROM review_queue")
    assert len(answer.rows) == 30_000
    assert answer.rows == sorted(answer.rows)
