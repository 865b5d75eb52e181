"""Finds the JARs of Delta and of the connectors on this machine, so that Spark starts without a network."""

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
    from collections.abc import Iterable, Mapping, Sequence

DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"
_DELTA_VERSION = DELTA_PACKAGE.rpartition(":")[2]
_IVY_FOLDER = ".ivy2.5.2"  # of Spark 4, in the home folder
_JARS = "spark.jars"
PACKAGES = "spark.jars.packages"


class Package(NamedTuple):
    """A library that is added to Spark.

    Attributes:
        name: for messages.
        coordinate: group:artifact:version.
        dependencies: those of its dependencies that Spark does not contain, as group:artifact:version.
    """

    name: str
    coordinate: str
    dependencies: tuple[str, ...] = ()

    @property
    def jars(self) -> tuple[str, ...]:
        """The library and its dependencies."""
        return self.coordinate, *self.dependencies

    def is_named_in(self, settings: Mapping[str, str]) -> bool:
        """Return whether the packages or JARs of these properties of Spark have the library, in any version."""
        group, artifact, _ = self.coordinate.split(":")
        packages = [element.split(":")[:2] for element in _split(settings.get(PACKAGES))]
        files = [element.rpartition("/")[2] for element in _split(settings.get(_JARS))]
        named = re.compile(rf"(?:{re.escape(group)}_)?{re.escape(artifact)}-\d")
        return [group, artifact] in packages or any(named.match(name) for name in files)


DELTA = Package(
    "Delta",
    DELTA_PACKAGE,
    (
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
    ),
)


class FoundJars(NamedTuple):
    """Where the JARs of packages are.

    Attributes:
        cached: JARs of the Ivy cache that Spark's own folder lacks.
        missing: file names of JARs that are in neither, with a remark if there is a damaged file.
        incomplete: the packages that they belong to.
        searched: the folders.
    """

    cached: tuple[Path, ...]
    missing: tuple[str, ...]
    incomplete: tuple[Package, ...]
    searched: tuple[Path, ...]

    def describe_missing(self) -> str:
        """Return which JARs are missing and what to do."""
        folders = ", ".join(map(str, self.searched))
        names = " and ".join(package.name for package in self.incomplete)
        return (
            f"JARs of {names} are missing on this machine: {', '.join(self.missing)}; they are in none of {folders}. "
            f"Connect the machine to repo1.maven.org once, or copy them to {self.searched[0]}"
        )


def find_jars(packages: Iterable[Package], spark_home: Path, defaults: Mapping[str, str]) -> FoundJars:
    """Find the JARs of packages in the folder of Spark and in the caches of Ivy. Runs on: driver.

    Args:
        packages: the wanted packages.
        spark_home: folder of Spark.
        defaults: the properties of spark-defaults.conf.

    Raises:
        UsageError: the folder of Spark contains another version of Delta.
    """
    own = spark_home / "jars"
    caches = tuple(_list_ivy_folders(defaults))
    names = {file.name for file in own.glob("*.jar")}
    cached: list[Path] = []
    missing: list[str] = []
    incomplete: list[Package] = []
    for package in packages:
        found = [_find_jar(coordinate, own, names, caches) for coordinate in package.jars]
        absent = [jar for jar in found if isinstance(jar, str)]
        if absent:
            incomplete.append(package)
            missing += absent
        else:
            cached += [jar for jar in found if isinstance(jar, Path)]
    return FoundJars(tuple(dict.fromkeys(cached)), tuple(missing), tuple(incomplete), (own, *caches))


def _find_jar(coordinate: str, own: Path, names: set[str], caches: Sequence[Path]) -> Path | str | None:
    """Return the file of a JAR in a cache, its name if it is missing, or None if the folder of Spark has it."""
    group, artifact, version = coordinate.split(":")
    file_name = f"{artifact}-{version}.jar"
    present = {name for name in names if re.match(rf"{re.escape(artifact)}-\d", name)}
    if group == "io.delta" and present - {file_name}:
        other = own / min(present - {file_name})
        raise UsageError(f"{str(other)!r} is another version of Delta than {_DELTA_VERSION}; delete it")
    if present and all(is_zipfile(own / name) for name in present):
        return None
    files = [folder / f"{group}_{file_name}" for folder in caches]
    complete = next((file for file in files if is_zipfile(file)), None)
    is_damaged = present or any(file.exists() for file in files)
    return complete or (f"{file_name} (damaged)" if is_damaged else file_name)


def _list_ivy_folders(defaults: Mapping[str, str]) -> Iterable[Path]:
    """Return the folders in which Ivy stores JARs. Java takes the home folder from the user database."""
    if "spark.jars.ivy" in defaults:
        return [Path(defaults["spark.jars.ivy"]) / "jars"]
    homes = [os.environ.get("HOME", "")]
    with suppress(KeyError):  # the user has no name
        homes.insert(0, pwd.getpwuid(os.getuid()).pw_dir)
    return [Path(home) / _IVY_FOLDER / "jars" for home in dict.fromkeys(homes) if home]


def choose_jar_settings(jars: FoundJars, given: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that add packages to Spark: no network is needed if no JAR is missing.

    Args:
        jars: where the JARs are.
        given: the operator's properties, whose JARs and packages are kept.
    """
    settings = {}
    if jars.incomplete:
        settings[PACKAGES] = join_list(given.get(PACKAGES), [package.coordinate for package in jars.incomplete])
    if jars.cached:
        settings[_JARS] = join_list(given.get(_JARS), map(str, jars.cached))
    return settings


def merge_into_arguments(arguments: str, settings: Mapping[str, str]) -> str:
    """Return PYSPARK_SUBMIT_ARGS with JARs and packages added to its own, which would override the settings.

    Args:
        arguments: options of spark-submit, as in a shell.
        settings: as `choose_jar_settings` returns.
    """
    options = {"--jars": settings.get(_JARS), "--packages": settings.get(PACKAGES)}
    words = shlex.split(arguments)
    for index, word in enumerate(words[:-1]):
        if added := options.get(word):
            words[index + 1] = join_list(words[index + 1], added.split(","))
    return shlex.join(words)


def join_list(given: str | None, added: Iterable[str]) -> str:
    """Return a list of Spark with the added elements, each once."""
    return ",".join(dict.fromkeys((*_split(given), *added)))


def _split(elements: str | None) -> list[str]:
    """Return the elements of a list of Spark."""
    return [element.strip() for element in (elements or "").split(",") if element.strip()]
