"""The translation refuses what it does not know, and says why."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from jobs.querying.kinds import BINARY, BOOLEAN, DATE, DOUBLE, FLOAT, INT, STRING, TIMESTAMP, Kind, UnsupportedError
from jobs.querying.parsing import parse_query
from jobs.querying.queries import Queries
from jobs.querying.scope import Column, Relation

KINDS = {
    "t": STRING,
    "u": STRING,
    "i": INT,
    "d": DOUBLE,
    "f": FLOAT,
    "b": BOOLEAN,
    "day": DATE,
    "at": TIMESTAMP,
    "raw": BINARY,
    "m": Kind("map", (STRING, STRING)),
}


def translate(query: str) -> Relation:
    columns = tuple(Column(name, kind, name) for name, kind in KINDS.items())

    def find(name: str) -> Relation:
        if name not in {"x", "y"}:
            raise UnsupportedError(f"{name} is not a table or view of the lake")
        return Relation(f"{name}_rows", columns)

    return Queries(find, datetime(2026, 1, 2, tzinfo=UTC)).translate(parse_query(query))


def test_columns_have_the_names_and_types_of_spark() -> None:
    relation = translate(
        "SELECT count(*), sum(i), max(t), i / 2 AS half, m['k'] AS v, d + 1 AS e, 7 FROM x GROUP BY ALL"
    )
    assert [(column.name, str(column.kind)) for column in relation.columns] == [
        ("count(1)", "bigint"),
        ("sum(i)", "bigint"),
        ("max(t)", "string"),
        ("half", "double"),
        ("v", "string"),
        ("e", "double"),
        ("7", "int"),
    ]


def test_nulls_are_ordered_as_spark_orders_them() -> None:
    assert translate("SELECT t FROM x ORDER BY t, i DESC").sql.endswith(
        'ORDER BY 1 ASC NULLS FIRST, "x"."i" DESC NULLS LAST)'
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT nope FROM x", "nope is not the name of one column"),
        ("SELECT T FROM x", "T is not the name of one column"),
        ("SELECT x.t FROM x AS z", "t is not the name of one column"),
        ("SELECT t FROM x JOIN y ON x.i = y.i", "t is not the name of one column"),
        ("SELECT 1 FROM nowhere", "nowhere is not a table or view of the lake"),
        ("SELECT 1 FROM X", "X is not in lower case"),
        ("SELECT 1 FROM x JOIN x ON true", "two relations are called x"),
        ("SELECT * FROM (SELECT t, t FROM x)", "two columns have one name"),
        ("SELECT * FROM (SELECT lower(t) FROM x)", "a column has no alias"),
        ("SELECT 1 FROM x TABLESAMPLE (5 ROWS)", "Table has sample"),
        ("SELECT 1 FROM x, y RIGHT JOIN x AS z ON true", "a comma, or CROSS JOIN, is combined with an outer join"),
        ("SELECT 1 FROM x LEFT ANTI JOIN y", "a join needs ON or USING, except CROSS JOIN"),
        ("SELECT 1 FROM x NATURAL JOIN y", "Join has method"),
        ("SELECT 1 FROM x FULL JOIN y USING (t)", "FULL JOIN has USING"),
        ("SELECT 1 FROM x JOIN (SELECT 1 AS t) y USING (t)", "USING names t, which the sides do not share"),
        ("SELECT y.* FROM x JOIN y USING (t)", r"y\.\* is not translated"),
        ("SELECT *", "a star without FROM"),
        ("SELECT t FROM x WHERE count(*) > 1", "WHERE contains an aggregate function"),
        ("SELECT sum(max(i)) AS s FROM x", "an aggregate function contains another one"),
        ("SELECT u AS t, count(*) FROM x GROUP BY t", "t is a column and an alias"),
        ("SELECT 1 FROM x GROUP BY 'k'", "GROUP BY has a literal"),
        ("SELECT count(*) FROM x GROUP BY ALL", "GROUP BY has an aggregate function, or nothing"),
        ("SELECT t FROM x GROUP BY 2", "there is no column 2"),
        ("SELECT DISTINCT t FROM x ORDER BY i", "ORDER BY names no column of the result"),
        ("SELECT t FROM x ORDER BY 'k'", "ORDER BY has a literal"),
        ("SELECT m FROM x ORDER BY m", r"ORDER BY compares values of type map<string,string>"),
        ("SELECT DISTINCT raw FROM x", "DISTINCT compares values of type binary"),
        ("SELECT f FROM x GROUP BY f", "GROUP BY compares values of type float"),
        ("SELECT t FROM x LIMIT 1 + 1", "limit is not a literal"),
        ("SELECT 1 UNION SELECT 1, 2", "the sides of UNION have different numbers of columns"),
        ("SELECT 1 UNION SELECT 'a'", "values of the types int and string meet"),
        ("SELECT 1 EXCEPT SELECT 2", "Except is not a SELECT"),
        ("SELECT t = 1 AS v FROM x", "values of the types int and string meet"),
        ("SELECT raw = raw AS v FROM x", "values of type binary are compared"),
        ("SELECT i + 1.5 AS v FROM x", "values of the types decimal and int meet"),
        ("SELECT 1.5 + 1.5 AS v", "a decimal is calculated with"),
        ("SELECT t + u AS v FROM x", "values of type string are added"),
        ("SELECT d % 2 AS v FROM x", "the remainder of values of type double"),
        ("SELECT t LIKE u AS v FROM x", "the pattern of LIKE is not a literal"),
        ("SELECT i IN (SELECT i FROM y) AS v FROM x", "In has query"),
        ("SELECT t FROM x WHERE t IN (SELECT i FROM y)", "IN compares values of two types"),
        ("SELECT t FROM x WHERE i", "i is of type int"),
        ("SELECT at > '2026-1-2' AS v FROM x", "'2026-1-2' is not a plain time"),
        ("SELECT at > '2026-02-30' AS v FROM x", "'2026-02-30' is no time"),
        ("SELECT CAST(t AS INT) AS v FROM x", "a cast from string to int"),
        ("SELECT CAST(i AS DECIMAL(9, 2)) AS v FROM x", r"a cast to DECIMAL\(9, 2\)"),
        ("SELECT 99999999999999999999 AS v", "the number 99999999999999999999 is not translated"),
        ("SELECT i IS DISTINCT FROM NULL AND b IS 1 AS v FROM x", "is not parsed|is not translated"),
        ("SELECT i['k'] AS v FROM x", "is not the value of a map"),
        ("SELECT (SELECT t, u FROM x) AS v", "a query in an expression has several columns"),
        ("SELECT count(DISTINCT t, u) AS v FROM x", r"count\(DISTINCT\) has several arguments"),
        ("SELECT count(DISTINCT m) AS v FROM x", "values of type map<string,string> are compared"),
        ("SELECT sum(t) AS v FROM x", "the sum of values of type string"),
        ("SELECT avg(t) AS v FROM x", "the mean of values of type string"),
        ("SELECT max(m) AS v FROM x", "the greatest of values of type map<string,string>"),
        ("SELECT max_by(t, m) AS v FROM x", "rows are ordered by values of type map<string,string>"),
        ("SELECT greatest(m, m) AS v FROM x", "the greatest of values of type map<string,string>"),
        ("SELECT size(t) AS v FROM x", "the size of a value of type string"),
        ("SELECT count_if(i) AS v FROM x", "count_if of values of type int"),
        ("SELECT round(d, i) AS v FROM x", "the number of digits of round is not a small literal"),
        ("SELECT substring(t, 0) AS v FROM x", "the bounds of substring are not positive literals"),
        ("SELECT date_trunc('decade', at) AS v FROM x", "times are truncated to DECADE"),
        ("SELECT aggregate(map_values(m), 0L, (a, b) -> b) AS v FROM x", "aggregate is more than a sum of a list"),
        ("SELECT map_values(t) AS v FROM x", "map_values of a value of type string"),
        ("SELECT sha2(t, 256) AS v FROM x", "is not translated"),
        ("SELECT nonsense(t) AS v FROM x", "the function nonsense is not translated"),
        ("SELECT row_number() OVER (ORDER BY t) AS v FROM x", "is not translated"),
    ],
)
def test_what_is_not_known_is_refused(query: str, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        translate(query)
