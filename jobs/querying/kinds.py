"""Types of expressions: Spark's type, and the DuckDB type that has the same values."""

from __future__ import annotations

from typing import Any, NamedTuple


class UnsupportedError(Exception):
    """DuckDB might not give the answer of Spark; the message says why."""


class Kind(NamedTuple):
    """A type of Spark.

    Attributes:
        name: Spark's name of it without its parts, for example "bigint" or "map".
        parts: types of the keys and values of a map, or of the elements of an array.
    """

    name: str
    parts: tuple[Kind, ...] = ()

    def __str__(self) -> str:
        """Return the type as Spark writes it."""
        return f"{self.name}<{','.join(map(str, self.parts))}>" if self.parts else self.name

    @property
    def duckdb(self) -> str:
        """The type in DuckDB that has the same values."""
        if self.name == "map":
            return f"MAP({self.parts[0].duckdb}, {self.parts[1].duckdb})"
        return f"{self.parts[0].duckdb}[]" if self.name == "array" else _DUCKDB[self.name]

    @property
    def is_nested(self) -> bool:
        """Whether it has parts. Spark and DuckDB differ in comparisons of such values."""
        return bool(self.parts)


STRING, BOOLEAN, BINARY, DATE, TIMESTAMP = map(Kind, ("string", "boolean", "binary", "date", "timestamp"))
INT, BIGINT, FLOAT, DOUBLE = map(Kind, ("int", "bigint", "float", "double"))
NULL = Kind("void")
DECIMAL = Kind("decimal")
"""A decimal literal. It is accepted only where Spark converts it to DOUBLE."""
INTEGERS = (INT, BIGINT)
_DUCKDB = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "binary": "BLOB",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "void": "INTEGER",
}
_DELTA = {"integer": INT, "long": BIGINT} | {
    kind.name: kind for kind in (STRING, BOOLEAN, BINARY, DATE, TIMESTAMP, FLOAT, DOUBLE)
}


def read_delta_type(described: Any) -> Kind | None:  # noqa: ANN401 - a type of a Delta schema in JSON
    """Return the type of a column of a Delta table; None if DuckDB has no equal type."""
    if isinstance(described, str):
        return _DELTA.get(described)
    if described["type"] == "map":
        parts = [read_delta_type(described[side]) for side in ("keyType", "valueType")]
    elif described["type"] == "array":
        parts = [read_delta_type(described["elementType"])]
    else:
        return None
    return Kind(described["type"], tuple(part for part in parts if part)) if all(parts) else None


def unify(kinds: list[Kind]) -> Kind:
    """Return the common type of several expressions, as Spark finds it.

    Raises:
        UnsupportedError: Spark has none, or converts values to text, decimals or dates on the way.
    """
    known = {kind for kind in kinds if kind != NULL}
    if len(known) <= 1:
        common = known.pop() if known else NULL
    elif known <= {INT, BIGINT}:
        common = BIGINT
    elif DOUBLE in known and known <= {INT, BIGINT, FLOAT, DOUBLE, DECIMAL}:
        common = DOUBLE
    else:
        raise UnsupportedError(f"values of the types {' and '.join(sorted(map(str, known)))} meet")
    if common == DECIMAL:
        raise UnsupportedError("a decimal is calculated with")
    return common
