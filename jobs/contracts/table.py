"""The contract of a table: its grain, its columns as DDL, its key and its checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql.types import StructType


@dataclass(frozen=True)
class Table:
    """The contract of one Delta table at `<lake>/<name>`.

    Attributes:
        name: folder in the lake, and name of the SQL view.
        grain: what a row is, in one line; it becomes the comment of the table.
        ddl: columns with types, NOT NULL and COMMENT (units included), as Spark DDL.
        key: columns that identify a row. Merges match rows by them.
        clustered_by: columns by which files are clustered; empty for the key.
        checks: name of a constraint -> SQL expression; Delta enforces it on every write.
        audit_columns: columns that record which run wrote a row and when. A row that differs only in them is not
            written again.
        compared: columns that are compared to find changed rows, if they represent all others; empty for all columns
            except key and audit columns.
        is_replaced: True if a build returns the whole table: missing rows are deleted. False if a build returns only
            new and changed rows.
        num_indexed_columns: number of leading columns with file statistics; vectors and blobs come after them.
    """

    name: str
    grain: str
    ddl: str
    key: tuple[str, ...]
    checks: Mapping[str, str] = field(default_factory=dict)
    audit_columns: tuple[str, ...] = ("run_id",)
    compared: tuple[str, ...] = ()
    is_replaced: bool = False
    num_indexed_columns: int = 8
    clustered_by: tuple[str, ...] = ()

    @property
    def clustering(self) -> tuple[str, ...]:
        """The columns by which files are clustered."""
        return self.clustered_by or self.key

    @property
    def schema(self) -> StructType:
        """The columns as a Spark type. Runs on: driver, with a session."""
        from pyspark.sql.types import StructType

        schema = StructType.fromDDL(self.ddl)
        if not isinstance(schema, StructType):
            raise TypeError(f"table {self.name}: its DDL must list columns")
        return schema
