"""Creates the views for analysts, as SQL over the tables at their paths."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException, ParseException

from jobs.errors import UsageError, first_line
from jobs.lake.quoting import quote_name, quote_text
from jobs.views.queries import read_views

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.lake.lake import Lake


_IN_MEMORY = "in-memory"


@dataclass(frozen=True)
class ViewLocation:
    """Where views are created. None means the default of the session.

    Attributes:
        catalog: name of a catalog, for example spark_catalog or a Unity catalog.
        schema: name of a schema; created if missing.
    """

    catalog: str | None = None
    schema: str | None = None

    def qualify(self, name: str) -> str:
        """Return the quoted, qualified name of a view."""
        return ".".join(quote_name(part) for part in (self.catalog, self.schema, name) if part)


def create_views(lake: Lake, location: ViewLocation) -> list[str]:
    """Create persistent views over the tables' paths and return their names. Runs on: driver.

    Raises:
        UsageError: the session's catalog is in memory, does not have this location, or cannot store views.
    """
    spark = lake.spark
    if location.catalog in {None, "spark_catalog"} and spark.conf.get("spark.sql.catalogImplementation") == _IN_MEMORY:
        raise UsageError(
            "the catalog of the session is in memory and would lose the views; run this by spark-submit with a "
            "persistent catalog (Hive: --conf spark.sql.catalogImplementation=hive), or pass --print to get the SQL"
        )
    try:
        for statement in make_statements(lake.root, location):
            spark.sql(statement)
    except (AnalysisException, ParseException) as error:
        raise UsageError(f"the views could not be created: {first_line(error.getMessage())}") from error
    return [location.qualify(view.name) for view in read_views()]


def make_statements(root: str, location: ViewLocation) -> list[str]:
    """Return the SQL statements that create the schema, if one is named, and the views."""
    statements = []
    if location.schema:
        statements.append(f"CREATE SCHEMA IF NOT EXISTS {ViewLocation(location.catalog).qualify(location.schema)}")
    for view in read_views():
        query = view.write(lambda table: f"delta.{quote_name(f'{root}/{table}')}")
        statements.append(
            f"CREATE OR REPLACE VIEW {location.qualify(view.name)}\nCOMMENT {quote_text(view.grain)} AS\n{query}"
        )
    return statements


def add_temp_views(spark: SparkSession, query: str, tables: set[str]) -> None:
    """Create a temporary view for each view that a query may name and whose tables exist.

    Runs on: driver.
    """
    for view in read_views():
        if re.search(rf"\b{view.name}\b", query, re.IGNORECASE) and view.tables <= tables:
            spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {view.name} AS {view.write(str)}")
