"""Translates columns, literals, casts, arithmetic and other values of Spark SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from jobs.querying.kinds import (
    BIGINT,
    BOOLEAN,
    DATE,
    DECIMAL,
    DOUBLE,
    INT,
    INTEGERS,
    NULL,
    STRING,
    TIMESTAMP,
    UnsupportedError,
)
from jobs.querying.scope import Term, check_arguments, quote
from jobs.querying.terms import DAY, LOSSLESS, MOMENT, convert, join_terms, make_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.querying.scope import Translator

_MAX_INT = 2**31 - 1
_MAX_BIGINT = 2**63 - 1
_SUMS: dict[type[exp.Expression], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_CAST_NAMES = {
    exp.DType.INT: INT,
    exp.DType.BIGINT: BIGINT,
    exp.DType.DOUBLE: DOUBLE,
    exp.DType.TEXT: STRING,
    exp.DType.VARCHAR: STRING,
    exp.DType.BOOLEAN: BOOLEAN,
    exp.DType.DATE: DATE,
    exp.DType.TIMESTAMPTZ: TIMESTAMP,
}


def translate_column(translator: Translator, node: exp.Expression) -> Term:
    """Translate a column, or an alias of the select list where there is no such column."""
    check_arguments(node, "this", "table")
    if isinstance(node.this, exp.Star):
        raise UnsupportedError("a star is part of an expression")
    name, qualifier = node.name, node.text("table")
    aliased = None if qualifier else translator.scope.find_alias(name)
    if aliased is not None:
        return aliased
    alias, column = translator.scope.find(name, qualifier)
    return Term(f"{quote(alias)}.{quote(column.stored)}", column.kind)


def translate_literal(_: Translator, node: exp.Expression) -> Term:
    """Translate a text or a number."""
    text = node.name
    if node.args["is_string"]:
        if "\0" in text:
            raise UnsupportedError("a text contains NUL")
        return Term("'" + text.replace("'", "''") + "'", STRING)
    if text.isdigit() and int(text) <= _MAX_BIGINT:
        kind = INT if int(text) <= _MAX_INT else BIGINT
        return Term(f"CAST({int(text)} AS {kind.duckdb})", kind)
    if re.fullmatch(r"\d{1,15}\.\d{1,15}", text):
        return Term(f"CAST('{text}' AS DOUBLE)", DECIMAL)
    if re.fullmatch(r"\d{1,15}(\.\d{1,15})?[eE][+-]?\d{1,2}", text):
        return Term(f"CAST('{text}' AS DOUBLE)", DOUBLE)
    raise UnsupportedError(f"the number {text} is not translated")


def translate_cast(translator: Translator, node: exp.Expression) -> Term:
    """Translate a cast that loses nothing, and the literals DATE and TIMESTAMP."""
    check_arguments(node, "this", "to", "safe")
    to = _CAST_NAMES.get(node.args["to"].this)
    if to is None or node.args["to"].expressions:
        raise UnsupportedError(f"a cast to {node.args['to'].sql('spark')}")
    if isinstance(node.this, exp.Literal) and node.this.is_string and to in {DATE, TIMESTAMP}:
        return make_time(node.this.name, to, DAY if to == DATE else MOMENT)
    term = translator.translate(node.this)
    if term.kind == to:
        return term
    if (term.kind, to) not in LOSSLESS | {(TIMESTAMP, DATE), (DATE, TIMESTAMP)}:
        raise UnsupportedError(f"a cast from {term.kind} to {to}")
    return Term(f"CAST({term.sql} AS {to.duckdb})", to, term.is_aggregated)


def translate_sum(translator: Translator, node: exp.Expression) -> Term:
    """Translate +, - and *. An overflow of an integer is an error in both."""
    check_arguments(node, "this", "expression")
    terms, kind = translator.translate_all([node.this, node.expression])
    if kind not in {INT, BIGINT, DOUBLE}:
        raise UnsupportedError(f"values of type {kind} are added")
    term = join_terms(f" {_SUMS[type(node)]} ", terms, kind)
    return Term(f"CAST({term.sql} AS {kind.duckdb})", kind, term.is_aggregated)


def translate_quotient(translator: Translator, node: exp.Expression) -> Term:
    """Translate /, which is a division of doubles. A division by zero fails, so that Spark reports it."""
    check_arguments(node, "this", "expression", "typed", "safe")
    terms = [convert(translator.translate(part), DOUBLE) for part in (node.this, node.expression)]
    left, right = terms
    sql = f"CASE WHEN {right.sql} = 0 THEN error('division by zero') ELSE {left.sql} / {right.sql} END"
    return Term(f"CAST(({sql}) AS DOUBLE)", DOUBLE, any(term.is_aggregated for term in terms))


def translate_remainder(translator: Translator, node: exp.Expression) -> Term:
    """Translate % of integers, with the sign of the dividend in both. A division by zero fails."""
    check_arguments(node, "this", "expression")
    terms, kind = translator.translate_all([_strip(node.this), _strip(node.expression)])
    if kind not in INTEGERS:
        raise UnsupportedError(f"the remainder of values of type {kind}")
    left, right = terms
    sql = f"CASE WHEN {right.sql} = 0 THEN error('division by zero') ELSE {left.sql} % {right.sql} END"
    return Term(f"CAST(({sql}) AS {kind.duckdb})", kind, any(term.is_aggregated for term in terms))


def translate_negative(translator: Translator, node: exp.Expression) -> Term:
    """Translate a minus before a number."""
    check_arguments(node, "this")
    term = translator.translate_as(node.this, INT, BIGINT, DOUBLE, DECIMAL)
    return Term(f"(- {term.sql})", term.kind, term.is_aggregated)


def translate_case(translator: Translator, node: exp.Expression) -> Term:
    """Translate CASE in both forms."""
    check_arguments(node, "this", "ifs", "default")
    subject, branches = node.args.get("this"), node.args["ifs"]
    conditions = []
    for branch in branches:
        check_arguments(branch, "this", "true")
        is_met = exp.EQ(this=subject.copy(), expression=branch.this.copy()) if subject else branch.this
        conditions.append(translator.translate_as(is_met, BOOLEAN))
    default = node.args.get("default") or exp.Null()
    values, kind = translator.translate_all([*(branch.args["true"] for branch in branches), default])
    whens = " ".join(
        f"WHEN {condition.sql} THEN {value.sql}" for condition, value in zip(conditions, values, strict=False)
    )
    is_aggregated = any(term.is_aggregated for term in [*conditions, *values])
    return Term(f"CAST((CASE {whens} ELSE {values[-1].sql} END) AS {kind.duckdb})", kind, is_aggregated)


def translate_element(translator: Translator, node: exp.Expression) -> Term:
    """Translate the value of a map at a key; null if the key is missing."""
    check_arguments(node, "this", "expressions")
    term, key = translator.translate(node.this), translator.translate(node.expressions[0])
    if term.kind.name != "map" or len(node.expressions) != 1 or key.kind != term.kind.parts[0]:
        raise UnsupportedError(f"{node.sql('spark')[:60]} is not the value of a map")
    return Term(f"map_extract_value({term.sql}, {key.sql})", term.kind.parts[1], term.is_aggregated)


def translate_scalar(translator: Translator, node: exp.Expression) -> Term:
    """Translate a query that returns one value."""
    check_arguments(node, "this")
    relation = translator.translate_subquery(node.this)
    if len(relation.columns) != 1:
        raise UnsupportedError("a query in an expression has several columns")
    return Term(f"(SELECT * FROM {relation.sql})", relation.columns[0].kind)


def _strip(node: exp.Expression) -> exp.Expression:
    """Return an operand without the parentheses that the parser adds."""
    return node.this if isinstance(node, exp.Paren) else node


def _translate_paren(translator: Translator, node: exp.Expression) -> Term:
    check_arguments(node, "this")
    return translator.translate(node.this)


VALUES: dict[type[exp.Expression], Callable[[Translator, Any], Term]] = {
    exp.Column: translate_column,
    exp.Literal: translate_literal,
    exp.Null: lambda *_: Term(f"CAST(NULL AS {NULL.duckdb})", NULL),
    exp.Boolean: lambda _, node: Term("TRUE" if node.this else "FALSE", BOOLEAN),
    exp.Paren: _translate_paren,
    exp.Cast: translate_cast,
    exp.TryCast: translate_cast,
    **dict.fromkeys(_SUMS, translate_sum),
    exp.Div: translate_quotient,
    exp.Mod: translate_remainder,
    exp.Neg: translate_negative,
    exp.Case: translate_case,
    exp.Bracket: translate_element,
    exp.Subquery: translate_scalar,
}
