"""Creates the views for analysts in a catalog, over the tables at their paths or over tables that it registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException, ParseException

from jobs.errors import UsageError, first_line
from jobs.lake.location import absolute
from jobs.lake.quoting import quote_name, quote_text
from jobs.views.queries import read_views

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.views.queries import View


_DEFAULT_CATALOG = "spark_catalog"
_IN_MEMORY = "in-memory"
_OWN = "ndvr.view"
"""Property of the views that `create_views` creates, by which a later call recognises them."""


@dataclass(frozen=True)
class CatalogLocation:
    """Where views are created and tables registered. None means the default of the session.

    Attributes:
        catalog: name of a catalog, for example spark_catalog or a Unity catalog.
        schema: name of a schema; created if missing.
    """

    catalog: str | None = None
    schema: str | None = None

    def qualify(self, name: str) -> str:
        """Return the quoted, qualified name of a view or table."""
        return ".".join(quote_name(part) for part in (self.catalog, self.schema, name) if part)


@dataclass(frozen=True)
class CatalogEntries:
    """What is created in a catalog.

    Attributes:
        root: path or URI of the lake.
        location: where the views are created.
        registered: names of the tables that are registered beside the views. The views read these by name, and all
            others by path. A location with registered tables needs a schema: in a session, the name of a table alone
            means its temporary view.
    """

    root: str
    location: CatalogLocation
    registered: tuple[str, ...] = ()

    @property
    def view_names(self) -> list[str]:
        """The quoted, qualified names of the views."""
        return [self.location.qualify(view.name) for view in storable_views()]

    @property
    def table_names(self) -> list[str]:
        """The quoted, qualified names of the registered tables."""
        return [self.location.qualify(table) for table in self.registered]

    def path(self, table: str) -> str:
        """Return the path of a table."""
        return f"{self.root}/{table}"

    def statements(self) -> list[str]:
        """Return the SQL statements that create the schema, if one is named, the tables and the views."""
        written = []
        if self.location.schema:
            schema = CatalogLocation(self.location.catalog).qualify(self.location.schema)
            written.append(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for table, name in zip(self.registered, self.table_names, strict=True):
            written.append(f"CREATE TABLE IF NOT EXISTS {name} USING DELTA LOCATION {quote_text(self.path(table))}")
        for view, name in zip(storable_views(), self.view_names, strict=True):
            written.append(
                f"CREATE OR REPLACE VIEW {name}\nCOMMENT {quote_text(view.grain)}\n"
                f"TBLPROPERTIES ({quote_text(_OWN)} = 'true') AS\n{view.write(self._name_in_query)}"
            )
        return written

    def _name_in_query(self, table: str) -> str:
        """Return the name by which a view reads a table."""
        return self.location.qualify(table) if table in self.registered else f"delta.{quote_name(self.path(table))}"


def create_entries(spark: SparkSession, entries: CatalogEntries, *, is_replacing: bool = False) -> list[str]:
    """Register the tables, create persistent views, and return the names of both. Runs on: driver.

    Views that an earlier call created are replaced. Tables that are registered already remain as they are.

    Args:
        spark: the session.
        entries: what is created.
        is_replacing: whether other views with these names are replaced too. Tables never are.

    Raises:
        UsageError: the session's catalog is in memory, does not have this location, cannot store views, or has other
            tables or views with these names.
    """
    catalog = entries.location.catalog
    if catalog in {None, _DEFAULT_CATALOG} and spark.conf.get("spark.sql.catalogImplementation") == _IN_MEMORY:
        raise UsageError(
            "the catalog of the session is in memory and would lose the views; name a persistent catalog in spark.conf "
            "(Hive: spark.sql.catalogImplementation: hive), or pass --print to get the SQL"
        )
    try:
        foreign = find_foreign_tables(spark, entries)
        if foreign:
            raise UsageError(
                f"nothing was created: {', '.join(foreign)} already exist, and they are not the tables of "
                f"{entries.root!r}; choose another --schema, or drop them"
            )
        foreign = [] if is_replacing else find_foreign_views(spark, entries)
        if foreign:
            raise UsageError(
                f"nothing was created: {', '.join(foreign)} already exist, and ndvr did not create them; choose "
                "another --schema, or pass --replace to replace views with these names"
            )
        for statement in entries.statements():
            spark.sql(statement)
    except (AnalysisException, ParseException) as error:
        raise UsageError(f"the views could not be created: {first_line(error.getMessage())}") from error
    return [*entries.table_names, *entries.view_names]


def find_foreign_tables(spark: SparkSession, entries: CatalogEntries) -> list[str]:
    """Return the names of registered tables that belong to something else than this lake. Runs on: driver."""
    foreign = []
    for table, name in zip(entries.registered, entries.table_names, strict=True):
        if spark.catalog.tableExists(name):
            found = spark.sql(f"DESCRIBE TABLE EXTENDED {name}").where("col_name = 'Location'").collect()
            if [absolute(row["data_type"]) for row in found] != [entries.path(table)]:
                foreign.append(name)
    return foreign


def find_foreign_views(spark: SparkSession, entries: CatalogEntries) -> list[str]:
    """Return the names of views and tables that exist and that this module did not create. Runs on: driver."""
    foreign = []
    for name in entries.view_names:
        if spark.catalog.tableExists(name):
            properties = {row["key"] for row in spark.sql(f"SHOW TBLPROPERTIES {name}").collect()}
            if _OWN not in properties:
                foreign.append(name)
    return foreign


def storable_views() -> list[View]:
    """Return the views that a catalog can store."""
    return [view for view in read_views() if view.is_storable]
