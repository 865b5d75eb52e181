"""What every run does around its work: a log, a session, tables, claims, and a record of how it ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from jobs.contracts.run_log import log
from jobs.engine.claims import Claims
from jobs.errors import NdvrError
from jobs.lake.lake import Lake
from jobs.lake.session import named_jobs, start_session
from jobs.pipeline import NIGHTLY_TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console

    from jobs.config.operation import SparkConfig
    from jobs.contracts.run import Run
    from jobs.contracts.table import Table
    from jobs.lake.run_logs import RunLogs

_NUM_TABLES_AT_ONCE = 4  # opening a table is mostly waiting for the driver's planner and for the file system


def open_lake_for_run(
    app_name: str, uris: Sequence[str], settings: SparkConfig, logs: RunLogs, master: str | None, console: Console
) -> Lake:
    """Start the session of a run, with a status line at a terminal, and return its lake. Runs on: driver.

    Args:
        app_name: name in Spark's UI.
        uris: absolute path or URI of the lake, then of the manifest if the run reads one.
        settings: packages and properties of the operator.
        logs: files for the output of the JVM and for the log.
        master: Spark master, or None for the default.
        console: console of the person who waits.
    """
    with console.status("starting Spark"):
        spark = start_session(
            app_name, *uris, settings=settings, master=master, spark_log=logs.spark, writes_archive=True
        )
    logs.open_lake(spark)
    return Lake(spark, uris[0])


@contextmanager
def recorded(lake: Lake, run: Run, record: Callable[[BaseException | None], None]) -> Iterator[Claims]:
    """Create the tables, yield the claims of the run, and record how the block ends. Runs on: driver.

    The run is recorded whether the block succeeds or fails. Afterwards its claims and its staging area no longer exist.

    Args:
        lake: lake of the run.
        run: identity and settings.
        record: writes the rows of the run into `runs`, given the error that ended the block or None.
    """
    claims = Claims(lake, run)
    try:
        _create_tables(lake, run)
        yield claims
    except BaseException as error:
        with suppress(NdvrError, PySparkException, Py4JError, OSError):  # what broke the run may also break its record
            record(error)
        raise
    finally:
        claims.close()
        lake.clear_staging(run)
    record(None)
    log.info("run recorded")


def _create_tables(lake: Lake, run: Run) -> None:
    """Create the tables that do not exist and check the others, several at once."""

    def create(table: Table) -> None:
        with named_jobs(lake.spark, run, f"open {table.name}"):  # in each thread, because job names belong to a thread
            lake.create(table)

    with ThreadPoolExecutor(_NUM_TABLES_AT_ONCE) as pool:
        list(pool.map(create, NIGHTLY_TABLES))
    log.info("tables opened", num_tables=len(NIGHTLY_TABLES))
