"""Makes the cells of a query's answer printable: null, true or false, numbers, text, lists and objects."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pyspark.sql import Row, types
from pyspark.sql import functions as F

from jobs.contracts.times import as_utc_text
from jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame

_SEEN_AS_THEY_ARE = (
    types.StringType,
    types.BooleanType,
    types.IntegralType,
    types.FractionalType,
    types.NullType,
)


def collect_cells(answer: DataFrame) -> list[list[Any]]:
    """Collect the rows of an answer. Runs on: driver, with all rows.

    TIMESTAMP is text in UTC (`jobs.contracts.times`). TIMESTAMP_NTZ has no offset: a value of this type has no time
    zone. Bytes are hexadecimal. Intervals, dates, times of day and variants are the text of Spark. Decimals are text
    with all digits. Numbers that JSON does not have are "NaN", "Infinity" and "-Infinity". The keys of a map are text.
    Spark makes these texts, because Python has no value for all dates and intervals.

    Raises:
        UsageError: two fields of a struct have one name. A JSON object would lose the first.
    """
    for field in answer.schema:
        _check_fields(field.name, field.dataType)
    numbered = answer.toDF(*map(str, range(len(answer.columns))))
    cells = [_as_cell(F.col(field.name), field.dataType).alias(field.name) for field in numbered.schema]
    return [[_as_plain(value) for value in row] for row in numbered.select(*cells).collect()]


def _check_fields(name: str, kind: types.DataType) -> None:
    """Raise UsageError if a struct in a column has two fields of one name."""
    if isinstance(kind, types.StructType):
        repeated = sorted({field for field in kind.names if kind.names.count(field) > 1})
        if repeated:
            raise UsageError(
                f"several fields of a struct in {name} are called {', '.join(repeated)}; give them names of their own "
                "with named_struct"
            )
        for field in kind:
            _check_fields(name, field.dataType)
    elif isinstance(kind, types.ArrayType):
        _check_fields(name, kind.elementType)
    elif isinstance(kind, types.MapType):
        _check_fields(name, kind.keyType)
        _check_fields(name, kind.valueType)


def _as_cell(column: Column, kind: types.DataType) -> Column:
    """Convert a column to a type whose values Python has, with times as text."""
    if isinstance(kind, _SEEN_AS_THEY_ARE):
        return column
    if isinstance(kind, types.ArrayType):
        element_type = kind.elementType
        return F.transform(column, lambda element: _as_cell(element, element_type))
    if isinstance(kind, types.MapType):
        key_type, value_type = kind.keyType, kind.valueType
        keyed = F.transform_keys(column, lambda key, _: _as_key(key, key_type))
        return F.transform_values(keyed, lambda _, value: _as_cell(value, value_type))
    if isinstance(kind, types.StructType):
        return _convert_fields(column, kind)
    convert = next((convert for types_, convert in _CONVERSIONS if isinstance(kind, types_)), _cast)
    return convert(column)


def _convert_fields(column: Column, kind: types.StructType) -> Column:
    """Convert the fields of a struct. A struct may have two fields of one name, so they are numbered first."""
    numbered = types.StructType([types.StructField(f"_{i}", field.dataType) for i, field in enumerate(kind)])
    fields = column.cast(numbered)
    cells = [_as_cell(fields[f"_{i}"], field.dataType).alias(field.name) for i, field in enumerate(kind)]
    return F.when(column.isNotNull(), F.struct(*cells)) if cells else column


def _as_key(key: Column, kind: types.DataType) -> Column:
    """Convert the key of a map to text."""
    cell = _as_cell(key, kind)
    is_nested = isinstance(kind, types.ArrayType | types.StructType)
    return F.to_json(cell, {"ignoreNullFields": "false"}) if is_nested else cell.cast("string")


def _cast(column: Column) -> Column:
    return column.cast("string")


_CONVERSIONS: tuple[tuple[Any, Callable[[Column], Column]], ...] = (
    (types.TimestampType, as_utc_text),
    (types.TimestampNTZType, lambda column: F.replace(_cast(column), F.lit(" "), F.lit("T"))),
    (types.BinaryType, lambda column: F.lower(F.hex(column))),
    (types.GeometryType | types.GeographyType, lambda column: F.lower(F.hex(F.st_asbinary(column)))),
)
"""How types are converted that are neither seen as they are, nor cast to text."""


def _as_plain(value: Any) -> Any:  # noqa: ANN401 - as above
    """Convert a collected value to one that JSON has."""
    if isinstance(value, Row):
        return {name: _as_plain(field) for name, field in zip(value.__fields__, value, strict=True)}
    if isinstance(value, dict):
        return {key: _as_plain(field) for key, field in value.items()}
    if isinstance(value, list):
        return [_as_plain(element) for element in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
