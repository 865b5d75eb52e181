"""Translates queries of Spark SQL into the SQL of DuckDB: SELECT with joins, WITH and UNION."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from jobs.querying.clauses import (
    Item,
    check_comparable,
    check_lower,
    drop_sign_of_zero,
    expand_star,
    find_hidden,
    find_output,
    select_converted,
    translate_bounds,
    translate_distinct,
    translate_group,
    translate_having,
    translate_where,
)
from jobs.querying.expressions import Expressions
from jobs.querying.joins import ONE_SIDED, find_join, translate_join
from jobs.querying.kinds import UnsupportedError, unify
from jobs.querying.names import name_column
from jobs.querying.scope import Column, Relation, Scope, Term, check_arguments, check_names, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

_SELECT = ("expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct", "with_")
_UNION = ("this", "expression", "distinct", "order", "limit", "offset", "with_")


class Queries:
    """Translates the queries of one statement.

    Args:
        find_relation: returns the relation that a name means outside of WITH.
        now: time of the statement.
    """

    def __init__(self, find_relation: Callable[[str], Relation], now: datetime) -> None:
        self._find_relation = find_relation
        self._now = now

    def translate(self, query: exp.Expr, known: Mapping[str, Relation] | None = None) -> Relation:
        """Translate a query.

        Args:
            query: as sqlglot parses it.
            known: name -> relation of the WITH around it.

        Raises:
            UnsupportedError: DuckDB might give another answer than Spark.
        """
        known = self._add_with(query, known or {})
        if isinstance(query, exp.Union):
            return self._translate_union(query, known)
        if isinstance(query, exp.Subquery):
            check_arguments(query, "this")
            return self.translate(query.this, known)
        if not isinstance(query, exp.Select):
            raise UnsupportedError(f"{type(query).__name__} is not a SELECT")
        return self._translate_select(query, known)

    def _add_with(self, query: exp.Expr, known: Mapping[str, Relation]) -> Mapping[str, Relation]:
        """Translate the queries of WITH in order, each with those before it."""
        clause = query.args.get("with_")
        if clause is None:
            return known
        check_arguments(clause, "expressions")
        known = dict(known)
        for part in clause.expressions:
            check_arguments(part, "this", "alias")
            check_arguments(part.args["alias"], "this")
            check_lower(part.alias)
            relation = self.translate(part.this, known)
            known[part.alias] = Relation(relation.sql, check_names(relation.columns))
        return known

    def _translate_union(self, query: exp.Union, known: Mapping[str, Relation]) -> Relation:
        """Translate UNION and UNION ALL, from the left to the right."""
        check_arguments(query, *_UNION)
        sides = [self.translate(side, known) for side in (query.this, query.expression)]
        if any(isinstance(side, exp.Intersect | exp.Except) for side in (query.this, query.expression)):
            raise UnsupportedError("UNION is combined with INTERSECT or EXCEPT")
        if len(sides[0].columns) != len(sides[1].columns):
            raise UnsupportedError("the sides of UNION have different numbers of columns")
        columns: list[Column] = []
        for left, right in zip(sides[0].columns, sides[1].columns, strict=True):
            columns.append(Column(left.name, unify([left.kind, right.kind]), f"c{len(columns)}", left.comment))
        if query.args.get("distinct"):
            check_comparable([column.kind for column in columns], "UNION")
        selects = [select_converted(side, columns, is_distinct=bool(query.args.get("distinct"))) for side in sides]
        union = f" UNION {'' if query.args.get('distinct') else 'ALL '}".join(selects)
        outputs = [Item(column.name, Term(f"u.c{at}", column.kind)) for at, column in enumerate(columns)]
        order = self._translate_order(query, Expressions(Scope(), self._reject, self._now), outputs, is_limited=True)
        bounds = translate_bounds(query)
        body = f"SELECT * FROM ({union}) AS u{order}{bounds}"
        return Relation(f"({body})", tuple(columns))

    def _translate_select(self, query: exp.Select, known: Mapping[str, Relation]) -> Relation:
        """Translate one SELECT."""
        check_arguments(query, *_SELECT)
        scope = Scope()
        expressions = Expressions(scope, lambda inner: self.translate(inner, known), self._now)
        source = self._translate_from(query, scope, expressions, known)
        where = translate_where(query, expressions)
        items = self._translate_items(query, expressions)
        scope.aliases = {item.alias: item.term for item in items if item.alias}
        scope.hidden = find_hidden(items, scope)
        group, keys = translate_group(query, expressions, items)
        having = translate_having(query, expressions)
        distinct = translate_distinct(query, items)
        order = self._translate_order(query, expressions, items, is_limited=bool(distinct))
        listed = ", ".join(
            f"{drop_sign_of_zero(item.term) if distinct or item.term in keys else item.term.sql} AS c{at}"
            for at, item in enumerate(items)
        )
        bounds = translate_bounds(query)
        body = f"SELECT {distinct}{listed}{source}{where}{group}{having}{order}{bounds}"
        columns = tuple(Column(item.name, item.term.kind, f"c{at}", item.comment) for at, item in enumerate(items))
        return Relation(f"({body})", columns)

    def _translate_from(
        self, query: exp.Select, scope: Scope, expressions: Expressions, known: Mapping[str, Relation]
    ) -> str:
        """Translate FROM with its joins, and add their columns to the scope."""
        clause = query.args.get("from_")
        if clause is None:
            return ""
        check_arguments(clause, "this")
        alias, relation = self._translate_source(clause.this, known)
        scope.add(alias, relation.columns)
        sql = f" FROM {relation.sql} AS {quote(alias)}"
        joins = query.args.get("joins") or []
        kinds = [find_join(join) for join in joins]
        if "CROSS JOIN" in kinds and set(kinds) & {"RIGHT JOIN", "FULL JOIN"}:
            raise UnsupportedError("a comma, or CROSS JOIN, is combined with an outer join")
        for join, kind in zip(joins, kinds, strict=True):
            alias, relation = self._translate_source(join.this, known)
            condition = translate_join(join, kind, alias, relation, scope, expressions)
            sql += f" {kind} {relation.sql} AS {quote(alias)}{condition}"
            if kind in ONE_SIDED:
                del scope.sources[alias]
        return sql

    def _translate_source(self, source: exp.Expression, known: Mapping[str, Relation]) -> tuple[str, Relation]:
        """Translate a table, view, query of WITH, or subquery; return its alias and itself."""
        alias = source.args.get("alias")
        if alias is not None:
            check_arguments(alias, "this")
        if isinstance(source, exp.Subquery):
            check_arguments(source, "this", "alias")
            relation = self.translate(source.this, known)
            return source.alias or f"q{id(source)}", Relation(relation.sql, check_names(relation.columns))
        if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier):
            raise UnsupportedError(f"{source.sql('spark')[:60]} is not the name of a table or view")
        check_arguments(source, "this", "alias")
        check_lower(source.name)
        return source.alias or source.name, known.get(source.name) or self._find_relation(source.name)

    def _translate_items(self, query: exp.Select, expressions: Expressions) -> list[Item]:
        """Translate the select list."""
        items: list[Item] = []
        for node in query.expressions:
            if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
                items += expand_star(node, expressions.scope)
                continue
            alias, value = (node.alias, node.this) if isinstance(node, exp.Alias) else (None, node)
            if isinstance(node, exp.Alias):
                check_arguments(node, "this", "alias")
            term = expressions.translate(value)
            is_column = isinstance(value, exp.Column)
            comment = expressions.scope.find(value.name, value.text("table"))[1].comment if is_column else None
            name = alias if alias is not None else name_column(value)
            is_renamed = alias is not None and not (is_column and value.name == alias)
            items.append(Item(name, term, comment, alias if is_renamed else None))
        return items

    def _translate_order(
        self, query: exp.Expression, expressions: Expressions, items: list[Item], *, is_limited: bool
    ) -> str:
        """Translate ORDER BY. With DISTINCT or UNION it may name columns of the result only."""
        clause = query.args.get("order")
        if clause is None:
            return ""
        check_arguments(clause, "expressions")
        keys = []
        for part in clause.expressions:
            check_arguments(part, "this", "desc", "nulls_first")
            at = find_output(part.this, items)
            if at is None and is_limited:
                raise UnsupportedError("ORDER BY names no column of the result")
            term = items[at].term if at is not None else expressions.translate(part.this)
            check_comparable([term.kind], "ORDER BY")
            if at is None and isinstance(part.this, exp.Literal):
                raise UnsupportedError("ORDER BY has a literal")
            sql = str(at + 1) if at is not None else term.sql
            nulls = "FIRST" if part.args.get("nulls_first") else "LAST"
            keys.append(f"{sql} {'DESC' if part.args.get('desc') else 'ASC'} NULLS {nulls}")
        return f" ORDER BY {', '.join(keys)}"

    @staticmethod
    def _reject(_: exp.Expr) -> Relation:
        raise UnsupportedError("ORDER BY of a UNION has a subquery")
