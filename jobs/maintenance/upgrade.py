"""What an older version of ndvr left different in a table's schema, and the SQL that makes it as the contract says."""

from __future__ import annotations

from dataclasses import dataclass
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
# What a night builds anew where it is missing; the rows of journals and of people are made nowhere else.
_BUILT_ANEW = frozenset(stage.name for stage in STAGES if not stage.is_journal)


@dataclass(frozen=True)
class Change:
    """A difference between a stored table and its contract, and the statement that mends it.

    Attributes:
        table: its name.
        what: the difference and its remedy, for people.
        statement: Spark SQL.
    """

    table: str
    what: str
    statement: str


def find_changes(lake: Lake, tables: Iterable[Table]) -> list[Change]:
    """Compare the stored tables with their contracts; tables that are not there yet are left out. Runs on: driver.

    Raises:
        ContractError: columns differ in a way that no statement mends; all of them are named, with what to do.
    """
    changes: list[Change] = []
    faults: list[str] = []
    for table in tables:
        if lake.exists(table):
            stored = {field.name: field for field in lake.read(table.name).schema.fields}
            faults += _find_faults(lake, table, stored)
            changes += _compare_columns(lake, table, stored)
            changes += _compare_details(lake, table)
    if faults:
        raise ContractError("these tables cannot be upgraded as they are:\n" + "\n".join(faults))
    return changes


def apply_changes(lake: Lake, changes: Iterable[Change]) -> None:
    """Run the statements, one commit each; what is done stays done, and a second upgrade goes on. Runs on: driver.

    Raises:
        ContractError: rows break a check that is added.
    """
    for change in changes:
        try:
            lake.spark.sql(change.statement)
        except (PySparkException, Py4JJavaError) as error:
            if "DELTA_NEW_CHECK_CONSTRAINT_VIOLATION" not in str(error):
                raise
            raise ContractError(
                f"table {change.table}: {first_lines(error)}; mend or delete those rows and run `ndvr upgrade` again"
            ) from error


def _find_faults(lake: Lake, table: Table, stored: Mapping[str, StructField]) -> Iterator[str]:
    """Say which columns cannot be brought to the contract, and what to do."""
    remedy = (
        "move it away, and the next night builds it anew"
        if table.name in _BUILT_ANEW
        else "its rows are made nowhere else: write them anew into a table of the new schema"
    )
    expected = {field.name: field for field in table.schema.fields}
    for name, field in expected.items():
        there = stored.get(name)
        if there is None and not field.nullable:
            fault = "is missing, and is NOT NULL, so that rows there are would have no value"
        elif there is not None and there.dataType != field.dataType:
            fault = f"is {there.dataType.simpleString()}, not {field.dataType.simpleString()}"
        elif there is not None and there.nullable and not field.nullable:
            fault = "may be null, and must not"
        else:
            continue
        yield f"  table {table.name} at {lake.path(table.name)}: {name} {fault}; {remedy}"
    for name in stored.keys() - expected.keys():
        yield f"  table {table.name} at {lake.path(table.name)}: {name} is not in the contract; {remedy}"


def _compare_columns(lake: Lake, table: Table, stored: Mapping[str, StructField]) -> Iterator[Change]:
    """Add what is missing, and set what may be null and what is said of a column."""
    target = f"ALTER TABLE {_address(lake, table)}"
    place = "FIRST"
    for field in table.schema.fields:
        there, name = stored.get(field.name), quote_name(field.name)
        comment = field.metadata["comment"]
        if there is None:
            column = f"{name} {field.dataType.simpleString()} COMMENT {quote_text(comment)} {place}"
            yield Change(
                table.name, f"add the column {field.name}, null in all rows", f"{target} ADD COLUMNS ({column})"
            )
        else:
            alter = f"{target} ALTER COLUMN {name}"
            if field.nullable and not there.nullable:
                yield Change(table.name, f"let {field.name} be null", f"{alter} DROP NOT NULL")
            if there.metadata.get("comment") != comment:
                yield Change(table.name, f"comment on {field.name}", f"{alter} COMMENT {quote_text(comment)}")
        place = f"AFTER {name}"


def _compare_details(lake: Lake, table: Table) -> Iterator[Change]:
    """Set the table's comment, statistics, clustering and checks, in an order in which each may be set."""
    target = f"ALTER TABLE {_address(lake, table)}"
    detail = lake.spark.sql(f"DESCRIBE DETAIL {_address(lake, table)}").collect()[0]
    properties = detail["properties"]
    if detail["description"] != table.grain:
        statement = f"COMMENT ON TABLE {_address(lake, table)} IS {quote_text(table.grain)}"
        yield Change(table.name, "comment on the table", statement)
    held = {key.removeprefix(_CONSTRAINT): rule for key, rule in properties.items() if key.startswith(_CONSTRAINT)}
    for name in sorted(held):
        if not _is_same_rule(held[name], table.checks.get(name)):
            yield Change(table.name, f"drop the check {name}", f"{target} DROP CONSTRAINT {quote_name(name)}")
    for name, rule in table.checks.items():
        if not _is_same_rule(rule, held.get(name)):
            yield Change(
                table.name, f"add the check {name}", f"{target} ADD CONSTRAINT {quote_name(name)} CHECK ({rule})"
            )
    count = str(table.num_indexed_columns)
    if properties.get(_STATISTICS) != count:
        statement = f"{target} SET TBLPROPERTIES ('{_STATISTICS}' = '{count}')"
        yield Change(table.name, f"keep statistics of {count} columns", statement)
    if detail["clusteringColumns"] != list(table.key):
        columns = ", ".join(map(quote_name, table.key))
        yield Change(table.name, f"cluster by {', '.join(table.key)}", f"{target} CLUSTER BY ({columns})")


def _is_same_rule(rule: str, other: str | None) -> bool:
    """Compare two checks; Delta stores one that is added later with spaces between all of its words."""
    return other is not None and "".join(rule.split()) == "".join(other.split())


def _address(lake: Lake, table: Table) -> str:
    """Return a table's name in SQL."""
    return f"delta.{quote_name(lake.path(table.name))}"
