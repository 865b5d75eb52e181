"""The Spark session: the only place that makes one, and what Delta and large rows need of it."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyspark import TaskContext
from pyspark.logger import PySparkLogger
from pyspark.resource import ResourceProfileBuilder, TaskResourceRequests
from pyspark.sql import SparkSession

from jobs.contracts.run_log import log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pyspark.resource import ResourceProfile

    from jobs.contracts.run import Run

DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"

# Without these a session cannot read or write the tables at all.
_REQUIRED = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
# Set where this process starts the JVM itself; under spark-submit they are the operator's to choose.
_LAUNCH = {
    "spark.jars.packages": DELTA_PACKAGE,
    "spark.driver.memory": "4g",
    # The JVM plans and moves rows for a minute or so; its second compiler took two fifths of all processor time in
    # a night with nothing new, and pays for itself only from a million videos on. extraJavaOptions overrule this.
    # Without that compiler the cache of compiled code is 48 MB by default, which two minutes of Spark fill.
    "spark.driver.defaultJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
# All cores of this machine; a task whose worker is killed is tried again, as on a cluster.
_LOCAL = "local[*,4]"
# Set unless the operator has set them: each can be changed while the session lives.
_DEFAULTS = {
    "spark.sql.session.timeZone": "UTC",
    # Small tables: Delta's 50 tasks for each look at a snapshot cost more than they compute.
    "spark.databricks.delta.snapshotPartitions": "2",
    # Arrow batches and column batches are counted in rows, and a row may hold hours of frame descriptors.
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "512",
    "spark.sql.parquet.columnarReaderBatchSize": "16",
    # Parquet looks at its buffers' size after 100 rows by default: that may be gigabytes here.
    "parquet.page.size.row.check.min": "1",
    "parquet.page.size.row.check.max": "16",
    "parquet.block.size.row.check.min": "1",
}
_MIN_SHUFFLE_PARTITIONS = 4
# What setJobGroup sets.
_JOB_PROPERTIES = ("spark.jobGroup.id", "spark.job.description", "spark.job.interruptOnCancel")
# They write every query's error to the terminal, with its Java stack, before it is raised.
_QUERY_LOGGERS = ("DataFrameQueryContextLogger", "SQLQueryContextLogger")


def is_submitted() -> bool:
    """Tell whether spark-submit started this process, so that a JVM with the operator's settings is there."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def start_session(
    app_name: str,
    *,
    master: str | None = None,
    conf: Mapping[str, str] | None = None,
    spark_log: Path | None = None,
) -> SparkSession:
    """Return the session of this process, made on first call. Runs on: driver.

    Args:
        app_name: shown in Spark's UI and history.
        master: where to run; None takes spark-submit's, else all cores of this machine.
        conf: settings that win over ours.
        spark_log: file that takes what the JVM would write to the terminal; None leaves it there.

    Raises:
        RuntimeError: called on an executor.
    """
    if TaskContext.get() is not None:
        raise RuntimeError("start_session runs on the driver only; an executor has no session")
    builder = SparkSession.builder.appName(app_name)
    settings = dict(_REQUIRED)
    if not is_submitted():
        # Executors on this machine must run this interpreter, not the first python3 on the PATH.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        settings |= _LAUNCH
        builder = builder.master(master or _LOCAL)
    given = dict(conf or {})
    for key, value in (settings | given).items():
        builder = builder.config(key, value)
    with _stderr_to(spark_log):
        spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    for name in _QUERY_LOGGERS:
        PySparkLogger.getLogger(name).disabled = True
    _set_defaults(spark, given)
    log.info("spark started", master=spark.sparkContext.master)
    return spark


def gpu_profile(gpus_per_task: float) -> ResourceProfile | None:
    """Return what tasks of a stage are to have that the tasks of others have not; None where that is no GPU.

    Needs a cluster manager (Spark gives no resources in local mode) whose executors have `spark.executor.resource.gpu`,
    and `spark.dynamicAllocation.enabled=false`: deploy/spark/spark-defaults-gpu.conf. Runs on: driver.
    """
    if not gpus_per_task:
        return None
    return ResourceProfileBuilder().require(TaskResourceRequests().resource("gpu", gpus_per_task)).build


@contextmanager
def named_jobs(spark: SparkSession, run: Run, what: str) -> Iterator[None]:
    """Name the Spark jobs that this thread starts in the block: Spark's UI lists them under the run, by what they do.

    Runs on: driver. What the thread's jobs were called before they are called again.
    """
    context = spark.sparkContext
    before = {key: context.getLocalProperty(key) for key in _JOB_PROPERTIES}
    context.setJobGroup(run.run_id, f"{run.run_date} {what}")
    try:
        yield
    finally:
        for key, value in before.items():
            context.setLocalProperty(key, value)  # type: ignore[arg-type]  # None removes it


def _set_defaults(spark: SparkSession, given: Mapping[str, str]) -> None:
    """Set what the operator has not set."""
    num_partitions = max(_MIN_SHUFFLE_PARTITIONS, 2 * spark.sparkContext.defaultParallelism)
    launched = dict(spark.sparkContext.getConf().getAll())
    for key, value in (_DEFAULTS | {"spark.sql.shuffle.partitions": str(num_partitions)}).items():
        if key not in given and key not in launched:
            spark.conf.set(key, value)


@contextmanager
def _stderr_to(file: Path | None) -> Iterator[None]:
    """Give file to child processes started meanwhile as their standard error; this process gets its own back."""
    if file is None:
        yield
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    terminal = os.dup(2)
    with file.open("ab") as log:
        os.dup2(log.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
