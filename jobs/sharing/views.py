"""Creates the views for analysts: each is defined once, as SQL over the tables at their paths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException, ParseException

from jobs.errors import UsageError, first_line
from jobs.lake.quoting import quote_name, quote_text
from jobs.sharing.view_queries import read_views

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from jobs.lake.lake import Lake
    from jobs.sharing.view_queries import View


_IN_MEMORY = "in-memory"


@dataclass(frozen=True)
class Place:
    """Where views are created; what is None is the session's own.

    Attributes:
        catalog: for example Unity's, or spark_catalog.
        schema: made if it is not there.
    """

    catalog: str | None = None
    schema: str | None = None

    def qualify(self, name: str) -> str:
        """Return the name of a view with what is before it, quoted."""
        return ".".join(quote_name(part) for part in (self.catalog, self.schema, name) if part)


def create_views(lake: Lake, place: Place) -> list[str]:
    """Create the views as persistent ones over the tables' paths; return their names. Runs on: driver.

    Raises:
        UsageError: the session's catalogue would forget them, has no such place, or keeps no views.
    """
    spark = lake.spark
    if place.catalog in {None, "spark_catalog"} and spark.conf.get("spark.sql.catalogImplementation") == _IN_MEMORY:
        raise UsageError(
            "the session's catalogue is in memory and would forget the views: start this by spark-submit with a "
            "catalogue (Hive: --conf spark.sql.catalogImplementation=hive), or --print the SQL"
        )
    try:
        for statement in make_statements(lake.root, place):
            spark.sql(statement)
    except (AnalysisException, ParseException) as error:
        raise UsageError(f"the views cannot be created: {first_line(error.getMessage())}") from error
    return [place.qualify(view.name) for view in read_views()]


def make_statements(root: str, place: Place) -> list[str]:
    """Write the statements that create the schema, if one is named, and the views."""
    statements = []
    if place.schema:
        statements.append(f"CREATE SCHEMA IF NOT EXISTS {Place(place.catalog).qualify(place.schema)}")
    for view in read_views():
        query = write_query(view, lambda table: f"delta.{quote_name(f'{root}/{table}')}")
        statements.append(
            f"CREATE OR REPLACE VIEW {place.qualify(view.name)}\nCOMMENT {quote_text(view.grain)} AS\n{query}"
        )
    return statements


def add_temp_views(spark: SparkSession, query: str, tables: set[str]) -> None:
    """Make a temporary view of each view that a query may name, where its tables have views of their names.

    Runs on: driver.
    """
    for view in read_views():
        if re.search(rf"\b{view.name}\b", query, re.IGNORECASE) and view.tables <= tables:
            spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {view.name} AS {write_query(view, str)}")


def write_query(view: View, name_table: Callable[[str], str]) -> str:
    """Write the query of a view with the names that its tables have."""
    return view.query.format_map({table: name_table(table) for table in view.tables})
