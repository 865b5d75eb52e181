"""If Spark does not start, the command states the reason in one line, and its log has the output of Java."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.lake.jars import DELTA, FoundJars
from jobs.lake.jvm_output import keep_jvm_output, read_jvm_output
from jobs.lake.launch import explain_start

ROOT = Path(__file__).parents[4]
COMPLETE = FoundJars((), (), (), (Path("/spark/jars"), Path("/ivy/jars")))
INCOMPLETE = COMPLETE._replace(missing=("delta-storage-4.4.0.jar",), incomplete=(DELTA,))
GATEWAY = RuntimeError("[JAVA_GATEWAY_EXITED] Java gateway process exited before sending its port number.")
UNRESOLVED = "Exception: [unresolved dependency: io.delta#delta-storage;4.4.0: not found]"


def test_an_unknown_reason_is_shown_as_java_wrote_it() -> None:
    output = "WARNING: Using incubator modules\njava.lang.IllegalStateException: never seen before\n\tat a.B\n"
    assert explain_start(GATEWAY, output, COMPLETE) == ("java.lang.IllegalStateException: never seen before", False)
    assert explain_start(GATEWAY, "", COMPLETE) == (str(GATEWAY), False)


def test_missing_jars_are_named_only_if_spark_does_not_find_them() -> None:
    message, is_setup = explain_start(GATEWAY, UNRESOLVED, INCOMPLETE)
    assert message == (
        "JARs of Delta are missing on this machine: delta-storage-4.4.0.jar; they are in none of /spark/jars, "
        f"/ivy/jars. Connect the machine to repo1.maven.org once, or copy them to /spark/jars (Java: {UNRESOLVED})"
    )
    assert is_setup
    other = "io.delta#delta-storage added as a dependency\njava.net.SocketException: Too many open files\n"
    assert explain_start(GATEWAY, other, INCOMPLETE)[0].startswith("too few file handles are allowed; ")
    assert explain_start(GATEWAY, UNRESOLVED, COMPLETE)[0].startswith("Spark cannot download JARs from Maven Central; ")


def start_with(java_home: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that starts Spark, with the Java of a folder."""
    return subprocess.run(
        [sys.executable, "-m", "ndvr_start", "sql", "--engine", "spark", "--lake", str(tmp_path), "SELECT 1"],
        cwd=ROOT,
        env=os.environ | {"JAVA_HOME": str(java_home), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_wrong_java_home_is_a_set_up_fault(tmp_path: Path) -> None:
    done = start_with(tmp_path / "nojava", tmp_path)
    (log,) = tmp_path.glob("ndvr-*.log")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    java = tmp_path / "nojava" / "bin" / "java"
    assert done.stderr.startswith(
        f"ndvr: Spark does not start: cannot run {java} (No such file or directory); set JAVA_HOME to the folder of "
        "Java 17 or 21, or unset it (Java: "
    )
    assert done.stderr.endswith(f"; the output of Java is in {log}\n")
    assert f"{java}: No such file or directory" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("stream", [1, 2])
def test_an_unknown_reason_ends_with_1_and_its_line(tmp_path: Path, stream: int) -> None:
    """Java itself writes to standard output if its virtual machine does not start."""
    java = tmp_path / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'Fatal error: flux capacitor' >&{stream}\nexit 3\n", encoding="utf-8")
    java.chmod(0o755)
    done = start_with(java.parent.parent, tmp_path)
    (log,) = tmp_path.glob("ndvr-*.log")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"ndvr: Spark does not start: Fatal error: flux capacitor; the output of Java is in {log}\n")


def test_the_output_of_processes_is_kept_in_memory_or_in_a_file(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo one; echo two >&2"]
    file = tmp_path / "logs" / "spark.log"
    with keep_jvm_output(None) as output:
        subprocess.run(command, check=True)
    assert (output.read(), output.path) == ("one\ntwo\n", None)
    for _ in range(2):
        with keep_jvm_output(file) as output:
            subprocess.run(command, check=True)
        assert read_jvm_output() is output
        assert output.read() == "one\ntwo\n"
    assert file.read_text(encoding="utf-8") == "one\ntwo\none\ntwo\n"
