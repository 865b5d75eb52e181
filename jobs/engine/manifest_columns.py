"""The columns of a manifest, whatever their names: known ones keep their name, all others become text in one map.

Spark finds columns by name without regard to case, and reads dots and backticks in names as syntax. So columns of the
operator are found by their position.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType, DataType, StringType, StructType

from jobs.lake.readers import given_files_reader
from jobs.lake.session import temporary_conf
from jobs.tables.manifest import KNOWN_COLUMNS, OTHER_COLUMNS, map_without_nulls
from udfs.reading.manifest_batches import FAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame, SparkSession

CORRUPT = FAULT
"""The column with the reason why a row cannot be parsed, or its text."""
_EMPTY_NAME = r'""\s*:'  # Spark drops a field without a name
_MARK = "\ufeff"  # byte order mark
_NOT_BLANK = rf"[^ \t\r{_MARK}]"
_NESTED = frozenset({"array", "map", "struct", "variant"})


class ColumnError(ValueError):
    """A column of the manifest cannot be used. The message goes on from `manifest NAME: `."""


def pack_columns(rows: DataFrame, names: Sequence[str]) -> DataFrame:
    """Return the known columns that exist, the map `OTHER_COLUMNS` of all others as text, and `CORRUPT` if it exists.

    Args:
        rows: the columns of the manifest, in the order of `names`, then possibly `CORRUPT`.
        names: their names, as the manifest has them.

    Raises:
        ColumnError: two names are equal, or a known column has a nested type.
    """
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ColumnError(f"it has several columns with the same name: {repeated}; rename all but one of each")
    has_corrupt = len(rows.columns) > len(names)
    numbered = rows.toDF(*(f"c{number}" for number in range(len(names))), *([CORRUPT] if has_corrupt else []))
    known, others = [], {}
    for number, name in enumerate(names):
        kind = numbered.schema[number].dataType
        if name not in KNOWN_COLUMNS:
            others[name] = _as_text(numbered, number)
        elif kind.typeName() in _NESTED:
            raise ColumnError(f"its column {name!r} has the type {kind.simpleString()}; it needs one value a row")
        else:
            column = _as_text(numbered, number) if isinstance(kind, BinaryType) else F.col(f"c{number}")
            known.append(column.alias(name))
    corrupt = [F.col(CORRUPT)] if has_corrupt else []
    return numbered.select(*known, map_without_nulls(dict(sorted(others.items()))).alias(OTHER_COLUMNS), *corrupt)


def show_row(rows: DataFrame) -> Column:
    """Return the values of a packed row as JSON, without nulls."""
    known = {name: F.col(name).cast("string") for name in rows.columns if name != OTHER_COLUMNS}
    shown = map_without_nulls(known)
    return F.to_json(F.map_concat(shown, F.col(OTHER_COLUMNS)) if OTHER_COLUMNS in rows.columns else shown)


def load_json(spark: SparkSession, uri: str) -> tuple[list[str], DataFrame]:
    """Read JSON lines without faults (`list_json_faults`). Runs on: driver; executors read all lines to find the names.

    Returns:
        The names of the top-level fields, and the rows, with values as text or nested. If Spark cannot use a line,
        the last column is `CORRUPT` with the text of such lines.
    """
    reader = given_files_reader(spark, uri).option("lineSep", "\n")
    lines = reader.text(uri).where(F.col("value").rlike(_NOT_BLANK))
    options = {"primitivesAsString": "true", "columnNameOfCorruptRecord": CORRUPT}
    with temporary_conf(spark, {"spark.sql.caseSensitive": "true"}):  # names may differ by case only, also nested ones
        rows = reader.options(**options).json(uri)
        names = [name for name in rows.columns if name != CORRUPT]
        if not names:
            return [], lines.withColumnRenamed("value", CORRUPT)
        if not lines.where(F.col("value").rlike(_EMPTY_NAME)).isEmpty():
            names.append("")
        if "" in names or _has_clash(rows.schema):
            return names, _read_by_name(lines, names)
        ordered = StructType(sorted(rows.schema, key=lambda field: field.name == CORRUPT))
        return names, reader.options(**options).schema(ordered).json(uri).toDF(*(f"c{n}" for n in range(len(ordered))))


def _has_clash(kind: DataType) -> bool:
    """Return whether names at one place of a type differ by case only."""
    if isinstance(kind, ArrayType):
        return _has_clash(kind.elementType)
    if not isinstance(kind, StructType):
        return False
    return len({name.lower() for name in kind.names}) < len(kind) or any(_has_clash(field.dataType) for field in kind)


def _read_by_name(lines: DataFrame, names: Sequence[str]) -> DataFrame:
    """Read JSON lines with an empty name, or names that differ by case only; Spark's own reader cannot do it."""
    read = F.udf(_read_fields, "array<map<string,string>>", useArrow=False)
    fields = lines.select(F.explode_outer(read("value")).alias("fields"))
    return fields.select(*(F.element_at("fields", F.lit(name)).alias(f"c{n}") for n, name in enumerate(names)))


def _read_fields(line: str) -> list[dict[str, str | None]]:
    """Return the fields of each object in a line of JSON, as Spark's reader shows them."""
    value = json.loads(line.removeprefix(_MARK), parse_int=str, parse_float=str, parse_constant=str)
    objects = value if isinstance(value, list) else [value]
    return [{name: _show_value(field) for name, field in item.items()} for item in objects]


def _show_value(value: object) -> str | None:
    """Return the text of a value, in which numbers are already text; nested values become JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _as_text(rows: DataFrame, number: int) -> Column:
    """Read a column as text. Nested values become JSON; bytes that are not UTF-8 become `0x` and their hex digits."""
    kind, column = rows.schema[number].dataType, F.col(f"c{number}")
    if kind.typeName() in _NESTED:
        return F.to_json(column)
    text = column.cast("string")
    if isinstance(kind, BinaryType | StringType):
        return F.when(F.is_valid_utf8(text), text).otherwise(F.concat(F.lit("0x"), F.hex(column)))
    return text
