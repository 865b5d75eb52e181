"""The log files of a run: written on this machine, and copied into a remote lake when the run ends."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from rich.console import Console

from jobs.contracts.run_log import log_to
from jobs.errors import first_line, java_message
from jobs.lake.files import LakeFiles
from jobs.lake.location import local_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

LOGS = "_logs"
"""Folder of the lake. Maintenance deletes its old files."""


class RunLogs:
    """Where the log files of a run are while it runs. Runs on: driver.

    It is `log_dir` if given, else `_logs` in a local lake, else `ndvr-logs` in the current folder.

    Args:
        lake_uri: absolute path or URI of the lake.
        log_dir: the command-line option, or None.
        run_id: id of the run; the names of its files start with it.

    Attributes:
        is_copied: whether the files are copied into the lake at the end, because it is not on this machine.
    """

    def __init__(self, lake_uri: str, log_dir: Path | None, run_id: str) -> None:
        lake = local_folder(lake_uri)
        self.is_copied = lake is None
        self._folder = log_dir or (lake / LOGS if lake is not None else Path("ndvr-logs").absolute())
        self._run_id = run_id
        self._target = f"{lake_uri.rstrip('/')}/{LOGS}"
        self._files: LakeFiles | None = None

    @property
    def events(self) -> Path:
        """The log, one JSON object per line."""
        return self._folder / f"{self._run_id}.jsonl"

    @property
    def summary(self) -> Path:
        """The summary of the run."""
        return self._folder / f"{self._run_id}.summary.json"

    @property
    def spark(self) -> Path:
        """The output of the JVM."""
        return self._folder / f"{self._run_id}.spark.log"

    def open_lake(self, spark: SparkSession) -> None:
        """Set the session through which the files are copied."""
        self._files = LakeFiles(spark)

    def copy_to_lake(self) -> None:
        """Copy the files into a remote lake; without a session they stay on this machine.

        A fault is printed, and is not an error: the run has ended, and its own error matters more.
        """
        if not self.is_copied or self._files is None:
            return
        try:
            for file in (self.events, self.summary, self.spark):
                if file.exists():
                    text = file.read_text(encoding="utf-8", errors="replace")
                    self._files.write_text(f"{self._target}/{file.name}", text)
        except (Py4JError, PySparkException, OSError) as error:
            message = f"warning: the logs could not be copied to {self._target}; they are in {self._folder}: "
            Console(stderr=True).print(
                message + first_line(java_message(error)), markup=False, highlight=False, soft_wrap=True
            )


@contextmanager
def logged(lake_uri: str, log_dir: Path | None, run_id: str) -> Iterator[RunLogs]:
    """Send the log of this process to the files of a run during the block. Runs on: driver.

    Args:
        lake_uri: absolute path or URI of the lake.
        log_dir: the command-line option, or None.
        run_id: id of the run.
    """
    logs = RunLogs(lake_uri, log_dir, run_id)
    try:
        with log_to(logs.events, run_id):
            yield logs
    finally:
        logs.copy_to_lake()
