"""Stores the classes that the JVM of Spark has loaded, so that later JVMs start with them. Runs on the driver.

Loading and checking them takes a quarter of the CPU time of a run without new videos. Source: "Class Data Sharing" in
the manual of java 17. The JVM itself ignores an archive that was written for another JVM or other JARs.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any

from pyspark import SparkContext

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PREFIX = "spark-classes-"
_OWN_OPTIONS = ("SharedArchiveFile", "ArchiveClassesAtExit", "-Xshare")
_VARIABLES = ("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "SPARK_SUBMIT_OPTS")
_MAX_WAIT_SECONDS = 120.0
_ABANDONED_SECONDS = 86_400.0


@dataclass(frozen=True)
class ClassArchive:
    """The archive for one JVM and one set of JARs.

    Attributes:
        file: where it is, or will be.
        unfinished: where this process lets its JVM write it.
    """

    file: Path
    unfinished: Path

    @property
    def java_options(self) -> str:
        """The options of a JVM that uses the archive; of one that writes it, if it does not exist."""
        exists = self.file.exists()
        used = f"-XX:SharedArchiveFile={self.file}" if exists else f"-XX:ArchiveClassesAtExit={self.unfinished}"
        return f"{used} -Xlog:cds*=error"

    def finish_at_exit(self) -> None:
        """If the JVM of this process writes the archive, wait for it when this process ends, and publish the file."""
        if not self.file.exists():
            gateway: Any = SparkContext._gateway  # noqa: SLF001 - PySpark has no public API for the process of its JVM
            atexit.register(partial(self._finish, gateway.proc))

    def delete(self) -> None:
        """Delete the archive: a JVM that used it did not start."""
        self.file.unlink(missing_ok=True)

    def _finish(self, jvm: Any) -> None:  # noqa: ANN401 - a Popen
        with suppress(OSError, TimeoutExpired):
            jvm.stdin.close()  # the JVM ends at the end of its input
            if jvm.wait(_MAX_WAIT_SECONDS) == 0:
                self.unfinished.replace(self.file)
        self.unfinished.unlink(missing_ok=True)


@dataclass(frozen=True)
class ClassArchives:
    """Where archives are kept.

    Attributes:
        folder: of the archives; None for no archive.
        is_written: whether the JVM writes the archive if there is none.
    """

    folder: Path | None = None
    is_written: bool = False

    def find(
        self, home: Path, jars: Iterable[Path], environment: Mapping[str, str] = os.environ
    ) -> ClassArchive | None:
        """Return the archive for the JVM and the JARs that will be used, and delete abandoned files beside it.

        Args:
            home: folder of Spark.
            jars: JARs that are added to those of Spark.
            environment: the variables of this process.

        Returns:
            None if no archive can be used or written: without a folder or a Java on this machine, with options of the
            operator for another archive, or if the folder contains a blank, which ends an option.
        """
        java = _find_java(environment)
        given = " ".join(environment.get(name, "") for name in _VARIABLES)
        if self.folder is None or java is None or any(option in given for option in _OWN_OPTIONS):
            return None
        folder = self.folder.expanduser()
        if " " in str(folder):
            return None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            modules = (java.parents[1] / "lib" / "modules").stat()
            _delete_abandoned(folder)
        except OSError:
            return None
        parts = (java, modules.st_size, modules.st_mtime_ns, home.resolve(), *sorted(map(str, jars)))
        name = f"{_PREFIX}{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}.jsa"
        archive = ClassArchive(folder / name, folder / f"{name}.{os.getpid()}")
        return archive if self.is_written or archive.file.exists() else None


def _find_java(environment: Mapping[str, str]) -> Path | None:
    """Return the Java that Spark starts, without links."""
    home = environment.get("JAVA_HOME")
    found = Path(home) / "bin" / "java" if home else shutil.which("java", path=environment.get("PATH"))
    return Path(found).resolve() if found else None


def _delete_abandoned(folder: Path) -> None:
    """Delete the files of processes that were killed before they could publish them."""
    for file in folder.glob(f"{_PREFIX}*.jsa.*"):
        if time.time() - file.stat().st_mtime > _ABANDONED_SECONDS:
            file.unlink(missing_ok=True)
