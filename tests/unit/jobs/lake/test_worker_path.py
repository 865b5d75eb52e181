"""Workers import the packages of this project, and the modules that the driver imports."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import ndvr_start
from jobs.lake import worker_path
from jobs.lake.worker_path import share_import_path

ROOT = Path(__file__).parents[4]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the folder of another project, which has modules with the names of ours and of Python's."""
    for name in ("udfs.py", "random.py", "models/__init__.py", "jobs/__init__.py"):
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("X = 1\n", encoding="utf-8")
    return tmp_path / "project"


def import_as_worker(folder: Path, environment: dict[str, str], python_path: Path | None) -> list[str]:
    """Import modules as a worker does, which is started with `python -m` in a folder, and return their files.

    The environment of the executors precedes nothing: Spark puts that of the workers before it.
    """
    module = folder / "worker.py"
    module.write_text(
        "import udfs, models, random\nprint(udfs.__file__, models.__file__, random.__file__, sep='\\n')\n",
        encoding="utf-8",
    )
    paths = [environment.get("PYTHONPATH"), None if python_path is None else str(python_path), str(folder)]
    joined = os.pathsep.join(path for path in paths if path)
    done = subprocess.run(
        [sys.executable, "-m", "worker"],
        cwd=folder,
        env=os.environ | environment | {"PYTHONPATH": joined},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("is_on_path", [False, True])
def test_a_worker_imports_ours_in_the_folder_of_another_project(
    project: Path, monkeypatch: pytest.MonkeyPatch, *, is_on_path: bool
) -> None:
    python_path = project if is_on_path else None
    monkeypatch.setenv("PYTHONPATH", str(project) if is_on_path else "")
    environment: dict[str, str] = {}
    share_import_path(environment, ["/usr/lib/python3.11"])
    udfs_file, models_file, _ = import_as_worker(project, environment, python_path)
    assert udfs_file == str(ROOT / "udfs" / "__init__.py")
    assert models_file == str(ROOT / "models" / "__init__.py")


def test_the_working_folder_hides_no_module_of_python_in_workers(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    environment: dict[str, str] = {}
    share_import_path(environment, ["/usr/lib/python3.11"])
    assert environment["PYTHONSAFEPATH"] == "1"
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "random.py").write_text("X = 1\n", encoding="utf-8")
    code = "import random; print(random.__file__)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=empty, env=os.environ | environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() != str(empty / "random.py")
    assert project.exists()


def test_modules_beside_a_notebook_are_importable_in_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {"PYTHONPATH": "/opt/own"}
    share_import_path(environment, ["", "/usr/lib/python3.11"])
    assert environment["PYTHONPATH"] == os.pathsep.join([str(ROOT), str(tmp_path), "/opt/own"])


def test_installed_packages_are_not_put_before_those_of_python(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    installed = sysconfig.get_path("purelib")
    monkeypatch.setattr(worker_path, "find_root", lambda: installed)
    monkeypatch.setenv("PYTHONPATH", "/opt/tools")
    environment: dict[str, str] = {}
    share_import_path(environment, ["/usr/lib/python3.11"])
    assert environment == {"PYTHONSAFEPATH": "1"}
    monkeypatch.setenv("PYTHONPATH", str(project))  # has packages with the names of ours
    share_import_path(environment, ["/usr/lib/python3.11"])
    assert environment["PYTHONPATH"] == installed


def test_the_zip_of_spark_submit_is_not_added(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Spark adds it itself, under another path on each executor."""
    zip_file = tmp_path / "ndvr.zip"
    zip_file.touch()
    monkeypatch.setattr(worker_path, "find_root", lambda: str(zip_file))
    environment: dict[str, str] = {}
    share_import_path(environment, ["/usr/lib/python3.11"])
    assert environment == {"PYTHONSAFEPATH": "1"}


# ---- the driver ----


def run_python(*arguments: str, folder: Path, python_path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": python_path},
        capture_output=True,
        text=True,
        check=False,
    )


IMPORTS = "import jobs.errors, udfs.errors, models.registry; print(jobs.__file__, udfs.__file__, models.__file__)"


@pytest.mark.parametrize("first", ["ndvr_start", "ndvr"])
def test_the_driver_imports_ours_although_another_project_precedes(project: Path, first: str) -> None:
    (project / "random.py").unlink()
    path = os.pathsep.join([str(project), str(ROOT)])
    done = run_python("-c", f"import {first}; {IMPORTS}", folder=project, python_path=path)
    assert done.stdout.split() == [str(ROOT / name / "__init__.py") for name in ("jobs", "udfs", "models")], done.stderr


def test_jobs_brings_its_own_udfs_and_models(project: Path) -> None:  # a notebook imports jobs
    (project / "jobs" / "__init__.py").unlink()
    (project / "jobs").rmdir()
    (project / "random.py").unlink()
    done = run_python("-c", IMPORTS, folder=project, python_path=os.pathsep.join([str(project), str(ROOT)]))
    assert done.stdout.split()[1:] == [str(ROOT / name / "__init__.py") for name in ("udfs", "models")], done.stderr


def test_the_command_runs_in_the_folder_of_another_project(project: Path) -> None:
    (project / "random.py").unlink()
    path = os.pathsep.join([str(project), str(ROOT)])
    done = run_python("-m", "ndvr_start", "--version", folder=project, python_path=path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ndvr 0.1.0\n", "")


def test_a_module_that_this_process_has_already_imported_is_reported(project: Path) -> None:
    (project / "random.py").unlink()
    path = os.pathsep.join([str(project), str(ROOT)])
    done = run_python("-c", "import udfs, ndvr_start", folder=project, python_path=path)
    line = done.stderr.splitlines()[-1]
    assert line == (
        f"ImportError: this process has imported another 'udfs', from {project}/udfs.py; ndvr needs its own, in "
        f"{ROOT}. Import ndvr first, or start a new process"
    )


@pytest.mark.parametrize("name", ["random.py", "typer.py"])
def test_a_file_that_hides_a_module_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("X = 1\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = run_python("-m", "ndvr_start", "--version", folder=ROOT, python_path=path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"Python imports {tmp_path / name} instead of the installed module with this name: rename" in done.stderr


def test_other_import_errors_have_no_such_explanation() -> None:
    assert ndvr_start.describe_shadowing(ValueError("x")) is None
