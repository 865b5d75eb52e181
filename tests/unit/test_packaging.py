"""The wheel, the zip for spark-submit and the lock agree with setup.py."""

from __future__ import annotations

import ast
import email
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jobs.lake.jars import DELTA_PACKAGE
from tests.support.wheel import MODULES, PACKAGES, ROOT

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path

LOCK = ROOT / "deploy" / "requirements.lock"


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(archive.read("ndvr-0.1.0.dist-info/METADATA"))


@pytest.fixture(scope="module")
def requirements(metadata: Message) -> list[Requirement]:
    return [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]


def locked_versions() -> dict[str, str]:
    """Return the version of every package in the lock, by name."""
    pins = re.findall(r"^([\w.-]+)==([^ \\;]+)", LOCK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def imported_packages() -> set[str]:
    """Return the top-level names that the packages import, also inside functions."""
    names = set()
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


def test_the_wheel_contains_only_the_packages_and_the_modules_beside_them(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert tops == {*PACKAGES, *(f"{module}.py" for module in MODULES), "ndvr-0.1.0.dist-info"}


def test_the_wheel_contains_every_module_and_data_file(wheel: Path) -> None:
    modules = {path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    pages = (ROOT / "jobs" / "review" / "templates").iterdir()
    typed = {ROOT / package / "py.typed" for package in PACKAGES}
    data = {
        *typed,
        *(ROOT / "jobs" / "views" / "sql").glob("*.sql"),
        *pages,
        *(ROOT / "models" / "artefacts").glob("*/*"),
    }
    expected = {path.relative_to(ROOT).as_posix() for path in modules | {p for p in data if p.is_file()}}
    with zipfile.ZipFile(wheel) as archive:
        assert expected - set(archive.namelist()) == set()


def test_the_console_script_of_the_wheel_starts_the_command_line(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entry_points = archive.read("ndvr-0.1.0.dist-info/entry_points.txt").decode()
    assert entry_points.split() == ["[console_scripts]", "ndvr", "=", "ndvr_start:main"]


def test_the_metadata_has_licence_and_python_version(metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"


def test_python_imports_from_the_wheel_renamed_to_zip(wheel: Path, tmp_path: Path) -> None:
    """spark-submit --py-files puts the zip on sys.path, without installation."""
    archive = shutil.copy(wheel, tmp_path / "ndvr-0.1.0.zip")
    code = (
        f"import sys; sys.path.insert(0, {str(archive)!r})\n"
        "import jobs, udfs.errors, models\n"
        "from importlib.metadata import version\n"
        "print(jobs.__file__, udfs.errors.__file__, models.__file__, version('ndvr'), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    *files, version = done.stdout.split("\n")[:4]
    assert all(file.startswith(f"{archive}/") for file in files)
    assert version == "0.1.0"


def test_each_faiss_package_is_in_exactly_one_extra(requirements: list[Requirement]) -> None:
    """faiss-cpu and faiss-gpu have the same module, so neither is installed by default or with the other."""
    faiss = {r.name: str(r.marker) for r in requirements if r.name.startswith("faiss")}
    assert faiss == {"faiss-cpu": 'extra == "cpu"', "faiss-gpu": 'extra == "gpu"'}


def test_the_lock_satisfies_every_requirement_except_faiss_gpu(requirements: list[Requirement]) -> None:
    pins = locked_versions()
    wanted = [r for r in requirements if r.name != "faiss-gpu"]
    unmet = [str(r) for r in wanted if not r.specifier.contains(pins.get(canonicalize_name(r.name), "0"))]
    assert unmet == []
    assert "faiss-gpu" not in pins


def test_the_lock_has_hashes_and_no_host() -> None:
    text = LOCK.read_text(encoding="utf-8")
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(locked_versions())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"://|index-url|find-links|@ file", text) == []


def test_every_imported_package_is_a_declared_dependency(requirements: list[Requirement]) -> None:
    """A dependency of a dependency may be dropped in its next version."""
    declared = {canonicalize_name(r.name) for r in requirements if r.marker is None or "dev" not in str(r.marker)}
    owners = packages_distributions()
    undeclared = [
        name
        for name in imported_packages() - sys.stdlib_module_names - {*PACKAGES, *MODULES}
        if not declared & {canonicalize_name(owner) for owner in owners.get(name, ["unknown"])}
    ]
    assert undeclared == []


def test_the_jars_are_those_of_the_locked_spark_and_delta() -> None:
    pins = locked_versions()
    spark_series = ".".join(pins["pyspark"].split(".")[:2])
    assert f"io.delta:delta-spark_{spark_series}_2.13:{pins['delta-spark']}" == DELTA_PACKAGE
