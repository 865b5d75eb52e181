"""Reads which Spark this process starts, and its configuration, before it starts. PySpark is not imported."""

from __future__ import annotations

import os
import re
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROPERTY = re.compile(r"\s*([^\s=:#!][^\s=:]*)\s*[=:\s]\s*(.*?)\s*$")
_CONNECT_VARIABLES = ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED")


def is_submitted() -> bool:
    """Return whether spark-submit started this process, with a JVM that has the operator's settings."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def find_spark_home(environment: Mapping[str, str] = os.environ) -> Path:
    """Return SPARK_HOME; the folder of PySpark if it is not set, as `find_spark_home.py` of PySpark does."""
    home = environment.get("SPARK_HOME")
    if home:
        return Path(home)
    found = find_spec("pyspark")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'pyspark'")
    return Path(found.origin).parent


def check_spark(home: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Check that PySpark will start the Spark that it belongs to. Runs on: driver.

    Args:
        home: SPARK_HOME.
        environment: the variables of this process.

    Raises:
        UsageError: Spark Connect is requested, or `home` is no Spark, or one of another version.
    """
    connect = [name for name in _CONNECT_VARIABLES if name in environment]
    if environment.get("SPARK_API_MODE", "").lower() == "connect":
        connect.append("SPARK_API_MODE")
    if connect:
        raise UsageError(
            f"{connect[0]} is {environment[connect[0]]!r}, which selects Spark Connect; ndvr needs a Spark of its own: "
            f"unset {connect[0]}, and choose a cluster with --master or spark-submit"
        )
    if not (home / "bin" / "spark-submit").is_file():
        raise UsageError(f"SPARK_HOME is {str(home)!r}, which has no bin/spark-submit; unset it, or correct it")
    versions = sorted(file.name.split("-")[-1].removesuffix(".jar") for file in home.glob("jars/spark-core_*.jar"))
    own = version("pyspark")
    if versions and own not in versions:
        raise UsageError(
            f"SPARK_HOME is {str(home)!r} with Spark {versions[0]}, but PySpark is {own}; unset SPARK_HOME, or set it "
            f"to Spark {own}"
        )


def read_defaults(home: Path, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the properties of spark-defaults.conf, which apply unless the program sets them; none if it is absent.

    Its format is that of Java properties: a key, then `=`, `:` or blanks, then the value.

    Raises:
        UsageError: the file cannot be read.
    """
    file = Path(environment.get("SPARK_CONF_DIR") or home / "conf") / "spark-defaults.conf"
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []
    except OSError as error:
        raise UsageError(
            f"cannot read {str(file)!r}: {error.strerror}; correct its rights, or SPARK_CONF_DIR"
        ) from error
    return {found[1]: found[2] for line in lines if (found := _PROPERTY.match(line))}
