"""Opens the stores of the lake and of the manifest, before any work starts. Runs on the driver."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from jobs.errors import UsageError, first_line, java_message
from jobs.lake.connectors import CONNECTORS
from jobs.lake.files import LakeFiles, set_hadoop_options
from jobs.lake.location import local_folder
from jobs.machine_faults import find_machine_fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import SparkSession

    from jobs.lake.connectors import Connector

# By default S3A tries for two minutes to connect to a store that does not run.
_FEW_ATTEMPTS = {"fs.s3a.attempts.maximum": "2", "fs.s3a.retry.limit": "1"}
_MAX_REASON_CHARACTERS = 300


def open_stores(spark: SparkSession, uris: Iterable[str], connectors: Iterable[Connector]) -> None:
    """Set the options of the connectors, and look for each URI that is not on this machine's disks.

    The Python workers get the variables of all stores that the driver has, because videos may be in other stores than
    the lake. Spark sends them with each task. They are not among its properties, which its UI shows.

    Args:
        spark: the session.
        uris: absolute paths and URIs. They need not exist, but their bucket or host must.
        connectors: those that open them.

    Raises:
        UsageError: a store refuses the request, or cannot be reached.
    """
    for connector in connectors:
        set_hadoop_options(spark, connector.make_options(os.environ))
    variables = {name for connector in CONNECTORS for name in connector.variables if name in os.environ}
    spark.sparkContext.environment.update({name: os.environ[name] for name in sorted(variables)})
    for uri in uris:
        if local_folder(uri) is None:
            _look_for(spark, uri)


def _look_for(spark: SparkSession, uri: str) -> None:
    try:
        LakeFiles(spark).look_once(uri, _FEW_ATTEMPTS)
    except (Py4JJavaError, PySparkException) as error:
        text = java_message(error)
        fault = find_machine_fault(text)
        reason = "check the URI and its store" if fault is None else f"{fault.cause}; {fault.remedy}"
        raise UsageError(
            f"cannot open {uri!r}: {reason} (Java: {first_line(text)[:_MAX_REASON_CHARACTERS]})"
        ) from error
