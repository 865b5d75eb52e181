"""Finds differences between stored tables and their contracts, and the SQL statements that remove them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from jobs.errors import ContractError
from jobs.lake.commits import first_lines
from jobs.lake.quoting import quote_name, quote_text
from jobs.pipeline import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyspark.sql.types import StructField

    from jobs.contracts.table import Table
    from jobs.lake.lake import Lake

_CONSTRAINT = "delta.constraints."
_STATISTICS = "delta.dataSkippingNumIndexedCols"
# A run rebuilds these tables if they are missing; journals and decisions cannot be rebuilt.
_REBUILT = frozenset(stage.name for stage in STAGES if not stage.is_journal)


@dataclass(frozen=True)
class SchemaChange:
    """A statement that removes a difference between a stored table and its contract.

    Attributes:
        table: name of the table.
        what: description for the report.
        statement: Spark SQL.
    """

    table: str
    what: str
    statement: str


def find_changes(lake: Lake, tables: Iterable[Table]) -> list[SchemaChange]:
    """Compare the stored tables with their contracts; missing tables are ignored. Runs on: driver.

    Raises:
        ContractError: columns differ in a way that no statement can fix; the message names all of them, with a remedy.
    """
    changes: list[SchemaChange] = []
    faults: list[str] = []
    for table in tables:
        if lake.exists(table):
            stored = {field.name: field for field in lake.read(table.name).schema.fields}
            faults += _find_faults(lake, table, stored)
            changes += _compare_columns(lake, table, stored)
            changes += _compare_details(lake, table)
    if faults:
        raise ContractError("these tables cannot be upgraded:\n" + "\n".join(faults))
    return changes


def apply_changes(lake: Lake, changes: Iterable[SchemaChange]) -> None:
    """Run the statements, each in a commit of its own; after an interruption run it again. Runs on: driver.

    Raises:
        ContractError: stored rows break a new check.
    """
    for change in changes:
        try:
            lake.locks.run(change.table, partial(lake.spark.sql, change.statement))
        except (PySparkException, Py4JJavaError) as error:
            if "DELTA_NEW_CHECK_CONSTRAINT_VIOLATION" not in str(error):
                raise
            raise ContractError(
                f"table {change.table}: {first_lines(error)}; fix or delete those rows and run `ndvr upgrade` again"
            ) from error


def _find_faults(lake: Lake, table: Table, stored: Mapping[str, StructField]) -> Iterator[str]:
    """Describe each column that no statement can change to match the contract, with a remedy."""
    remedy = (
        "move the table away; the next run rebuilds it"
        if table.name in _REBUILT
        else "its rows cannot be rebuilt: copy them into a table of the new schema"
    )
    expected = {field.name: field for field in table.schema.fields}
    for name, field in expected.items():
        found = stored.get(name)
        if found is None and not field.nullable:
            fault = "is missing and NOT NULL, so stored rows would have no value"
        elif found is not None and found.dataType != field.dataType:
            fault = f"is {found.dataType.simpleString()}, expected {field.dataType.simpleString()}"
        elif found is not None and found.nullable and not field.nullable:
            fault = "is nullable, expected NOT NULL"
        else:
            continue
        yield f"  table {table.name} at {lake.path(table.name)}: {name} {fault}; {remedy}"
    for name in stored.keys() - expected.keys():
        yield f"  table {table.name} at {lake.path(table.name)}: {name} is not in the contract; {remedy}"


def _compare_columns(lake: Lake, table: Table, stored: Mapping[str, StructField]) -> Iterator[SchemaChange]:
    """Add missing columns, and set the comments and the nullability of the others."""
    target = f"ALTER TABLE {_address(lake, table)}"
    place, commented = "FIRST", {}
    for field in table.schema.fields:
        found, name = stored.get(field.name), quote_name(field.name)
        comment = field.metadata["comment"]
        if found is None:
            column = f"{name} {field.dataType.simpleString()} COMMENT {quote_text(comment)} {place}"
            yield SchemaChange(
                table.name, f"add the column {field.name}, null in all rows", f"{target} ADD COLUMNS ({column})"
            )
        else:
            if field.nullable and not found.nullable:
                statement = f"{target} ALTER COLUMN {name} DROP NOT NULL"
                yield SchemaChange(table.name, f"let {field.name} be null", statement)
            if found.metadata.get("comment") != comment:
                commented[field.name] = f"{name} COMMENT {quote_text(comment)}"
        place = f"AFTER {name}"
    if commented:  # in one statement, because each statement is a commit
        statement = f"{target} ALTER COLUMN {', '.join(commented.values())}"
        yield SchemaChange(table.name, f"comments on {', '.join(commented)}", statement)


def _compare_details(lake: Lake, table: Table) -> Iterator[SchemaChange]:
    """Set the table's comment, checks, statistics and clustering, in an order that Delta accepts."""
    target = f"ALTER TABLE {_address(lake, table)}"
    detail = lake.spark.sql(f"DESCRIBE DETAIL {_address(lake, table)}").collect()[0]
    properties = detail["properties"]
    if detail["description"] != table.grain:
        statement = f"COMMENT ON TABLE {_address(lake, table)} IS {quote_text(table.grain)}"
        yield SchemaChange(table.name, "comment on the table", statement)
    stored = {key.removeprefix(_CONSTRAINT): rule for key, rule in properties.items() if key.startswith(_CONSTRAINT)}
    for name in sorted(stored):
        if not _is_same_rule(stored[name], table.checks.get(name)):
            yield SchemaChange(table.name, f"drop the check {name}", f"{target} DROP CONSTRAINT {quote_name(name)}")
    for name, rule in table.checks.items():
        if not _is_same_rule(rule, stored.get(name)):
            yield SchemaChange(
                table.name, f"add the check {name}", f"{target} ADD CONSTRAINT {quote_name(name)} CHECK ({rule})"
            )
    count = str(table.num_indexed_columns)
    if properties.get(_STATISTICS) != count:
        statement = f"{target} SET TBLPROPERTIES ('{_STATISTICS}' = '{count}')"
        yield SchemaChange(table.name, f"keep statistics of {count} columns", statement)
    if detail["clusteringColumns"] != list(table.clustering):
        columns = ", ".join(map(quote_name, table.clustering))
        yield SchemaChange(table.name, f"cluster by {', '.join(table.clustering)}", f"{target} CLUSTER BY ({columns})")


def _is_same_rule(rule: str, other: str | None) -> bool:
    """Compare two checks without white space: Delta adds spaces to a check that is added to an existing table."""
    return other is not None and "".join(rule.split()) == "".join(other.split())


def _address(lake: Lake, table: Table) -> str:
    """Return the name of a table in SQL."""
    return f"delta.{quote_name(lake.path(table.name))}"
