"""Reads Delta tables with delta-rs and DuckDB, without Spark: which exist, their columns, and their files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from jobs.querying.kinds import UnsupportedError, read_delta_type
from jobs.querying.scope import Column, Relation, check_names, quote

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

TABLE_NAMES = (
    "manifest",
    "thumbnails",
    "descriptors",
    "quarantine",
    "embeddings",
    "fingerprints",
    "search_cells",
    "segment_codes",
    "pairs",
    "clusters",
    "cluster_events",
    "duplicates",
    "decisions",
    "samples",
    "answers",
    "estimates",
    "runs",
    "claims",
)
"""The names in `jobs.pipeline.TABLES`, which cannot be imported without Spark."""
_LOG = "_delta_log"
_PATTERN = frozenset("*?[]{}")
"""Characters that mean something else in the paths of DuckDB, or that delta-rs does not accept."""


class StoredTable(NamedTuple):
    """A version of a Delta table.

    Attributes:
        columns: name, Spark's type as text, comment.
        relation: its rows; None if DuckDB cannot read them as Spark does.
        reason: why it cannot.
    """

    columns: tuple[tuple[str, str, str | None], ...]
    relation: Relation | None
    reason: str


def list_tables(folder: Path) -> list[str]:
    """Return the names of the tables that a lake has, in the order of TABLE_NAMES."""
    return [name for name in TABLE_NAMES if (folder / name / _LOG).is_dir()]


def read_table(connection: DuckDBPyConnection, folder: Path, version: int | None = None) -> StoredTable:
    """Read which columns and files a Delta table has.

    Args:
        connection: in which the types of the files are checked.
        folder: of the table.
        version: number of a version; None for the newest.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError
    from duckdb import Error as DuckDBError

    if _PATTERN & set(str(folder)):
        return StoredTable((), None, f"the path {str(folder)!r} contains a character that is a pattern")
    try:
        table = DeltaTable(str(folder), version=version)
        fields = json.loads(table.schema().to_json())["fields"]
        paths = sorted(str(folder / path) for path in _list_files(table))
    except (DeltaError, OSError, ValueError) as error:
        return StoredTable((), None, f"delta-rs cannot read {folder.name}: {error}")
    described = tuple((field["name"], write_type(field["type"]), field["metadata"].get("comment")) for field in fields)
    if table.protocol().min_reader_version > 1 or table.metadata().partition_columns:
        return StoredTable(described, None, f"{folder.name} has features of Delta that DuckDB does not read")
    try:
        return StoredTable(described, _make_relation(connection, fields, paths), "")
    except (UnsupportedError, DuckDBError) as error:
        return StoredTable(described, None, str(error))


def _list_files(table: Any) -> list[str]:  # noqa: ANN401 - a DeltaTable
    """Return the paths of the files of a version, relative to its folder."""
    return [str(path) for path in table.get_add_actions()["path"].to_pylist()]


def _make_relation(connection: DuckDBPyConnection, fields: list[Any], paths: list[str]) -> Relation:
    """Return the rows of files as a relation with the columns of the table.

    Raises:
        UnsupportedError: a column has a type that DuckDB does not share.
    """
    columns = []
    for field in fields:
        kind = read_delta_type(field["type"])
        if kind is None:
            raise UnsupportedError(f"{field['name']} is of type {write_type(field['type'])}")
        columns.append(Column(field["name"], kind, field["name"], field["metadata"].get("comment")))
    checked = check_names(columns)
    stored = _describe_files(connection, paths)
    selected = []
    for column in checked:
        found = stored.get(column.name)
        if found is None:
            selected.append(f"CAST(NULL AS {column.kind.duckdb}) AS {quote(column.name)}")
        elif found == column.kind.duckdb:
            selected.append(quote(column.name))
        else:
            raise UnsupportedError(f"{column.name} is stored as {found}")
    source = f" FROM {_scan(paths)}" if paths else " WHERE FALSE"
    return Relation(f"(SELECT {', '.join(selected)}{source})", checked)


def _describe_files(connection: DuckDBPyConnection, paths: list[str]) -> dict[str, str]:
    """Return the types in DuckDB of the columns of files."""
    if not paths:
        return {}
    rows = connection.execute(f"DESCRIBE SELECT * FROM {_scan(paths)}").fetchall()
    return {str(row[0]): str(row[1]) for row in rows}


def _scan(paths: list[str]) -> str:
    """Return the table function that reads files. Files of older versions of a table may lack columns."""
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def write_type(described: Any) -> str:  # noqa: ANN401 - a type of a Delta schema in JSON
    """Return a type of a Delta schema as Spark writes it."""
    if isinstance(described, str):
        return {"integer": "int", "long": "bigint", "short": "smallint", "byte": "tinyint"}.get(described, described)
    if described["type"] == "map":
        return f"map<{write_type(described['keyType'])},{write_type(described['valueType'])}>"
    if described["type"] == "array":
        return f"array<{write_type(described['elementType'])}>"
    fields = ",".join(f"{field['name']}:{write_type(field['type'])}" for field in described["fields"])
    return f"struct<{fields}>"
