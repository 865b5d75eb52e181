"""Translates the clauses of SELECT besides FROM and ORDER BY."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlglot import exp

from jobs.querying.kinds import BINARY, BOOLEAN, DOUBLE, FLOAT, Kind, UnsupportedError
from jobs.querying.scope import Column, Relation, Scope, Term, check_arguments, quote
from jobs.querying.terms import convert

if TYPE_CHECKING:
    from jobs.querying.expressions import Expressions


class Item(NamedTuple):
    """An item of a select list.

    Attributes:
        name: of the column.
        term: its value.
        comment: of the column that it is; None without one.
        alias: the alias that the statement gives it; None without one, or if it is the name of the same column.
    """

    name: str
    term: Term
    comment: str | None = None
    alias: str | None = None


def check_lower(name: str) -> None:
    """Check that the name of a relation is in lower case, because Spark ignores case.

    Raises:
        UnsupportedError: it is not.
    """
    if name != name.lower():
        raise UnsupportedError(f"{name} is not in lower case")


def expand_star(node: exp.Expression, scope: Scope) -> list[Item]:
    """Return the columns that a star means."""
    star = node.this if isinstance(node, exp.Column) else node
    check_arguments(star)
    columns = scope.shown
    if isinstance(node, exp.Column):
        check_arguments(node, "this", "table")
        qualifier = node.text("table")
        if scope.is_joined_by_name or qualifier not in scope.sources:
            raise UnsupportedError(f"{qualifier}.* is not translated")
        columns = [(qualifier, column) for column in scope.sources[qualifier]]
    if not columns:
        raise UnsupportedError("a star without FROM")
    return [
        Item(column.name, Term(f"{quote(alias)}.{quote(column.stored)}", column.kind), column.comment)
        for alias, column in columns
    ]


def translate_where(query: exp.Select, expressions: Expressions) -> str:
    """Translate WHERE."""
    clause = query.args.get("where")
    if clause is None:
        return ""
    check_arguments(clause, "this")
    term = expressions.translate_condition(clause.this)
    if term.is_aggregated:
        raise UnsupportedError("WHERE contains an aggregate function")
    return f" WHERE {term.sql}"


def translate_having(query: exp.Select, expressions: Expressions) -> str:
    """Translate HAVING."""
    clause = query.args.get("having")
    if clause is None:
        return ""
    check_arguments(clause, "this")
    return f" HAVING {expressions.translate_as(clause.this, BOOLEAN).sql}"


def find_hidden(items: list[Item], scope: Scope) -> set[str]:
    """Return the names of columns, in lower case, that are aliases of other expressions too."""
    names = {column.name.lower() for columns in scope.sources.values() for column in columns}
    return {item.alias.lower() for item in items if item.alias} & names


def translate_group(query: exp.Select, expressions: Expressions, items: list[Item]) -> tuple[str, list[Term]]:
    """Translate GROUP BY with expressions, numbers of columns, aliases, or ALL; return the keys too."""
    clause = query.args.get("group")
    if clause is None:
        return "", []
    check_arguments(clause, "expressions", "all")
    if clause.args.get("all"):
        terms = [item.term for item in items if not item.term.is_aggregated]
    else:
        terms = []
        for part in clause.expressions:
            at = find_output(part, items) if isinstance(part, exp.Literal) else None
            terms.append(items[at].term if at is not None else expressions.translate(part))
            if at is None and isinstance(part, exp.Literal):
                raise UnsupportedError("GROUP BY has a literal")
    if any(term.is_aggregated for term in terms) or not terms:
        raise UnsupportedError("GROUP BY has an aggregate function, or nothing")
    check_comparable([term.kind for term in terms], "GROUP BY")
    return f" GROUP BY {', '.join(term.sql for term in terms)}", terms


def drop_sign_of_zero(term: Term) -> str:
    """Return a key as Spark shows it: 0.0 and -0.0 are one key, shown as 0.0."""
    return f"({term.sql} + 0.0::DOUBLE)" if term.kind == DOUBLE else term.sql


def translate_distinct(query: exp.Select, items: list[Item]) -> str:
    """Translate DISTINCT."""
    clause = query.args.get("distinct")
    if clause is None:
        return ""
    check_arguments(clause)
    check_comparable([item.term.kind for item in items], "DISTINCT")
    return "DISTINCT "


def translate_bounds(query: exp.Expression) -> str:
    """Translate LIMIT and OFFSET with literals."""
    sql = ""
    for word in ("limit", "offset"):
        clause = query.args.get(word)
        if clause is not None:
            check_arguments(clause, "expression")
            count = clause.expression
            if not isinstance(count, exp.Literal) or not count.name.isdigit():
                raise UnsupportedError(f"{word} is not a literal")
            sql += f" {word.upper()} {int(count.name)}"
    return sql


def find_output(node: exp.Expression, items: list[Item]) -> int | None:
    """Return which column of the result a key of ORDER BY or GROUP BY is: a number from 1, or a name."""
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
        at = int(node.name) - 1
        if not 0 <= at < len(items):
            raise UnsupportedError(f"there is no column {node.name}")
        return at
    if isinstance(node, exp.Column) and not node.text("table"):
        found = [at for at, item in enumerate(items) if item.name.lower() == node.name.lower()]
        if len(found) == 1 and items[found[0]].name == node.name:
            return found[0]
    return None


def check_comparable(kinds: list[Kind], where: str) -> None:
    """Check that values can be compared in both.

    Raises:
        UnsupportedError: they are lists, maps or bytes; or FLOAT keys, whose zeros have signs.
    """
    for kind in kinds:
        if kind.is_nested or kind == BINARY or (kind == FLOAT and where != "ORDER BY"):
            raise UnsupportedError(f"{where} compares values of type {kind}")


def select_converted(relation: Relation, columns: list[Column], *, is_distinct: bool) -> str:
    """Select the columns of one side of a UNION, converted to the types of the union."""
    parts = []
    for at, (own, column) in enumerate(zip(relation.columns, columns, strict=True)):
        term = convert(Term(f"s.{quote(own.stored)}", own.kind), column.kind)
        parts.append(f"{drop_sign_of_zero(term) if is_distinct else term.sql} AS c{at}")
    return f"SELECT {', '.join(parts)} FROM {relation.sql} AS s"
