"""Creates the Spark session, with the settings that Delta and large rows need."""

from __future__ import annotations

import locale
import logging
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyspark import SparkContext, TaskContext
from pyspark.logger import PySparkLogger
from pyspark.resource import ResourceProfileBuilder, TaskResourceRequests

from jobs.config.operation import SparkConfig
from jobs.contracts.run_log import log
from jobs.lake.class_archive import ClassArchives
from jobs.lake.connectors import choose_connectors
from jobs.lake.jars import PACKAGES, join_list
from jobs.lake.launch import launch_spark, start
from jobs.lake.spark_installation import is_submitted
from jobs.lake.stores import open_stores
from jobs.lake.worker_path import share_import_path
from jobs.signals import cancel_with

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pyspark.resource import ResourceProfile
    from pyspark.sql import SparkSession

    from jobs.contracts.run import Run

# A session needs these to read or write the tables.
_REQUIRED = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # Python workers read file names as UTF-8 in every locale of their machine.
    "spark.executorEnv.PYTHONUTF8": "1",
}
# Set if this process starts the JVM itself and spark-defaults.conf does not set them; under spark-submit the operator
# chooses them.
_LAUNCH = {
    "spark.driver.memory": "4g",
    # The JVM plans and moves rows for about a minute. In a run with nothing new, its second compiler took 40 % of the
    # CPU time; it pays off only from a million videos upwards. extraJavaOptions override this. Without that compiler
    # the default code cache is 48 MB, which two minutes of Spark fill.
    "spark.driver.defaultJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
# All cores of this machine; a task whose worker is killed is retried up to 4 times, as on a cluster.
_LOCAL = "local[*,4]"
# Set unless the operator has set them; each can be changed in a running session.
_DEFAULTS = {
    "spark.sql.session.timeZone": "UTC",
    # By default Parquet files have INT96 times, which other readers take for times without an offset.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # The tables are small: Delta's default of 50 tasks a snapshot costs more than the work itself.
    "spark.databricks.delta.snapshotPartitions": "2",
    # Arrow and column batches are sized in rows, and one row may hold the frame descriptors of hours of video.
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "512",
    "spark.sql.parquet.columnarReaderBatchSize": "16",
    # By default Parquet checks the size of its buffers after 100 rows, which may be gigabytes here.
    "parquet.page.size.row.check.min": "1",
    "parquet.page.size.row.check.max": "16",
    "parquet.block.size.row.check.min": "1",
}
# The JVM reads and writes file names in the character set of its locale, and replaces other characters by `?`.
_UTF8_LOCALE = "C.UTF-8"
_MIN_SHUFFLE_PARTITIONS = 4
# Local properties that setJobGroup sets.
_JOB_PROPERTIES = ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel")
# They print the error of every query with its Java stack to the terminal before it is raised.
_QUERY_LOGGERS = ("DataFrameQueryContextLogger", "SQLQueryContextLogger")


def start_session(
    app_name: str,
    *uris: str,
    settings: SparkConfig | None = None,
    master: str | None = None,
    conf: Mapping[str, str] | None = None,
    spark_log: Path | None = None,
    writes_archive: bool = False,
) -> SparkSession:
    """Return the session of this process; the first call creates it. Runs on: driver.

    Args:
        app_name: shown in Spark's UI and history.
        uris: the lake and the manifest, absolute. Their stores are opened, so that a fault of their set-up is reported
            before any work starts.
        settings: packages and properties of the operator; None adds none.
        master: Spark master; None uses that of spark-submit, else all cores of this machine.
        conf: properties that override the defaults of ndvr.
        spark_log: file for the output of the JVM; None keeps it in memory, for messages about errors.
        writes_archive: whether the JVM stores its classes when this process ends (`jobs.lake.class_archive`).

    Raises:
        RuntimeError: called on an executor.
        UsageError: the set-up of this machine prevents the start, or a store cannot be opened.
        NdvrError: Spark does not start for another reason.
    """
    if TaskContext.get() is not None:
        raise RuntimeError("start_session runs on the driver only; an executor has no session")
    connectors = choose_connectors(uris)
    settings = settings or SparkConfig()
    given = (
        {"spark.app.name": app_name}
        | {key: value.get_secret_value() for key, value in settings.conf.items()}
        | dict(conf or {})
    )
    if settings.packages:
        given[PACKAGES] = join_list(given.get(PACKAGES), settings.packages)
    if is_submitted() or SparkContext._active_spark_context is not None:  # noqa: SLF001 - getActiveSession may start Spark Connect
        spark = start(_REQUIRED | given)
    else:
        # Executors on this machine must run this interpreter, not the first python3 on the PATH.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        if locale.getencoding().lower() != "utf-8":
            os.environ["LC_ALL"] = _UTF8_LOCALE
        required = _REQUIRED | {"spark.master": master or _LOCAL}
        packages, archives = [one.package for one in connectors], ClassArchives(settings.class_archives, writes_archive)
        spark = launch_spark(required, _LAUNCH, given, packages, spark_log, archives)
    share_import_path(spark.sparkContext.environment, sys.path)
    cancel_with(spark.sparkContext.cancelAllJobs)
    spark.sparkContext.setLogLevel("ERROR")
    for name in _QUERY_LOGGERS:
        PySparkLogger.getLogger(name).disabled = True
    logging.getLogger().addFilter(_is_not_of_py4j)
    _set_defaults(spark, given)
    log.info("spark started", master=spark.sparkContext.master)
    open_stores(spark, uris, connectors)
    return spark


def gpu_profile(gpus_per_task: float) -> ResourceProfile | None:
    """Return the resource profile for a stage whose tasks use GPUs; None for 0 GPUs a task.

    It needs a cluster manager, because Spark assigns no resources in local mode. Executors need
    `spark.executor.resource.gpu`, and `spark.dynamicAllocation.enabled` must be false, as in
    deploy/spark/spark-defaults-gpu.conf. Runs on: driver.
    """
    if not gpus_per_task:
        return None
    return ResourceProfileBuilder().require(TaskResourceRequests().resource("gpu", gpus_per_task)).build


@contextmanager
def named_jobs(spark: SparkSession, run: Run, what: str) -> Iterator[None]:
    """Name the Spark jobs that this thread starts in the block, so that Spark's UI shows their run and purpose.

    The previous names are restored afterwards. Runs on: driver.
    """
    context = spark.sparkContext
    before = {key: context.getLocalProperty(key) for key in _JOB_PROPERTIES}
    context.setJobGroup(run.run_id, f"{run.run_date} {what}")
    try:
        yield
    finally:
        for key, value in before.items():
            context.setLocalProperty(key, value)  # type: ignore[arg-type]  # None removes it


@contextmanager
def temporary_conf(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Change settings of the session inside the block, and restore them afterwards. Runs on: driver."""
    before = {key: spark.conf.get(key, None) for key in settings}
    for key, value in settings.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, earlier in before.items():
            if earlier is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, earlier)


def _set_defaults(spark: SparkSession, given: Mapping[str, str]) -> None:
    """Set the defaults that the operator has not set."""
    num_partitions = max(_MIN_SHUFFLE_PARTITIONS, 2 * spark.sparkContext.defaultParallelism)
    launched = dict(spark.sparkContext.getConf().getAll())
    for key, value in (_DEFAULTS | {"spark.sql.shuffle.partitions": str(num_partitions)}).items():
        if key not in given and key not in launched:
            spark.conf.set(key, value)


def _is_not_of_py4j(record: logging.LogRecord) -> bool:
    """Return whether a record of the root logger is to be printed: Py4J logs errors there that it also raises."""
    return "/py4j/" not in record.pathname
