"""Translates comparisons, logic and other conditions of Spark SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from jobs.querying.kinds import BINARY, BOOLEAN, NULL, STRING, UnsupportedError
from jobs.querying.scope import Term, check_arguments
from jobs.querying.terms import convert, join_terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.querying.scope import Translator

_COMPARISONS: dict[type[exp.Expression], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_NULL_SAFE: dict[type[exp.Expression], str] = {
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}


def translate_comparison(translator: Translator, node: exp.Expression) -> Term:
    """Translate a comparison of two values of one type."""
    check_arguments(node, "this", "expression")
    operator = _COMPARISONS.get(type(node)) or _NULL_SAFE[type(node)]
    terms, kind = translator.translate_all([node.this, node.expression])
    if kind.is_nested or kind == BINARY:
        raise UnsupportedError(f"values of type {kind} are compared")
    return join_terms(f" {operator} ", terms, BOOLEAN)


def translate_logic(translator: Translator, node: exp.Expression) -> Term:
    """Translate AND and OR."""
    check_arguments(node, "this", "expression")
    terms = [convert(translator.translate_as(part, BOOLEAN, NULL), BOOLEAN) for part in (node.this, node.expression)]
    return join_terms(" AND " if isinstance(node, exp.And) else " OR ", terms, BOOLEAN)


def translate_not(translator: Translator, node: exp.Expression) -> Term:
    """Translate NOT."""
    check_arguments(node, "this")
    term = translator.translate_as(node.this, BOOLEAN)
    return Term(f"(NOT {term.sql})", BOOLEAN, term.is_aggregated)


def translate_is(translator: Translator, node: exp.Expression) -> Term:
    """Translate IS NULL, IS TRUE and IS FALSE."""
    check_arguments(node, "this", "expression")
    term = translator.translate(node.this)
    wanted = node.expression
    if isinstance(wanted, exp.Null):
        return Term(f"({term.sql} IS NULL)", BOOLEAN, term.is_aggregated)
    if isinstance(wanted, exp.Boolean) and term.kind == BOOLEAN:
        return Term(f"({term.sql} IS {'TRUE' if wanted.this else 'FALSE'})", BOOLEAN, term.is_aggregated)
    raise UnsupportedError(f"{node.sql('spark')[:60]} is not translated")


def translate_in(translator: Translator, node: exp.Expression) -> Term:
    """Translate IN with values. With a query it is translated as a part of WHERE only.

    Elsewhere it is never null in Spark, where SQL wants null.
    """
    check_arguments(node, "this", "expressions")
    terms, kind = translator.translate_all([node.this, *node.expressions])
    if kind.is_nested or kind == BINARY:
        raise UnsupportedError(f"values of type {kind} are compared")
    listed = ", ".join(term.sql for term in terms[1:])
    return Term(f"({terms[0].sql} IN ({listed}))", BOOLEAN, any(term.is_aggregated for term in terms))


def translate_between(translator: Translator, node: exp.Expression) -> Term:
    """Translate BETWEEN."""
    check_arguments(node, "this", "low", "high")
    low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
    high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
    return join_terms(" AND ", [translator.translate(low), translator.translate(high)], BOOLEAN)


def translate_like(translator: Translator, node: exp.Expression) -> Term:
    """Translate LIKE with a literal pattern. A backslash, which escapes in Spark only, is in no statement."""
    check_arguments(node, "this", "expression", "negate")
    if not (isinstance(node.expression, exp.Literal) and node.expression.is_string):
        raise UnsupportedError("the pattern of LIKE is not a literal")
    term, pattern = translator.translate_as(node.this, STRING), translator.translate(node.expression)
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    return Term(f"({term.sql} {word} {pattern.sql})", BOOLEAN, term.is_aggregated)


def translate_exists(translator: Translator, node: exp.Expression) -> Term:
    """Translate EXISTS."""
    check_arguments(node, "this")
    return Term(f"(EXISTS (FROM {translator.translate_subquery(node.this).sql}))", BOOLEAN)


CONDITIONS: dict[type[exp.Expression], Callable[[Translator, Any], Term]] = {
    **dict.fromkeys((*_COMPARISONS, *_NULL_SAFE), translate_comparison),
    exp.And: translate_logic,
    exp.Or: translate_logic,
    exp.Not: translate_not,
    exp.Is: translate_is,
    exp.In: translate_in,
    exp.Between: translate_between,
    exp.Like: translate_like,
    exp.Exists: translate_exists,
}
