"""Starts the JVM of Spark, and states the reason if it does not start."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from jobs.errors import NdvrError, UsageError, first_line
from jobs.lake.jars import DELTA, choose_jar_settings, find_jars, merge_into_arguments
from jobs.lake.jvm_output import keep_jvm_output, write_jvm_output
from jobs.lake.spark_installation import check_spark, find_spark_home, read_defaults
from jobs.machine_faults import find_machine_fault, find_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from jobs.lake.class_archive import ClassArchives
    from jobs.lake.jars import FoundJars, Package

# Ivy found a module in no repository, or could not download it.
_UNRESOLVED = re.compile("unresolved dependency|download failed|Server access error", re.IGNORECASE)
_ARGUMENTS = "PYSPARK_SUBMIT_ARGS"
_JAVA_OPTIONS = "spark.driver.defaultJavaOptions"
# What PySpark raises if the JVM ends early, refuses connections, or has other classes than it expects.
_START_ERRORS = (PySparkException, Py4JError, OSError, EOFError, TypeError)


def launch_spark(
    settings: Mapping[str, str],
    defaults: Mapping[str, str],
    given: Mapping[str, str],
    connectors: Iterable[Package],
    spark_log: Path | None,
    archives: ClassArchives,
) -> SparkSession:
    """Start a JVM with the JARs of Delta and of connectors, and a session in it. Runs on: driver.

    Args:
        settings: properties that are always set.
        defaults: properties that spark-defaults.conf may set to other values.
        given: properties that override all others.
        connectors: added unless the operator names them.
        spark_log: file for the output of the JVM; None keeps it in memory.
        archives: those of loaded classes.

    Raises:
        UsageError: the set-up of this machine prevents the start.
        NdvrError: the JVM does not start for another reason.
    """
    home = find_spark_home()
    check_spark(home)
    operators = read_defaults(home)
    named = operators | dict(given)
    jars = find_jars([DELTA, *(one for one in connectors if not one.is_named_in(named))], home, operators)
    added = choose_jar_settings(jars, named)
    if _ARGUMENTS in os.environ:
        os.environ[_ARGUMENTS] = merge_into_arguments(os.environ[_ARGUMENTS], added)
    chosen = {key: value for key, value in defaults.items() if key not in operators}
    archive = None if _JAVA_OPTIONS in named else archives.find(home, jars.cached)
    if archive is not None:
        chosen[_JAVA_OPTIONS] = f"{chosen.get(_JAVA_OPTIONS, '')} {archive.java_options}".strip()
    with keep_jvm_output(spark_log) as output:
        try:
            spark = start(chosen | dict(settings) | dict(given) | added)
        except _START_ERRORS as error:
            if archive is not None:
                archive.delete()
            message, is_setup = explain_start(error, output.read(), jars)
            line = f"Spark does not start: {message}; {write_jvm_output(output)}"
            raise (UsageError if is_setup else NdvrError)(line) from error
    if archive is not None:
        archive.finish_at_exit()
    return spark


def start(settings: Mapping[str, str]) -> SparkSession:
    """Start a session with these properties; return the session of this process if it has one. Runs on: driver."""
    builder = SparkSession.builder
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def explain_start(error: Exception, output: str, jars: FoundJars) -> tuple[str, bool]:
    """Return why Spark does not start, what to do if that is known, and whether the set-up is the cause.

    Args:
        error: what PySpark raised.
        output: what the JVM wrote; may be empty.
        jars: the JARs that were found.
    """
    reason = find_reason(output) or first_line(str(error)) or type(error).__name__
    if jars.missing and _UNRESOLVED.search(output):
        return f"{jars.describe_missing()} (Java: {reason})", True
    fault = find_machine_fault(f"{output}\n{error}")
    if fault is None:
        return reason, False
    return f"{fault.cause}; {fault.remedy} (Java: {reason})", True
