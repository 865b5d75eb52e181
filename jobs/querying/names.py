"""Names of the columns of a result that a statement does not name, as Spark makes them."""

from __future__ import annotations

from sqlglot import exp

_FUNCTIONS: dict[type[exp.Expression], str] = {exp.Count: "count", exp.Sum: "sum", exp.Max: "max", exp.Min: "min"}


def name_column(node: exp.Expression) -> str:
    """Return Spark's name of a column of the result; empty if the rule of this name is not known."""
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier):
        return node.name
    if isinstance(node, exp.Literal) and node.name.isdigit() and not node.is_string:
        return node.name
    function = _FUNCTIONS.get(type(node))
    if function is not None:
        argument, prefix = node.this, ""
        if isinstance(argument, exp.Distinct) and len(argument.expressions) == 1:
            argument, prefix = argument.expressions[0], "DISTINCT "
        if isinstance(argument, exp.Star):
            return "count(1)"
        if isinstance(argument, exp.Column) and isinstance(argument.this, exp.Identifier):
            return f"{function}({prefix}{argument.name})"
    return ""
