"""Translates the aggregate functions of Spark SQL that have an equal in DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from jobs.querying.kinds import BIGINT, BINARY, BOOLEAN, DOUBLE, INT, NULL, UnsupportedError
from jobs.querying.scope import Term, check_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.querying.scope import Translator


def _count(translator: Translator, node: exp.Count) -> Term:
    check_arguments(node, "this", "big_int")
    if isinstance(node.this, exp.Star):
        check_arguments(node.this)
        return Term("count(*)", BIGINT, is_aggregated=True)
    prefix, argument = "", node.this
    if isinstance(argument, exp.Distinct):
        check_arguments(argument, "expressions")
        if len(argument.expressions) != 1:
            raise UnsupportedError("count(DISTINCT) has several arguments")
        prefix, argument = "DISTINCT ", argument.expressions[0]
    term = translator.translate_aggregated(argument)
    if prefix and (term.kind.is_nested or term.kind == BINARY):
        raise UnsupportedError(f"values of type {term.kind} are compared")
    return Term(f"count({prefix}{term.sql})", BIGINT, is_aggregated=True)


def _sum(translator: Translator, node: exp.Sum) -> Term:
    check_arguments(node, "this")
    term = translator.translate_aggregated(node.this)
    kind = {INT: BIGINT, BIGINT: BIGINT, DOUBLE: DOUBLE}.get(term.kind)
    if kind is None:
        raise UnsupportedError(f"the sum of values of type {term.kind}")
    return Term(f"CAST(sum({term.sql}) AS {kind.duckdb})", kind, is_aggregated=True)


def _average(translator: Translator, node: exp.Avg) -> Term:
    check_arguments(node, "this")
    term = translator.translate_aggregated(node.this)
    if term.kind not in {INT, BIGINT, DOUBLE}:
        raise UnsupportedError(f"the mean of values of type {term.kind}")
    return Term(f"avg({term.sql})", DOUBLE, is_aggregated=True)


def _extreme(translator: Translator, node: exp.Max | exp.Min) -> Term:
    check_arguments(node, "this")
    term = translator.translate_aggregated(node.this)
    if term.kind.is_nested or term.kind in {BINARY, NULL}:
        raise UnsupportedError(f"the greatest of values of type {term.kind}")
    name = "max" if isinstance(node, exp.Max) else "min"
    return Term(f"{name}({term.sql})", term.kind, is_aggregated=True)


def _value_at_extreme(translator: Translator, node: exp.ArgMax | exp.ArgMin) -> Term:
    """Translate max_by and min_by. Rows whose key is null do not count; in a struct, null is the smallest."""
    check_arguments(node, "this", "expression")
    value = translator.translate_aggregated(node.this)
    is_max = isinstance(node, exp.ArgMax)
    if isinstance(node.expression, exp.Struct):
        check_arguments(node.expression, "expressions")
        keys = [translator.translate_aggregated(_unname(part)) for part in node.expression.expressions]
        order = ", ".join(f"{key.sql} {'DESC NULLS LAST' if is_max else 'ASC NULLS FIRST'}" for key in keys)
        sql = f"first({value.sql} ORDER BY {order})"
    else:
        keys = [translator.translate_aggregated(node.expression)]
        sql = f"{'arg_max_null' if is_max else 'arg_min_null'}({value.sql}, {keys[0].sql})"
    for key in keys:
        if key.kind.is_nested or key.kind in {BINARY, NULL}:
            raise UnsupportedError(f"rows are ordered by values of type {key.kind}")
    return Term(sql, value.kind, is_aggregated=True)


def _unname(part: exp.Expression) -> exp.Expression:
    """Return the value of a field of `struct`, to which the parser adds a name."""
    return part.expression if isinstance(part, exp.PropertyEQ) else part


def _count_if(translator: Translator, node: exp.CountIf) -> Term:
    check_arguments(node, "this")
    term = translator.translate_aggregated(node.this)
    if term.kind != BOOLEAN:
        raise UnsupportedError(f"count_if of values of type {term.kind}")
    return Term(f"count(CASE WHEN {term.sql} THEN 1 END)", BIGINT, is_aggregated=True)


AGGREGATES: dict[type[exp.Expression], Callable[[Translator, Any], Term]] = {
    exp.Count: _count,
    exp.Sum: _sum,
    exp.Avg: _average,
    exp.Max: _extreme,
    exp.Min: _extreme,
    exp.ArgMax: _value_at_extreme,
    exp.ArgMin: _value_at_extreme,
    exp.CountIf: _count_if,
}
