"""Delta tables are read without Spark, or refused with the reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from jobs.pipeline import TABLES
from jobs.querying.delta_tables import TABLE_NAMES, list_tables, read_table
from jobs.querying.duckdb_engine import DuckDBEngine
from jobs.querying.kinds import UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, rows: pa.Table) -> Path:
    write_deltalake(str(folder), rows, mode="append")
    return folder


def test_the_names_are_those_of_the_pipeline() -> None:
    assert list(TABLE_NAMES) == [table.name for table in TABLES]


def test_a_column_that_old_files_lack_is_null(tmp_path: Path) -> None:
    write(tmp_path / "runs", pa.table({"run_id": ["a"]}))
    write_deltalake(
        str(tmp_path / "runs"), pa.table({"run_id": ["b"], "seconds": [1.5]}), mode="append", schema_mode="merge"
    )
    answer = DuckDBEngine(tmp_path).answer("SELECT run_id, seconds FROM runs ORDER BY run_id")
    assert answer.rows == [["a", None], ["b", 1.5]]


def test_a_deleted_row_is_not_read_and_an_older_version_is(tmp_path: Path) -> None:
    folder = write(tmp_path / "runs", pa.table({"run_id": ["a"]}))
    write_deltalake(str(folder), pa.table({"run_id": ["b"]}), mode="overwrite")
    connection = duckdb.connect()
    for version, expected in ((None, "b"), (0, "a")):
        relation = read_table(connection, folder, version).relation
        assert relation is not None
        assert connection.execute(f"SELECT * FROM {relation.sql}").fetchall() == [(expected,)]  # noqa: S608 -- made here


def test_a_lake_has_the_tables_that_have_a_log(tmp_path: Path) -> None:
    write(tmp_path / "runs", pa.table({"run_id": ["a"]}))
    (tmp_path / "pairs").mkdir()
    write(tmp_path / "foreign", pa.table({"run_id": ["a"]}))
    assert list_tables(tmp_path) == ["runs"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([{"a": 1}]), "x is of type struct<a:bigint>"),
        (pa.array([1], pa.int8()), "x is of type tinyint"),
        (pa.array([b"a"], pa.binary()), ""),
    ],
)
def test_a_type_that_duckdb_does_not_share_is_refused(column: pa.Array, message: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "runs", pa.table({"x": column}))
    table = read_table(duckdb.connect(), folder)
    assert table.reason == message
    assert (table.relation is None) == bool(message)


def test_features_that_duckdb_does_not_read_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "runs", pa.table({"x": [1]}))
    log = folder / "_delta_log" / "00000000000000000000.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "protocol" in line:
            line["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"]}
            line["protocol"]["writerFeatures"] = ["timestampNtz"]
    log.write_text("\n".join(map(json.dumps, lines)))
    assert read_table(duckdb.connect(), folder).reason == "runs has features of Delta that DuckDB does not read"


@pytest.mark.parametrize("name", ["lake [1]", "a*", "a?", "{a}"])
def test_a_path_that_is_a_pattern_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name / "runs" / "_delta_log").mkdir(parents=True)
    with pytest.raises(UnsupportedError, match="contains a character that is a pattern"):
        DuckDBEngine(tmp_path / name).answer("SELECT * FROM runs")


def test_a_name_with_other_characters_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "it's 100% Ä"
    write(folder / "runs", pa.table({"run_id": ["a"]}))
    assert DuckDBEngine(folder).answer("SELECT run_id FROM runs").rows == [["a"]]


def test_a_table_without_a_readable_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs" / "_delta_log").mkdir(parents=True)
    with pytest.raises(UnsupportedError, match="delta-rs cannot read runs: "):
        DuckDBEngine(tmp_path).answer("SELECT * FROM runs")


def test_a_table_whose_file_is_missing_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "runs", pa.table({"run_id": ["a"]}))
    engine = DuckDBEngine(tmp_path)
    for file in folder.glob("*.parquet"):
        file.unlink()
    with pytest.raises(UnsupportedError, match=r"\.parquet"):
        engine.answer("SELECT run_id FROM runs")
    assert engine.list_columns() == ["run_id"]


def test_a_statement_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "runs", pa.table({"run_id": ["a"]}))
    with pytest.raises(UnsupportedError, match=r"the statement is (nested too deeply|not parsed)"):
        DuckDBEngine(tmp_path).answer("SELECT " + "-(" * 3000 + "1" + ")" * 3000 + " AS v FROM runs")


def test_only_files_of_the_lake_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    write(tmp_path / "lake" / "runs", pa.table({"x": [1]}))
    engine = DuckDBEngine(tmp_path / "lake")
    with pytest.raises(duckdb.PermissionException, match="disabled"):
        engine._connection.execute(f"SELECT * FROM read_csv('{tmp_path}/secret.csv')")  # noqa: S608 -- made here
