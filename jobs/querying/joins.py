"""Translates the joins of FROM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.querying.kinds import BOOLEAN, UnsupportedError
from jobs.querying.scope import check_arguments, quote

if TYPE_CHECKING:
    from sqlglot import exp

    from jobs.querying.expressions import Expressions
    from jobs.querying.scope import Relation, Scope

_JOINS = {
    ("", ""): "JOIN",
    ("", "INNER"): "JOIN",
    ("LEFT", ""): "LEFT JOIN",
    ("LEFT", "OUTER"): "LEFT JOIN",
    ("RIGHT", ""): "RIGHT JOIN",
    ("RIGHT", "OUTER"): "RIGHT JOIN",
    ("FULL", ""): "FULL JOIN",
    ("FULL", "OUTER"): "FULL JOIN",
    ("LEFT", "SEMI"): "SEMI JOIN",
    ("LEFT", "ANTI"): "ANTI JOIN",
    ("", "SEMI"): "SEMI JOIN",
    ("", "ANTI"): "ANTI JOIN",
    ("", "CROSS"): "CROSS JOIN",
}
ONE_SIDED = {"SEMI JOIN", "ANTI JOIN"}


def find_join(join: exp.Join) -> str:
    """Return the join in the words of DuckDB."""
    check_arguments(join, "this", "side", "kind", "on", "using")
    kind = _JOINS.get((join.side, join.kind))
    if kind is None:
        raise UnsupportedError(f"{join.side} {join.kind} JOIN is not translated")
    return kind


def translate_join(
    join: exp.Join, kind: str, alias: str, relation: Relation, scope: Scope, expressions: Expressions
) -> str:
    """Translate the condition of a join, and add its columns to the scope."""
    on, using = join.args.get("on"), join.args.get("using") or []
    if bool(on) + bool(using) != (kind != "CROSS JOIN"):
        raise UnsupportedError("a join needs ON or USING, except CROSS JOIN")
    if not using:
        before = list(scope.shown)
        scope.add(alias, relation.columns)
        condition = f" ON {expressions.translate_as(on, BOOLEAN).sql}" if on else ""
        if kind in ONE_SIDED:
            scope.shown = before
        return condition
    if kind in {"RIGHT JOIN", "FULL JOIN"}:
        raise UnsupportedError(f"{kind} has USING")
    equal = []
    names = [name.name for name in using]
    firsts = [scope.find(name) for name in names]
    for name, (left_alias, left) in zip(names, firsts, strict=True):
        right = next((column for column in relation.columns if column.name == name), None)
        if right is None or right.kind != left.kind or left.kind.is_nested:
            raise UnsupportedError(f"USING names {name}, which the sides do not share")
        equal.append(f"{quote(left_alias)}.{quote(left.stored)} = {quote(alias)}.{quote(right.stored)}")
    shown = [*firsts, *[column for column in scope.shown if column not in firsts]]
    scope.add(alias, relation.columns, is_shown=False)
    if kind not in ONE_SIDED:
        shown += [(alias, column) for column in relation.columns if column.name not in names]
        scope.shown, scope.is_joined_by_name = shown, True
    return f" ON {' AND '.join(equal)}"
