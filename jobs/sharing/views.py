"""Creates the views for analysts, as SQL over the tables at their paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException, ParseException

from jobs.errors import UsageError, first_line
from jobs.lake.quoting import quote_name, quote_text
from jobs.views.queries import read_views

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.lake.lake import Lake
    from jobs.views.queries import View


_IN_MEMORY = "in-memory"
_OWN = "ndvr.view"
"""Property of the views that `create_views` creates, by which a later call recognises them."""


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


def create_views(lake: Lake, location: ViewLocation, *, is_replacing: bool = False) -> list[str]:
    """Create persistent views over the tables' paths and return their names. Runs on: driver.

    Views that an earlier call created are replaced.

    Args:
        lake: the lake.
        location: where the views are created.
        is_replacing: whether other views with these names are replaced too.

    Raises:
        UsageError: the session's catalog is in memory, does not have this location, cannot store views, or has other
            tables or views with these names.
    """
    spark = lake.spark
    if location.catalog in {None, "spark_catalog"} and spark.conf.get("spark.sql.catalogImplementation") == _IN_MEMORY:
        raise UsageError(
            "the catalog of the session is in memory and would lose the views; run this by spark-submit with a "
            "persistent catalog (Hive: --conf spark.sql.catalogImplementation=hive), or pass --print to get the SQL"
        )
    names = [location.qualify(view.name) for view in storable_views()]
    try:
        foreign = [] if is_replacing else find_foreign(spark, names)
        if foreign:
            raise UsageError(
                f"nothing was created: {', '.join(foreign)} already exist, and ndvr did not create them; choose "
                "another --schema, or pass --replace to replace views with these names"
            )
        for statement in make_statements(lake.root, location):
            spark.sql(statement)
    except (AnalysisException, ParseException) as error:
        raise UsageError(f"the views could not be created: {first_line(error.getMessage())}") from error
    return names


def find_foreign(spark: SparkSession, names: list[str]) -> list[str]:
    """Return the names of existing tables and views that this module did not create. Runs on: driver.

    Args:
        spark: the session.
        names: quoted, qualified names.
    """
    foreign = []
    for name in names:
        if spark.catalog.tableExists(name):
            properties = {row["key"] for row in spark.sql(f"SHOW TBLPROPERTIES {name}").collect()}
            if _OWN not in properties:
                foreign.append(name)
    return foreign


def storable_views() -> list[View]:
    """Return the views that a catalog can store."""
    return [view for view in read_views() if view.is_storable]


def make_statements(root: str, location: ViewLocation) -> list[str]:
    """Return the SQL statements that create the schema, if one is named, and the views that a catalog can store."""
    statements = []
    if location.schema:
        statements.append(f"CREATE SCHEMA IF NOT EXISTS {ViewLocation(location.catalog).qualify(location.schema)}")
    for view in storable_views():
        query = view.write(lambda table: f"delta.{quote_name(f'{root}/{table}')}")
        statements.append(
            f"CREATE OR REPLACE VIEW {location.qualify(view.name)}\nCOMMENT {quote_text(view.grain)}\n"
            f"TBLPROPERTIES ({quote_text(_OWN)} = 'true') AS\n{query}"
        )
    return statements
