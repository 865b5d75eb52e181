"""Answers statements with delta-rs and DuckDB, without Spark. It only reads."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.querying.answer import AnswerRows
from jobs.querying.delta_tables import StoredTable, list_tables, read_table
from jobs.querying.duckdb_cells import choose_reader, write_cell
from jobs.querying.kinds import UnsupportedError
from jobs.querying.parsing import parse_query
from jobs.querying.queries import Queries
from jobs.querying.scope import Relation, check_names
from jobs.views.queries import BEFORE, BEFORE_VERSION, read_views

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

_SHOW = re.compile(r"\s*SHOW\s+(TABLES|VIEWS)\s*;?\s*", re.IGNORECASE)
_DESCRIBE = re.compile(r"\s*(?:DESCRIBE|DESC)\s+(?:TABLE\s+)?(\w+)\s*;?\s*", re.IGNORECASE)


class DuckDBEngine:
    """Answers statements over the tables of a local lake, as they are at the time of each statement.

    Args:
        folder: the lake.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._views = {view.name: view for view in read_views()}
        self._connection = _connect(folder)
        self._tables: dict[str, StoredTable] = {}
        self._now = datetime.now(UTC)

    def list_names(self) -> list[str]:
        """Return the names of the tables, and of the views whose tables exist."""
        tables = list_tables(self._folder)
        known = {*tables, *([BEFORE] if "duplicates" in tables else [])}
        return [*tables, *[view.name for view in self._views.values() if view.tables <= known]]

    def list_columns(self) -> list[str]:
        """Return the names of the columns of all tables, sorted."""
        self._tables.clear()
        tables = [self._read(name) for name in list_tables(self._folder)]
        return sorted({name for table in tables for name, _, _ in table.columns})

    def answer(self, statement: str) -> AnswerRows:
        """Answer a statement.

        Raises:
            UnsupportedError: DuckDB might give another answer than Spark, or an error.
        """
        from duckdb import Error

        self._tables.clear()
        self._now = datetime.now(UTC)
        try:
            return self._answer(statement)
        except Error as error:
            raise UnsupportedError(f"DuckDB fails: {error}") from error
        except RecursionError as error:
            raise UnsupportedError("the statement is nested too deeply") from error

    def _answer(self, statement: str) -> AnswerRows:
        """Answer a statement, or raise an error of DuckDB."""
        if found := _SHOW.fullmatch(statement):
            column = "tableName" if found[1].upper() == "TABLES" else "viewName"
            rows = [["", name, True] for name in sorted(self.list_names())]
            return AnswerRows(["namespace", column, "isTemporary"], rows)
        if found := _DESCRIBE.fullmatch(statement):
            return self._describe(found[1])
        return self._fetch(Queries(self._find_relation, self._now).translate(parse_query(statement)))

    def _describe(self, name: str) -> AnswerRows:
        """Describe the columns of a table or view."""
        if name in self._views:
            columns = [(column.name, str(column.kind), column.comment) for column in self._find_relation(name).columns]
        elif name in list_tables(self._folder) and self._read(name).columns:
            columns = list(self._read(name).columns)
        else:
            raise UnsupportedError(f"{name} is not a table of the lake")
        return AnswerRows(["col_name", "data_type", "comment"], [list(column) for column in columns])

    def _fetch(self, relation: Relation) -> AnswerRows:
        """Run a query and make its cells."""
        readers = [choose_reader(column.kind) for column in relation.columns]
        cells = ", ".join(write_cell(column) for column in check_names(relation.columns))
        types = self._connection.execute(f"DESCRIBE SELECT * FROM {relation.sql}").fetchall()
        for column, row in zip(relation.columns, types, strict=True):
            if row[1] != column.kind.duckdb:
                raise UnsupportedError(f"{column.name} is {row[1]} in DuckDB and {column.kind} in Spark")
        fetched = self._connection.execute(f"SELECT {cells} FROM {relation.sql}").fetchall()
        rows = [[read(value) for read, value in zip(readers, row, strict=True)] for row in fetched]
        return AnswerRows([column.name for column in relation.columns], rows)

    def _find_relation(self, name: str) -> Relation:
        """Return the table or view of a name.

        Raises:
            UnsupportedError: there is none, or DuckDB cannot read it.
        """
        if name in self._views:
            query = parse_query(self._views[name].write(str))
            relation = Queries(self._find_stored, self._now).translate(query)
            return Relation(relation.sql, check_names(relation.columns))
        return self._find_stored(name, is_asked=True)

    def _find_stored(self, name: str, *, is_asked: bool = False) -> Relation:
        """Return a table of the lake; views may also read the earlier version of `duplicates`."""
        if name == BEFORE and not is_asked:
            return self._find_before()
        if name not in list_tables(self._folder):
            raise UnsupportedError(f"{name} is not a table or view of the lake")
        table = self._read(name)
        if table.relation is None:
            raise UnsupportedError(table.reason)
        return table.relation

    def _find_before(self) -> Relation:
        """Return `duplicates` as the run before the newest left it; without such a run, no rows of it."""
        query = parse_query(BEFORE_VERSION.format(runs="runs"))
        answer = self._fetch(Queries(self._find_stored, self._now).translate(query))
        version = answer.rows[0][0]
        if version is None:
            now = self._find_stored("duplicates")
            return Relation(f"(SELECT * FROM {now.sql} WHERE FALSE)", now.columns)
        table = read_table(self._connection, self._folder / "duplicates", version)
        if table.relation is None:
            raise UnsupportedError(table.reason)
        return table.relation

    def _read(self, name: str) -> StoredTable:
        """Read a table once in a statement."""
        if name not in self._tables:
            self._tables[name] = read_table(self._connection, self._folder / name)
        return self._tables[name]


def _connect(folder: Path) -> DuckDBPyConnection:
    """Open a database in memory that reads no other files than those of the lake."""
    import duckdb

    quoted = str(folder).rstrip("/").replace("'", "''")
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    for setting in (
        "TimeZone = 'UTC'",
        "enable_progress_bar = false",
        "preserve_insertion_order = true",
        f"allowed_directories = ['{quoted}/']",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        with suppress(duckdb.CatalogException):
            connection.execute(f"SET {setting}")
    return connection
