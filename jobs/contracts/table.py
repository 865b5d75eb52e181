"""What a table is: its grain, its columns once as DDL, its key and its checks."""

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
        name: folder under the lake, and the name of the view that SQL sees.
        grain: what one row is, in one line; becomes the table's comment.
        ddl: columns with types, NOT NULL and COMMENT (units included), as Spark DDL.
        key: the columns that identify a row; merges go by them, and the files are clustered on them.
        checks: constraint name to SQL expression; Delta enforces them on every write.
        audit_columns: who wrote a row and when; a row that differs in these alone is not written again.
        compared: the columns that tell whether a row differs, where one of them stands for the rest; empty for all
            but key and audit columns.
        is_replaced: True when a build yields the whole table, so that rows it no longer yields are deleted;
            False when a build yields only what is new or changed.
        num_indexed_columns: leading columns that get file statistics; vectors and blobs come after them.
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

    @property
    def schema(self) -> StructType:
        """The columns as a Spark type. Runs on: driver, with a session."""
        from pyspark.sql.types import StructType

        schema = StructType.fromDDL(self.ddl)
        if not isinstance(schema, StructType):
            raise TypeError(f"table {self.name}: its DDL must list columns")
        return schema
