"""Finds the JARs of Delta on this machine, so that Spark starts without a network."""

from __future__ import annotations

import os
import pwd
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import is_zipfile

from jobs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"
_DELTA_VERSION = DELTA_PACKAGE.rpartition(":")[2]
REQUIRED_JARS = (
    DELTA_PACKAGE,
    f"io.delta:delta-storage:{_DELTA_VERSION}",
    f"io.delta:delta-kernel-api:{_DELTA_VERSION}",
    f"io.delta:delta-kernel-defaults:{_DELTA_VERSION}",
    f"io.delta:delta-kernel-unitycatalog:{_DELTA_VERSION}",
    "io.unitycatalog:unitycatalog-client:0.6.0",
    "io.unitycatalog:unitycatalog-hadoop:0.6.0",
    "com.fasterxml.jackson.datatype:jackson-datatype-jdk8:2.13.5",
    "commons-logging:commons-logging:1.3.0",
    "javax.annotation:javax.annotation-api:1.3.2",
    "org.roaringbitmap:shims:0.9.25",
)
"""DELTA_PACKAGE, and those of its dependencies that Spark does not contain, as group:artifact:version."""
_IVY_FOLDER = ".ivy2.5.2"  # of Spark 4, in the home folder
_JARS, _PACKAGES = "spark.jars", "spark.jars.packages"


class DeltaJars(NamedTuple):
    """Where the JARs of Delta are.

    Attributes:
        cached: JARs of the Ivy cache that Spark's own folder lacks.
        missing: file names of JARs that are in neither, with a remark if there is a damaged file.
        searched: the folders.
    """

    cached: tuple[Path, ...]
    missing: tuple[str, ...]
    searched: tuple[Path, ...]

    def describe_missing(self) -> str:
        """Return which JARs are missing and what to do."""
        folders = ", ".join(map(str, self.searched))
        return (
            f"JARs of Delta are missing on this machine: {', '.join(self.missing)}; they are in none of {folders}. "
            f"Connect the machine to repo1.maven.org once, or copy them to {self.searched[0]}"
        )


def find_delta_jars(spark_home: Path, defaults: Mapping[str, str]) -> DeltaJars:
    """Find the JARs in the folder of Spark and in the caches of Ivy. Runs on: driver.

    Args:
        spark_home: folder of Spark.
        defaults: the properties of spark-defaults.conf.

    Raises:
        UsageError: the folder of Spark contains another version of Delta.
    """
    own = spark_home / "jars"
    caches = tuple(_list_ivy_folders(defaults))
    names = {file.name for file in own.glob("*.jar")}
    cached, missing = [], []
    for coordinate in REQUIRED_JARS:
        group, artifact, version = coordinate.split(":")
        file_name = f"{artifact}-{version}.jar"
        present = {name for name in names if re.match(rf"{re.escape(artifact)}-\d", name)}
        if group == "io.delta" and present - {file_name}:
            other = own / min(present - {file_name})
            raise UsageError(f"{str(other)!r} is another version of Delta than {_DELTA_VERSION}; delete it")
        if present and all(is_zipfile(own / name) for name in present):
            continue
        files = [folder / f"{group}_{file_name}" for folder in caches]
        complete = [file for file in files if is_zipfile(file)]
        if complete:
            cached.append(complete[0])
        else:
            is_damaged = present or any(file.exists() for file in files)
            missing.append(f"{file_name} (damaged)" if is_damaged else file_name)
    return DeltaJars(tuple(cached), tuple(missing), (own, *caches))


def _list_ivy_folders(defaults: Mapping[str, str]) -> Iterable[Path]:
    """Return the folders in which Ivy stores JARs. Java takes the home folder from the user database."""
    if "spark.jars.ivy" in defaults:
        return [Path(defaults["spark.jars.ivy"]) / "jars"]
    homes = [os.environ.get("HOME", "")]
    with suppress(KeyError):  # the user has no name
        homes.insert(0, pwd.getpwuid(os.getuid()).pw_dir)
    return [Path(home) / _IVY_FOLDER / "jars" for home in dict.fromkeys(homes) if home]


def choose_jar_settings(jars: DeltaJars, given: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that add Delta to Spark: no network is needed if no JAR is missing.

    Args:
        jars: where the JARs are.
        given: the operator's properties, whose JARs and packages are kept.
    """
    if jars.missing:
        return {_PACKAGES: _join(given.get(_PACKAGES), [DELTA_PACKAGE])}
    return {_JARS: _join(given.get(_JARS), map(str, jars.cached))} if jars.cached else {}


def merge_into_arguments(arguments: str, settings: Mapping[str, str]) -> str:
    """Return PYSPARK_SUBMIT_ARGS with JARs and packages added to its own, which would override the settings.

    Args:
        arguments: options of spark-submit, as in a shell.
        settings: as `choose_jar_settings` returns.
    """
    options = {"--jars": settings.get(_JARS), "--packages": settings.get(_PACKAGES)}
    words = shlex.split(arguments)
    for index, word in enumerate(words[:-1]):
        if added := options.get(word):
            words[index + 1] = _join(words[index + 1], added.split(","))
    return shlex.join(words)


def _join(given: str | None, added: Iterable[str]) -> str:
    """Return a list of Spark with the added elements, each once."""
    elements = [element.strip() for element in (given or "").split(",")]
    return ",".join(dict.fromkeys(element for element in (*elements, *added) if element))
