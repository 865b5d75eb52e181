"""The Spark session that the tests of a process share. It is tuned for small tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.lake.session import start_session
from tests.support.object_store import find_connector_jars

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]


def start_test_session(folder: Path) -> SparkSession:
    """Start Spark on two cores, with its files and log in `folder`."""
    # The workers must import the packages from here, because an installed wheel may be another version.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    conf = {
        "spark.driver.memory": "2g",
        # The optimising compiler is not worth its time in a short test run.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
        # Neither is compiling the classes of queries, which takes a fifth of a small run. tests/submit has a run that
        # compiles them, and one with several shuffle partitions.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.shuffle.partitions": "1",
        "spark.databricks.delta.snapshotPartitions": "1",
        # The plans in the UI are not used.
        "spark.sql.ui.explainMode": "simple",
        "spark.driver.extraClassPath": ":".join(map(str, find_connector_jars())),
        "spark.python.daemon.module": "tests.support.spark_daemon",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "local"),
    }
    return start_session("ndvr tests", master="local[2]", conf=conf, spark_log=folder / "spark.log")
