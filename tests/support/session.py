"""The one Spark session that the tests of a process share: made for small tables, not for throughput."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.lake.session import start_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]


def start_test_session(folder: Path) -> SparkSession:
    """Start Spark on two cores, its files and its log in `folder`."""
    # The workers must find the packages as this process does; an installed wheel would be another version of them.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    conf = {
        "spark.driver.memory": "2g",
        # A test run is over before the optimising compiler has paid for itself.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
        # The same holds for compiling each query's own classes, a fifth of a small run. tests/submit runs one that does
        # so, and one with several shuffle partitions.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.shuffle.partitions": "1",
        "spark.databricks.delta.snapshotPartitions": "1",
        # Nobody reads the plans that the UI would show.
        "spark.sql.ui.explainMode": "simple",
        "spark.python.daemon.module": "tests.support.spark_daemon",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "local"),
    }
    return start_session("ndvr tests", master="local[2]", conf=conf, spark_log=folder / "spark.log")
