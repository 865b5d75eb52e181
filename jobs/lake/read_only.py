"""Decides from Spark's parsed plan whether a statement only reads. Runs on the driver; nothing of it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.errors import ParseException

from jobs.errors import UsageError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

_QUERY_NODES = frozenset({
    "Aggregate", "AsOfJoin", "CurrentNamespace$", "Distinct", "Except", "Filter", "Generate", "GlobalLimit",
    "Intersect", "Join", "LateralJoin", "LimitAll", "LocalLimit", "LocalRelation", "Offset", "OneRowRelation",
    "PipeOperator", "Pivot", "Project", "RelationTimeTravel", "Repartition", "RepartitionByExpression",
    "Sample", "Sort", "SubqueryAlias", "Tail", "Union", "UnresolvedHaving", "UnresolvedHint",
    "UnresolvedInlineTable", "UnresolvedQualify", "UnresolvedRelation", "UnresolvedSubqueryColumnAliases",
    "UnresolvedTableValuedFunction", "UnresolvedWith", "Unpivot", "Window", "WithWindowDefinition",
})  # fmt: skip
"""The nodes of parsed queries. Any other node is refused, because a new version of Spark may add one that writes."""
_READING_COMMANDS = frozenset({
    "DescribeColumn", "DescribeDeltaDetailCommand", "DescribeDeltaHistory", "DescribeFunction",
    "DescribeNamespace", "DescribeQueryCommand", "DescribeRelation", "DescribeRelationJsonCommand",
    "ShowCatalogsCommand", "ShowCollationsCommand", "ShowColumns", "ShowCreateTable",
    "ShowCurrentNamespaceCommand", "ShowFunctions", "ShowNamespacesCommand", "ShowPartitions",
    "ShowTableProperties", "ShowTables", "ShowTablesExtended", "ShowViews",
})  # fmt: skip
_EXPLAINED = frozenset({"DeleteFromTable", "InsertIntoStatement", "MergeIntoTable", "UpdateTable"})
"""Statements that write, but that EXPLAIN only plans. Spark runs some others, such as CALL, while it plans them."""
_CALLING_FUNCTIONS = frozenset({"java_method", "reflect", "try_reflect"})
"""Functions that call any method of Java, so they can change anything."""
_COMPUTED_NAME = "ExpressionWithUnresolvedIdentifier"
_SUSPECT_WORDS = ("java_method", "reflect", "identifier")
"""A statement without these words names no such function. Its expressions are not walked, which takes a while."""


def find_effect(spark: SparkSession, statement: str) -> str | None:
    """Return what in a statement may do more than read, by Spark's name of it, or None.

    The first word is not enough: `WITH` and `FROM` may begin an INSERT, and `SELECT TRANSFORM` starts a program.

    Raises:
        pyspark.errors.ParseException: the statement is not valid.
    """
    plan = spark._jsparkSession.sessionState().sqlParser().parsePlan(statement)  # noqa: SLF001 - PySpark has no public parser
    name = _name(plan)
    if name in _READING_COMMANDS:
        return None
    known = _QUERY_NODES
    if name == "ExplainCommand":
        plan, known = plan.logicalPlan(), _QUERY_NODES | _READING_COMMANDS | _EXPLAINED
    is_suspect = any(word in statement.lower() for word in _SUSPECT_WORDS)
    for node in _walk(plan):
        if _name(node) not in known:
            return _name(node)
        if is_suspect and (calling := _find_calling(node)):
            return calling
    return None


def check_expression(spark: SparkSession, expression: str, name: str) -> None:
    """Check an SQL expression on the manifest that a person passes. Nothing of it is run.

    Args:
        spark: the session.
        expression: SQL, for example "owner_id = 'ann'".
        name: name of the option or setting, for the message.

    Raises:
        UsageError: the expression is not valid, or it may do more than read.
    """
    try:
        effect = find_effect(spark, f"SELECT (\n{expression}\n) FROM manifest")  # noqa: S608 -- it is parsed only
    except ParseException as error:
        raise UsageError(
            f"{name} {expression!r} is not a valid condition on the manifest: {first_line(error.getMessage())}"
        ) from error
    if effect is not None:
        raise UsageError(f"{name} {expression!r} may do more than read ({effect}); pass an expression of columns")


def _walk(plan: Any) -> Iterator[Any]:  # noqa: ANN401 - an object of the JVM
    """Yield the nodes of a plan, from its root, with those of subqueries and of WITH."""
    waiting = [plan]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += _items(node.innerChildren()) + _items(node.children())


def _find_calling(node: Any) -> str | None:  # noqa: ANN401 - as above
    """Return the first function of a node's expressions that calls a method of Java, or None."""
    waiting = _items(node.expressions())
    while waiting:
        part = waiting.pop()
        if _name(part) == _COMPUTED_NAME:
            return _COMPUTED_NAME
        if _name(part) == "UnresolvedFunction":
            function = str(_items(part.nameParts())[-1]).lower()
            if function in _CALLING_FUNCTIONS:
                return function
        waiting += _items(part.children())
    return None


def _items(sequence: Any) -> list[Any]:  # noqa: ANN401 - as above
    """Return the items of a Scala sequence."""
    return [sequence.apply(number) for number in range(sequence.length())]


def _name(node: Any) -> str:  # noqa: ANN401 - as above
    """Return the name of a node's class, without its package."""
    return str(node.getClass().getName()).rpartition(".")[2]
