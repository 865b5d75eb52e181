"""The difference between the rows of a table and new ones. Runs on the driver; compared on executors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql.types import MapType, StructField

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from jobs.contracts.table import Table


def same_key(key: tuple[str, ...]) -> str:
    """Return the SQL condition that `source` and `target` have the same key."""
    return " AND ".join(f"target.`{k}` = source.`{k}`" for k in key)


def find_changes(table: Table, rows: DataFrame, stored: DataFrame) -> DataFrame:
    """Select the rows to insert, update or delete; the column `_change` names the operation.

    Args:
        table: its key, the columns that are compared, and whether stored rows that are not among `rows` are deleted.
        rows: all columns of the table.
        stored: the stored rows that may change.
    """
    fields = {f.name: f for f in table.schema.fields}
    compared = table.compared or tuple(n for n in fields if n not in {*table.key, *table.audit_columns})
    target = stored.select(*table.key, *compared)
    differs = F.lit(False)
    for name in compared:
        old, new = (_comparable(F.col(f"{side}.`{name}`"), fields[name]) for side in ("target", "source"))
        differs = differs | ~old.eqNullSafe(new)
    first_key = table.key[0]
    change = (
        F.when(F.col(f"target.`{first_key}`").isNull(), "insert")
        .when(F.col(f"source.`{first_key}`").isNull(), "delete")
        .when(differs, "update")
    )
    columns = [
        (F.coalesce(f"source.`{n}`", f"target.`{n}`") if n in table.key else F.col(f"source.`{n}`")).alias(n)
        for n in fields
    ]
    how = "full_outer" if table.is_replaced else "left"
    joined = rows.alias("source").join(target.alias("target"), F.expr(same_key(table.key)), how)
    return joined.select(*columns, change.alias("_change")).where("_change IS NOT NULL")


def _comparable(column: Column, field: StructField) -> Column:
    """Make a column comparable with `<=>`; Spark cannot compare maps."""
    return F.array_sort(F.map_entries(column)) if isinstance(field.dataType, MapType) else column
