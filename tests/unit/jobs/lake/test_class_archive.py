"""The JVM stores the classes that it has loaded in a file, and later JVMs start with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from jobs.lake.class_archive import ClassArchive, ClassArchives
from jobs.lake.spark_installation import find_spark_home

HOME = find_spark_home()
ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ}


def find(folder: Path | None, jars: tuple[Path, ...] = (), *, is_written: bool = True, **variables: str) -> Path | None:
    archive = ClassArchives(folder, is_written).find(HOME, jars, ENVIRONMENT | variables)
    return None if archive is None else archive.file


def test_java_writes_the_archive_when_it_ends_and_the_next_java_uses_it(tmp_path: Path) -> None:
    archive = ClassArchives(tmp_path, is_written=True).find(HOME, (), ENVIRONMENT)
    assert archive is not None
    java_file = str(shutil.which("java"))
    with Popen([java_file, *archive.java_options.split(), "-version"], stdin=PIPE, stderr=PIPE) as java:
        archive._finish(java)
    assert [file.name for file in tmp_path.iterdir()] == [archive.file.name]
    command = [java_file, *archive.java_options.split(), "-Xshare:on", "-Xlog:cds", "-version"]
    used = subprocess.run(command, check=True, capture_output=True, text=True)
    assert str(archive.file) in used.stdout


@pytest.mark.parametrize("code", ["raise SystemExit(1)", ""])
def test_the_archive_of_a_java_that_failed_or_wrote_none_is_not_published(tmp_path: Path, code: str) -> None:
    archive = ClassArchive(tmp_path / "a.jsa", tmp_path / "a.jsa.1")
    if code:
        archive.unfinished.write_bytes(b"half")
    with Popen([sys.executable, "-c", code], stdin=PIPE) as process:
        archive._finish(process)
    assert list(tmp_path.iterdir()) == []


def test_other_jars_have_another_archive(tmp_path: Path) -> None:
    names = {find(tmp_path), find(tmp_path, (Path("/a.jar"),)), find(tmp_path, (Path("/a.jar"), Path("/b.jar")))}
    assert len(names) == 3
    assert find(tmp_path, (Path("/b.jar"), Path("/a.jar"))) in names


def test_only_a_run_writes_the_archive_and_every_command_uses_it(tmp_path: Path) -> None:
    assert find(tmp_path, is_written=False) is None
    file = find(tmp_path)
    assert file is not None
    file.touch()
    assert find(tmp_path, is_written=False) == file


def test_there_is_no_archive_where_the_operator_wants_none_or_java_cannot_have_one(tmp_path: Path) -> None:
    assert find(None) is None
    assert find(tmp_path / "a b") is None
    assert find(tmp_path, JDK_JAVA_OPTIONS="-XX:SharedArchiveFile=/own.jsa") is None
    assert find(tmp_path, PATH="", JAVA_HOME="") is None
    file = tmp_path / "file"
    file.touch()
    assert find(file) is None


def test_files_of_killed_processes_are_deleted_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / "spark-classes-1.jsa.7", tmp_path / "spark-classes-1.jsa.8"
    for file in (old, new):
        file.touch()
    os.utime(old, (time.time() - 2 * 86_400,) * 2)
    find(tmp_path)
    assert list(tmp_path.iterdir()) == [new]
