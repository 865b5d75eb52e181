"""Translates expressions of Spark SQL into the SQL of DuckDB, where both have the same value.

Every kind of node is translated by a function of its own, which checks types and arguments. All others are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from jobs.querying.aggregates import AGGREGATES
from jobs.querying.conditions import CONDITIONS
from jobs.querying.functions import FUNCTIONS, translate_named
from jobs.querying.kinds import BOOLEAN, DATE, TIMESTAMP, UnsupportedError, unify
from jobs.querying.scope import Relation, Scope, Term, check_arguments
from jobs.querying.terms import DAY, MOMENT, convert, join_terms, make_time
from jobs.querying.values import VALUES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from jobs.querying.kinds import Kind

_NODES = VALUES | CONDITIONS | FUNCTIONS | AGGREGATES


class Expressions:
    """Translates the expressions of one SELECT.

    Args:
        scope: the names that they may use.
        translate_subquery: translates a query that uses no column of the outer one.
        now: time of the statement.
    """

    def __init__(self, scope: Scope, translate_subquery: Callable[[exp.Expr], Relation], now: datetime) -> None:
        self.scope = scope
        self.now = now
        self.translate_subquery = translate_subquery

    def translate(self, node: exp.Expression) -> Term:
        """Translate an expression.

        Raises:
            UnsupportedError: DuckDB might give another value than Spark.
        """
        known = _NODES.get(type(node))
        if known is not None:
            return known(self, node)
        if isinstance(node, exp.Anonymous):
            return translate_named(self, node)
        raise UnsupportedError(f"{node.sql('spark')[:60]} is not translated ({type(node).__name__})")

    def translate_all(self, nodes: list[exp.Expression]) -> tuple[list[Term], Kind]:
        """Translate expressions and convert them to their common type."""
        terms = [self.translate(node) for node in nodes]
        kind = self._unify_with_texts(nodes, terms)
        return [convert(term, kind) for term in terms], kind

    def translate_as(self, node: exp.Expression, *kinds: Kind) -> Term:
        """Translate an expression that must have one of these types.

        Raises:
            UnsupportedError: it has another type.
        """
        term = self.translate(node)
        if term.kind not in kinds:
            raise UnsupportedError(f"{node.sql('spark')[:60]} is of type {term.kind}")
        return term

    def translate_aggregated(self, node: exp.Expression) -> Term:
        """Translate the argument of an aggregate function, which must not contain another one.

        Raises:
            UnsupportedError: it contains one.
        """
        term = self.translate(node)
        if term.is_aggregated:
            raise UnsupportedError("an aggregate function contains another one")
        return term

    def _unify_with_texts(self, nodes: list[exp.Expression], terms: list[Term]) -> Kind:
        """Return the common type. A text that is written as a time is one if it meets times."""
        kinds = [term.kind for term in terms]
        for kind, pattern in ((TIMESTAMP, MOMENT), (DATE, DAY)):
            if kind not in kinds:
                continue
            for at, node in enumerate(nodes):
                if isinstance(node, exp.Literal) and node.is_string:
                    terms[at] = make_time(node.name, kind, pattern)
                elif kind == TIMESTAMP and kinds[at] == DATE:
                    terms[at] = Term(f"CAST({terms[at].sql} AS {kind.duckdb})", kind, terms[at].is_aggregated)
            return unify([term.kind for term in terms])
        return unify(kinds)

    def translate_condition(self, node: exp.Expression) -> Term:
        """Translate the condition of WHERE, whose parts may be `value IN (query)` and its negation."""
        if isinstance(node, exp.And):
            check_arguments(node, "this", "expression")
            parts = [self.translate_condition(part) for part in (node.this, node.expression)]
            return join_terms(" AND ", parts, BOOLEAN)
        if isinstance(node, exp.Paren):
            check_arguments(node, "this")
            return self.translate_condition(node.this)
        compared = node.this if isinstance(node, exp.Not) else node
        if isinstance(compared, exp.In) and compared.args.get("query") is not None:
            return self._translate_in_query(compared, "NOT IN" if isinstance(node, exp.Not) else "IN")
        return self.translate_as(node, BOOLEAN)

    def _translate_in_query(self, node: exp.Expression, word: str) -> Term:
        """Translate IN or NOT IN with a query of one column."""
        check_arguments(node, "this", "query")
        check_arguments(node.args["query"], "this")
        term, relation = self.translate(node.this), self.translate_subquery(node.args["query"].this)
        if len(relation.columns) != 1 or relation.columns[0].kind != term.kind or term.kind.is_nested:
            raise UnsupportedError("IN compares values of two types")
        return Term(f"({term.sql} {word} (SELECT * FROM {relation.sql}))", BOOLEAN)
