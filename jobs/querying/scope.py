"""Names that an expression may use: columns of the relations in FROM, and aliases of the select list."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from jobs.querying.kinds import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from sqlglot import exp

    from jobs.querying.kinds import Kind


class Term(NamedTuple):
    """An expression in the SQL of DuckDB.

    Attributes:
        sql: in parentheses where its parts could be read otherwise.
        kind: its type in Spark.
        is_aggregated: whether it contains an aggregate function.
    """

    sql: str
    kind: Kind
    is_aggregated: bool = False


class Translator(Protocol):
    """What the translation of a function needs; see `jobs.querying.expressions.Expressions`."""

    scope: Scope
    now: datetime
    translate_subquery: Callable[[exp.Expr], Relation]

    def translate(self, node: exp.Expression) -> Term:
        """Translate an expression."""

    def translate_all(self, nodes: list[exp.Expression]) -> tuple[list[Term], Kind]:
        """Translate expressions and convert them to their common type."""

    def translate_as(self, node: exp.Expression, *kinds: Kind) -> Term:
        """Translate an expression that must have one of these types."""

    def translate_aggregated(self, node: exp.Expression) -> Term:
        """Translate the argument of an aggregate function."""


class Column(NamedTuple):
    """A column of a relation.

    Attributes:
        name: its name; empty if the statement gives none and Spark's rule for it is not known.
        kind: its type in Spark.
        stored: its name in the SQL of the relation.
        comment: its comment in the table; None without one.
    """

    name: str
    kind: Kind
    stored: str
    comment: str | None = None


class Relation(NamedTuple):
    """A query in the SQL of DuckDB.

    Attributes:
        sql: an item of FROM, without an alias.
        columns: its columns.
    """

    sql: str
    columns: tuple[Column, ...]


@dataclass
class Scope:
    """The columns of FROM, in the order of `SELECT *`.

    Attributes:
        sources: alias -> columns of each relation.
        shown: (alias, column) in the order of `SELECT *`; a column of USING is there once.
        aliases: alias of the select list -> its expression.
        hidden: names of columns, in lower case, that are aliases of other expressions too.
        is_joined_by_name: whether a join has USING, which changes what `alias.*` means.
    """

    sources: dict[str, tuple[Column, ...]] = field(default_factory=dict)
    shown: list[tuple[str, Column]] = field(default_factory=list)
    aliases: dict[str, Term] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    is_joined_by_name: bool = False

    def add(self, alias: str, columns: Iterable[Column], *, is_shown: bool = True) -> None:
        """Add a relation.

        Raises:
            UnsupportedError: another relation has the alias.
        """
        if alias.lower() in {known.lower() for known in self.sources}:
            raise UnsupportedError(f"two relations are called {alias}")
        self.sources[alias] = tuple(columns)
        if is_shown:
            self.shown += [(alias, column) for column in self.sources[alias]]

    def find(self, name: str, qualifier: str = "") -> tuple[str, Column]:
        """Return the alias of the relation and the column that a name means.

        Raises:
            UnsupportedError: no column, or more than one, has exactly this name. Spark ignores case and knows fields of
                structs, so it may still find one.
        """
        of_qualifier = [(qualifier, column) for column in self.sources.get(qualifier, ())]
        listed = of_qualifier if qualifier else self.shown
        found = [(alias, column) for alias, column in listed if column.name.lower() == name.lower()]
        if len(found) != 1 or found[0][1].name != name:
            raise UnsupportedError(f"{name} is not the name of one column")
        return found[0]

    def find_alias(self, name: str) -> Term | None:
        """Return the expression of the select list that a name without a qualifier means; None if it is a column.

        Raises:
            UnsupportedError: the name is an alias and a column. It depends on the clause which one Spark chooses.
        """
        if name.lower() in self.hidden:
            raise UnsupportedError(f"{name} is a column and an alias")
        return self.aliases.get(name)


def quote(name: str) -> str:
    """Quote an identifier of DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def check_arguments(node: exp.Expression, *allowed: str) -> None:
    """Check that a part of a statement has no other arguments than those that the caller translates.

    Raises:
        UnsupportedError: it has others.
    """
    for name, value in node.args.items():
        if name not in allowed and value not in (None, False, []):
            raise UnsupportedError(f"{type(node).__name__} has {name.rstrip('_')}")


def check_names(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return the columns of a relation of which each needs a name.

    Raises:
        UnsupportedError: two names are equal, or differ only in case; or a column has no known name.
    """
    checked = tuple(columns)
    if not all(column.name for column in checked):
        raise UnsupportedError("a column has no alias")
    if len({column.name.lower() for column in checked}) < len(checked):
        raise UnsupportedError("two columns have one name")
    return checked
