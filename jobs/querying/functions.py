"""Translates the functions of Spark SQL that have an equal in DuckDB, with the same value for every argument."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from jobs.querying.kinds import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    Kind,
    UnsupportedError,
)
from jobs.querying.scope import Term, check_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.querying.scope import Translator

_MAX_ROUNDED_DIGITS = 9
_PARTS: dict[type[exp.Expression], str] = {exp.Year: "year", exp.Month: "month", exp.Day: "day", exp.DayOfMonth: "day"}
_TRUNCATED = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"})


def _any(terms: list[Term]) -> bool:
    return any(term.is_aggregated for term in terms)


def _greatest(translator: Translator, node: exp.Greatest | exp.Least) -> Term:
    check_arguments(node, "this", "expressions", "ignore_nulls")
    terms, kind = translator.translate_all([node.this, *node.expressions])
    if kind.is_nested or kind in {BINARY, NULL} or len(terms) == 1:
        raise UnsupportedError(f"the greatest of values of type {kind}")
    name = "greatest" if isinstance(node, exp.Greatest) else "least"
    return Term(f"{name}({', '.join(term.sql for term in terms)})", kind, _any(terms))


def _coalesce(translator: Translator, node: exp.Coalesce) -> Term:
    check_arguments(node, "this", "expressions")
    terms, kind = translator.translate_all([node.this, *node.expressions])
    return Term(f"coalesce({', '.join(term.sql for term in terms)})", kind, _any(terms))


def _if(translator: Translator, node: exp.If) -> Term:
    check_arguments(node, "this", "true", "false")
    branch = exp.If(this=node.this.copy(), true=node.args["true"].copy())
    default = node.args.get("false")
    return translator.translate(exp.Case(ifs=[branch], default=default.copy() if default else None))


def _null_if(translator: Translator, node: exp.Nullif) -> Term:
    check_arguments(node, "this", "expression")
    is_equal = exp.EQ(this=node.this.copy(), expression=node.expression.copy())
    return translator.translate(exp.Case(ifs=[exp.If(this=is_equal, true=exp.Null())], default=node.this.copy()))


def _size(translator: Translator, node: exp.ArraySize) -> Term:
    check_arguments(node, "this")
    term = translator.translate(node.this)
    name = {"map": "cardinality", "array": "len"}.get(term.kind.name)
    if name is None:
        raise UnsupportedError(f"the size of a value of type {term.kind}")
    return Term(f"CAST({name}({term.sql}) AS {INT.duckdb})", INT, term.is_aggregated)


def _round(translator: Translator, node: exp.Round) -> Term:
    """Translate the rounding of a double, half up in its shortest decimal form, as Spark does it."""
    check_arguments(node, "this", "decimals")
    digits = node.args.get("decimals")
    if digits is not None and (not digits.name.isdigit() or int(digits.name) > _MAX_ROUNDED_DIGITS):
        raise UnsupportedError("the number of digits of round is not a small literal")
    term = translator.translate_as(node.this, DOUBLE)
    num_digits = 0 if digits is None else int(digits.name)
    # A number that is too large for the decimal fails, and Spark answers.
    text = f"CAST(CAST(CAST({term.sql} AS VARCHAR) AS DECIMAL(38, {num_digits})) AS VARCHAR)"
    sql = f"CASE WHEN isfinite({term.sql}) THEN CAST({text} AS DOUBLE) ELSE {term.sql} END"
    return Term(f"({sql})", DOUBLE, term.is_aggregated)


def _absolute(translator: Translator, node: exp.Abs) -> Term:
    check_arguments(node, "this")
    term = translator.translate_as(node.this, INT, BIGINT, DOUBLE)
    return Term(f"abs({term.sql})", term.kind, term.is_aggregated)


def _length(translator: Translator, node: exp.Length) -> Term:
    check_arguments(node, "this")
    term = translator.translate_as(node.this, STRING)
    return Term(f"CAST(length({term.sql}) AS {INT.duckdb})", INT, term.is_aggregated)


def _letters(translator: Translator, node: exp.Lower | exp.Upper) -> Term:
    """Translate lower and upper of ASCII. Other letters have other rules in Spark: they fail, and Spark answers."""
    check_arguments(node, "this")
    term = translator.translate_as(node.this, STRING)
    name = "lower" if isinstance(node, exp.Lower) else "upper"
    is_other = f"strlen({term.sql}) <> length({term.sql})"
    return Term(
        f"(CASE WHEN {is_other} THEN error('not ASCII') ELSE {name}({term.sql}) END)", STRING, term.is_aggregated
    )


def _concatenate(translator: Translator, node: exp.Concat | exp.DPipe) -> Term:
    check_arguments(node, "this", "expression", "expressions", "safe", "coalesce")
    parts = node.expressions if isinstance(node, exp.Concat) else [node.this, node.expression]
    terms = [translator.translate_as(part, STRING) for part in parts]
    return Term(f"({' || '.join(term.sql for term in terms)})", STRING, _any(terms))


def _substring(translator: Translator, node: exp.Substring) -> Term:
    check_arguments(node, "this", "start", "length")
    bounds = [bound for bound in (node.args.get("start"), node.args.get("length")) if bound is not None]
    if not all(isinstance(bound, exp.Literal) and bound.name.isdigit() for bound in bounds) or bounds[0].name == "0":
        raise UnsupportedError("the bounds of substring are not positive literals")
    term = translator.translate_as(node.this, STRING)
    return Term(f"substring({term.sql}, {', '.join(bound.name for bound in bounds)})", STRING, term.is_aggregated)


def _affix(translator: Translator, node: exp.StartsWith | exp.Contains) -> Term:
    check_arguments(node, "this", "expression")
    terms = [translator.translate_as(part, STRING) for part in (node.this, node.expression)]
    name = "starts_with" if isinstance(node, exp.StartsWith) else "contains"
    return Term(f"{name}({terms[0].sql}, {terms[1].sql})", BOOLEAN, _any(terms))


def _now(translator: Translator, node: exp.CurrentTimestamp | exp.CurrentDate) -> Term:
    check_arguments(node)
    moment = translator.now.astimezone(UTC)
    if isinstance(node, exp.CurrentDate):
        return Term(f"CAST('{moment:%Y-%m-%d}' AS DATE)", DATE)
    return Term(f"CAST('{moment:%Y-%m-%d %H:%M:%S.%f}+00' AS {TIMESTAMP.duckdb})", TIMESTAMP)


def _as_date(translator: Translator, node: exp.TsOrDsToDate) -> Term:
    check_arguments(node, "this", "safe")
    term = translator.translate_as(node.this, TIMESTAMP, DATE)
    return Term(f"CAST({term.sql} AS DATE)", DATE, term.is_aggregated)


def _date_part(translator: Translator, node: exp.Expression) -> Term:
    check_arguments(node, "this")
    term = translator.translate_as(node.this, DATE)
    return Term(f"CAST(date_part('{_PARTS[type(node)]}', {term.sql}) AS {INT.duckdb})", INT, term.is_aggregated)


def _truncate_time(translator: Translator, node: exp.TimestampTrunc) -> Term:
    check_arguments(node, "this", "unit")
    unit = node.text("unit").upper()
    if unit not in _TRUNCATED:
        raise UnsupportedError(f"times are truncated to {unit}")
    term = translator.translate_as(node.this, TIMESTAMP)
    return Term(f"date_trunc('{unit.lower()}', {term.sql})", TIMESTAMP, term.is_aggregated)


def _sum_list(translator: Translator, node: exp.Reduce) -> Term:
    """Translate `aggregate(list, 0L, (sum, n) -> sum + n)`; the sum of a list with a null is null."""
    check_arguments(node, "this", "initial", "merge")
    merge = node.args["merge"]
    names = [name.name for name in merge.expressions]
    is_sum = (
        isinstance(merge.this, exp.Add)
        and len(names) == len({*names}) == 2  # noqa: PLR2004 - the two parameters of the lambda
        and [merge.this.this.name, merge.this.expression.name] == names
        and node.args["initial"].sql("spark") in {"CAST(0 AS BIGINT)", "TRY_CAST(0 AS BIGINT)"}
    )
    term = translator.translate(node.this)
    if not is_sum or term.kind != Kind("array", (BIGINT,)):
        raise UnsupportedError("aggregate is more than a sum of a list")
    sql = (
        f"CASE WHEN {term.sql} IS NULL OR len({term.sql}) <> list_count({term.sql}) THEN NULL "
        f"ELSE coalesce(list_sum({term.sql}), 0) END"
    )
    return Term(f"CAST(({sql}) AS {BIGINT.duckdb})", BIGINT, term.is_aggregated)


def _map_keys(translator: Translator, node: exp.MapKeys) -> Term:
    check_arguments(node, "this")
    return _map_side(translator, node.this, "map_keys")


def translate_named(translator: Translator, node: exp.Anonymous) -> Term:
    """Translate a function that the parser knows by its name only.

    Raises:
        UnsupportedError: it is not translated.
    """
    name = node.name.lower()
    if name == "map_values" and len(node.expressions) == 1:
        return _map_side(translator, node.expressions[0], name)
    if name == "now" and not node.expressions:
        return _now(translator, exp.CurrentTimestamp())
    raise UnsupportedError(f"the function {name} is not translated")


def _map_side(translator: Translator, node: exp.Expression, name: str) -> Term:
    term = translator.translate(node)
    if term.kind.name != "map":
        raise UnsupportedError(f"{name} of a value of type {term.kind}")
    part = term.kind.parts[0 if name == "map_keys" else 1]
    return Term(f"{name}({term.sql})", Kind("array", (part,)), term.is_aggregated)


FUNCTIONS: dict[type[exp.Expression], Callable[[Translator, Any], Term]] = {
    exp.Greatest: _greatest,
    exp.Least: _greatest,
    exp.Coalesce: _coalesce,
    exp.If: _if,
    exp.Nullif: _null_if,
    exp.ArraySize: _size,
    exp.Round: _round,
    exp.Abs: _absolute,
    exp.Length: _length,
    exp.Lower: _letters,
    exp.Upper: _letters,
    exp.Concat: _concatenate,
    exp.DPipe: _concatenate,
    exp.Substring: _substring,
    exp.StartsWith: _affix,
    exp.Contains: _affix,
    exp.CurrentTimestamp: _now,
    exp.CurrentDate: _now,
    exp.TsOrDsToDate: _as_date,
    **dict.fromkeys(_PARTS, _date_part),
    exp.TimestampTrunc: _truncate_time,
    exp.Reduce: _sum_list,
    exp.MapKeys: _map_keys,
}
