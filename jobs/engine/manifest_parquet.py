"""Reads a Parquet manifest that any program wrote, also with columns of types that Spark refuses.

Spark refuses a whole file because of one such column, even if no query needs it. pandas and pyarrow write some of these
types by default (`timestamp[ns]`). They are read here as their physical type, and executors convert the values.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial, reduce
from struct import unpack
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
)

from jobs.contracts.run_log import log
from jobs.engine.manifest_columns import ColumnError
from jobs.lake.files import LakeFiles
from jobs.lake.readers import given_files_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import Column, DataFrame, SparkSession

_PER_SECOND = {"MILLIS": 10**3, "MICROS": 10**6, "NANOS": 10**9}
_MAX_DIGITS_OF_SPARK = 38
_EPOCH = "TIMESTAMP_NTZ'1970-01-01 00:00:00'"


@dataclass(frozen=True)
class _Reading:
    """How to read a column.

    Attributes:
        spark_type: the type to request from Spark.
        convert: makes the value of the manifest from a value of that type; None if it is that value.
    """

    spark_type: DataType
    convert: Callable[[Column], Column] | None = None

    def apply(self, value: Column) -> Column:
        """Convert a value."""
        return value if self.convert is None else self.convert(value)


def load_parquet(spark: SparkSession, uri: str, needed: Sequence[str]) -> DataFrame:
    """Read a file, or a folder of files, of Parquet. Runs on: driver, which reads footers; executors read rows.

    Args:
        spark: session.
        uri: absolute path or URI.
        needed: columns that must be readable if they exist. Any other column that cannot be read is left out, with a
            warning in the log.

    Raises:
        ColumnError: two names are equal or differ by case only, or a needed column cannot be read.
        PySparkException: Spark cannot read the files.
        Py4JJavaError: a footer cannot be read.
    """
    files = LakeFiles(spark)
    paths = files.list_visible(uri)
    readings = _read_columns(files, paths[0], needed) if paths else {}
    if all(reading is not None and reading.convert is None for reading in readings.values()):
        return given_files_reader(spark, uri).parquet(uri)
    # Files of one folder may store a column in different units, so each group of equal files is read on its own.
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(str(files.read_parquet_schema(path)), []).append(path)
    parts = [_read_alike(spark, uri, _read_columns(files, alike[0], needed), alike) for alike in groups.values()]
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)


def _read_columns(files: LakeFiles, path: str, needed: Sequence[str]) -> dict[str, _Reading | None]:
    """Return how to read each column of a file; None for a column that cannot be read."""
    fields = list(files.read_parquet_schema(path).getFields())
    names = [field.getName().lower() for field in fields]
    if clashing := sorted(field.getName() for field in fields if names.count(field.getName().lower()) > 1):
        raise ColumnError(f"it has columns whose names are equal or differ by case only: {clashing}; rename them")
    readings: dict[str, _Reading | None] = {}
    for field in fields:
        name, declared = field.getName(), " ".join(str(field).split())
        try:
            readings[name] = _plan(files, field)
            if name == "published_at" and "(TIME(" in declared:
                raise ValueError("it has times without dates")  # noqa: TRY301 - the handler needs the column
        except ValueError as error:
            if name in needed:
                raise ColumnError(f"its column {name!r} cannot be read: {error}; write it as text") from error
            log.warning("column of the manifest left out", column=name, declared=declared, why=str(error))
            readings[name] = None
    return readings


def _read_alike(spark: SparkSession, uri: str, readings: dict[str, _Reading | None], paths: Sequence[str]) -> DataFrame:
    """Read files with the same columns, and convert the values."""
    readable = {name: reading for name, reading in readings.items() if reading is not None}
    schema = StructType([StructField(name, reading.spark_type) for name, reading in readable.items()])
    reader = (
        given_files_reader(spark, uri) if paths == [uri] else given_files_reader(spark, uri).option("basePath", uri)
    )
    rows = reader.schema(schema).parquet(*paths)
    converted = list(readable.values())
    converted += [_Reading(StringType())] * (len(rows.columns) - len(converted))  # of folders such as `year=2024`
    numbered = rows.toDF(*(f"c{number}" for number in range(len(converted))))
    values = [reading.apply(F.col(f"c{number}")) for number, reading in enumerate(converted)]
    return numbered.select(*values).toDF(*rows.columns)


def _plan(files: LakeFiles, field: Any, *, is_nested: bool = False) -> _Reading:  # noqa: ANN401 - a Java object
    """Return how to read a field of a Parquet schema.

    Raises:
        ValueError: it cannot be read.
    """
    if field.isPrimitive():
        special = _plan_special(str(field.getLogicalTypeAnnotation()), is_nested=is_nested)
        return special or _Reading(files.spark_type_of(field))
    try:
        return _Reading(files.spark_type_of(field))
    except ValueError:
        return _plan_nested(files, field.asGroupType())


def _plan_special(annotation: str, *, is_nested: bool) -> _Reading | None:
    """Return how to read a value of a type that Spark refuses; None for other types."""
    kind, _, rest = annotation.rstrip(")").partition("(")
    arguments = rest.split(",")
    if kind == "TIMESTAMP" and arguments[0] == "NANOS":
        return _Reading(LongType(), partial(_timestamp, is_utc=arguments[1] == "true"))
    if kind == "TIME":
        spark_type: DataType = IntegerType() if arguments[0] == "MILLIS" else LongType()
        return _Reading(spark_type, partial(_time_of_day, per_second=_PER_SECOND[arguments[0]]))
    if kind == "UUID":
        return _Reading(BinaryType(), _uuid)
    if kind == "FLOAT16" or (kind == "DECIMAL" and int(arguments[0]) > _MAX_DIGITS_OF_SPARK):
        if is_nested:
            raise ValueError(f"{annotation} is not supported inside a list, map or struct")
        decode = _decode_half if kind == "FLOAT16" else partial(_decode_decimal, scale=int(arguments[1]))
        return _Reading(BinaryType(), F.udf(decode, StringType(), useArrow=False))
    return None


def _plan_nested(files: LakeFiles, group: Any) -> _Reading:  # noqa: ANN401 - a Java object
    """Return how to read a list, map or struct with a value of a type that Spark refuses.

    Source of the layouts: section "Nested Types" of LogicalTypes.md in apache/parquet-format.

    Raises:
        ValueError: it cannot be read.
    """
    annotation, inner = str(group.getLogicalTypeAnnotation()), list(group.getFields())
    if annotation == "None":
        parts = {field.getName(): _plan(files, field, is_nested=True) for field in inner}
        spark_type = StructType([StructField(name, part.spark_type) for name, part in parts.items()])
        return _Reading(spark_type, partial(_convert_struct, parts=parts))
    items = [] if inner[0].isPrimitive() else list(inner[0].asGroupType().getFields())
    parts_of_items = [_plan(files, item, is_nested=True) for item in items]
    match annotation, parts_of_items:
        case "LIST", [item]:
            return _Reading(ArrayType(item.spark_type), lambda value: F.transform(value, item.apply))
        case "MAP", [key, item]:
            convert = partial(_convert_map, key=key, item=item)
            return _Reading(MapType(key.spark_type, item.spark_type), convert)
    raise ValueError(f"{annotation} has a layout that is not supported")


def _convert_struct(value: Column, parts: dict[str, _Reading]) -> Column:
    fields = [part.apply(value.getField(name)).alias(name) for name, part in parts.items()]
    return F.when(value.isNotNull(), F.struct(*fields))


def _convert_map(value: Column, key: _Reading, item: _Reading) -> Column:
    items = F.transform_values(value, lambda _, one: item.apply(one))
    return F.transform_keys(items, lambda one, _: key.apply(one))


def _timestamp(nanoseconds: Column, *, is_utc: bool) -> Column:
    """Return a timestamp; the last three digits, which no type of Spark has, are cut off."""
    # A division would round above 2**53, and a subtraction could overflow.
    micros = F.call_function("div", nanoseconds, F.lit(1000)) - F.when(nanoseconds % 1000 < 0, 1).otherwise(0)
    if is_utc:
        return F.timestamp_micros(micros)
    return F.timestamp_add("MICROSECOND", micros, F.expr(_EPOCH))


def _time_of_day(ticks: Column, per_second: int) -> Column:
    """Return a time of day as text: HH:MM:SS, with a fraction if it is not 0."""
    ticks = ticks.cast("long")
    fraction = F.lpad((ticks % per_second).cast("string"), len(str(per_second)) - 1, "0")
    seconds = F.call_function("div", ticks, F.lit(per_second))
    clock = F.concat_ws(
        ":",
        *(
            F.lpad(part.cast("string"), 2, "0")
            for part in (
                F.call_function("div", seconds, F.lit(3600)),
                F.call_function("div", seconds, F.lit(60)) % 60,
                seconds % 60,
            )
        ),
    )
    text = F.concat(
        clock, F.when(ticks % per_second != 0, F.concat(F.lit("."), F.rtrim(fraction, F.lit("0")))).otherwise("")
    )
    return F.when(ticks.isNotNull(), text)


def _uuid(value: Column) -> Column:
    """Return the 16 bytes of a UUID as text with hyphens."""
    return F.regexp_replace(F.lower(F.hex(value)), "^(.{8})(.{4})(.{4})(.{4})(.{12})$", "$1-$2-$3-$4-$5")


def _decode_half(value: bytearray | None) -> str | None:
    """Return a FLOAT16, which is stored in little-endian order, as text."""
    return None if value is None else str(unpack("<e", value)[0])


def _decode_decimal(value: bytearray | None, scale: int) -> str | None:
    """Return a DECIMAL, which is stored in big-endian order, as text with all its digits."""
    if value is None:
        return None
    unscaled = int.from_bytes(value, "big", signed=True)
    return str(Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -scale)))
