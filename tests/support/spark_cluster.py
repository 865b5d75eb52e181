"""Spark as in production: spark-submit, and a standalone cluster of two workers on this machine."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pyspark

from tests.support.class_archive import java_options
from tests.support.limits import PROCESS_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The optimising compiler is not worth its time in a short test run.
_JAVA_OPTIONS = f"-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC {java_options()}"
_SMALL = {
    "spark.driver.memory": "1g",
    "spark.executor.memory": "512m",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "1",
    # Compiling the classes of queries is not worth its time in these short runs. `ndvr nightly` of the wheel compiles
    # them, and these runs are compared with its tables.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": _JAVA_OPTIONS,
    "spark.executor.extraJavaOptions": _JAVA_OPTIONS,
}


@dataclass(frozen=True)
class SparkHome:
    """The distribution of PySpark under another path, so that its clusters write their files there."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> SparkHome:
        """Link the files of the distribution into a new folder."""
        path.mkdir()
        for part in Path(pyspark.__file__).parent.iterdir():
            if part.name != "work":
                (path / part.name).symlink_to(part)
        return cls(path)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a machine without the repository: an empty PYTHONPATH, and this interpreter."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_", "NDVR_"))
        }
        kept.pop("PYTHONPATH", None)
        ours = {"SPARK_HOME": self.path, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
        return (
            kept
            | {name: str(value) for name, value in ours.items()}
            | {
                "SPARK_DAEMON_MEMORY": "256m",
                "SPARK_DAEMON_JAVA_OPTS": _JAVA_OPTIONS,
            }
        )

    def submit(
        self, script: Path, *arguments: str, master: str, options: tuple[str, ...], folder: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run spark-submit in a folder and wait for it. All output of the script is in its standard output."""
        conf = [part for key, value in _SMALL.items() for part in ("--conf", f"{key}={value}")]
        command = [
            str(self.path / "bin" / "spark-submit"),
            "--master",
            master,
            *options,
            *conf,
            str(script),
            *arguments,
        ]
        return subprocess.run(
            command,
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_SECONDS,
        )

    @contextmanager
    def standalone_cluster(self, folder: Path, hidden: Sequence[Path] = ()) -> Iterator[str]:
        """Start a master and two workers of one core each; yield the URL of the master, and stop them at the end.

        Args:
            folder: for the files of the cluster; created.
            hidden: folders and files that are empty for the workers and their executors, as if these were on another
                machine. It takes a user namespace: see `can_hide_files`.
        """
        port, ui_port = _free_ports(2)
        url = f"spark://127.0.0.1:{port}"
        master = ("master.Master", "--port", str(port), "--webui-port", str(ui_port))
        worker = ("worker.Worker", "--cores", "1", "--memory", "1g", "--webui-port", "0")
        daemons = [self._start(folder / "master", *master)]
        try:
            daemons += [
                self._start(at, *worker, "--work-dir", str(at), url, hidden=hidden)
                for at in (folder / "1", folder / "2")
            ]
            _wait_for_workers(ui_port, 2)
            yield url
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
            for daemon in daemons:
                daemon.wait(PROCESS_SECONDS)

    def _start(self, folder: Path, kind: str, *arguments: str, hidden: Sequence[Path] = ()) -> subprocess.Popen[bytes]:
        """Start a daemon that writes its log into its folder. It has no credentials of stores."""
        folder.mkdir(parents=True)
        command = [str(self.path / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", "--host", "127.0.0.1"]
        environment = {name: value for name, value in self.environment.items() if not name.startswith("AWS_")}
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(
                [*(_hide(hidden) if hidden else ()), *command, *arguments],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
            )


def can_hide_files() -> bool:
    """Return whether this machine lets a process have file systems of its own."""
    tool = shutil.which("unshare")
    return tool is not None and not subprocess.run([*_hide(), "true"], capture_output=True, check=False).returncode


def _hide(paths: Sequence[Path] = ()) -> list[str]:
    """Return the start of a command that runs with these folders and files empty."""
    mounts = [
        f"mount -t tmpfs none {shlex.quote(str(path))}"
        if path.is_dir()
        else f"mount --bind /dev/null {shlex.quote(str(path))}"
        for path in paths
    ]
    return ["unshare", "--map-root-user", "--mount", "sh", "-ec", "\n".join([*mounts, 'exec "$@"']), "sh"]


def _free_ports(count: int) -> list[int]:
    """Return free ports of the loopback interface."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listening.getsockname()[1] for listening in sockets]
    for listening in sockets:
        listening.close()
    return ports


def _wait_for_workers(ui_port: int, count: int) -> None:
    """Wait until the master has this number of workers."""
    deadline = time.monotonic() + PROCESS_SECONDS
    while time.monotonic() < deadline:
        try:
            with urlopen(f"http://127.0.0.1:{ui_port}/json/", timeout=5) as answer:
                if json.load(answer)["aliveworkers"] >= count:
                    return
        except (URLError, TimeoutError, ConnectionError, json.JSONDecodeError):
            pass  # it is not ready: at first every address returns the page of the master
        time.sleep(0.25)
    raise TimeoutError(f"the master did not register {count} workers in {PROCESS_SECONDS} s")
