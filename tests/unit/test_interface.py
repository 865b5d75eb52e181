"""The public interface: its names, what it loads, its types as another project sees them, and coexistence."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import venv
import zipfile
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

import ndvr
from tests.support.documented import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = (ROOT / "ndvr" / "__init__.py").read_text(encoding="utf-8")
HEAVY = ("torch", "pyspark", "pandas", "numpy", "pyarrow", "faiss", "av", "cv2", "sklearn", "matplotlib")


def list_typed_names() -> dict[str, str]:
    """Return the names that type checkers import, with their modules."""
    (block,) = (node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    return {
        alias.name: str(node.module) for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def run_python(code: str, folder: Path = ROOT) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_name_that_loads_later_is_typed_and_public() -> None:
    assert list_typed_names() == ndvr._PLACES
    assert ndvr._PLACES.keys() < set(ndvr.__all__)


@pytest.mark.parametrize("name", sorted(ndvr.__all__))
def test_a_public_name_is_that_of_its_module_and_has_a_docstring(name: str) -> None:
    found = getattr(ndvr, name)
    assert found is getattr(import_module(found.__module__), name)
    assert found.__doc__
    assert name in dir(ndvr)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ndvr' has no attribute 'opne'"):
        ndvr.opne  # noqa: B018 - the access is the test


def test_the_import_loads_nothing_heavy() -> None:
    assert run_python(f"import ndvr, sys; print(*sorted(set({HEAVY!r}) & set(sys.modules)))") == ""


def test_every_error_of_a_command_is_public() -> None:
    errors = import_module("jobs.errors")
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert kinds <= set(ndvr.__all__)


def test_after_ndvr_the_name_jobs_means_its_package(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "__init__.py").write_text("OTHER = 1\n", encoding="utf-8")
    assert run_python("import ndvr, jobs; print(jobs.__file__)", tmp_path) == str(ROOT / "jobs" / "__init__.py")


@pytest.mark.slow
def test_another_project_sees_the_types(wheel: Path, tmp_path: Path) -> None:
    """A type checker reads the types of an installed package only if it has py.typed (PEP 561)."""
    environment = tmp_path / "environment"
    venv.create(environment)
    (packages,) = environment.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    project = tmp_path / "project"
    project.mkdir()
    (project / "ours.py").write_text(
        "import ndvr\n"
        "def find(path: str) -> None:\n"
        "    with ndvr.open(path) as lake:\n"
        "        reveal_type(lake.query('a.mp4').exact_match)\n"
        "    reveal_type(ndvr.connect(path).decide(['a', 'b'], 'duplicate', by='ann'))\n"
        "    reveal_type(ndvr.UnreadableVideoError('a', 'b').code)\n"
        "    ndvr.connect(path).decide(['a'], 'keep_this')\n",
        encoding="utf-8",
    )
    check = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(environment / "bin" / "python")]
    done = subprocess.run([*check, "ours.py"], cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        'ours.py:4: note: Revealed type is "str | None"',
        'ours.py:5: note: Revealed type is "bool"',
        'ours.py:6: note: Revealed type is "str"',
        'ours.py:7: error: Missing named argument "by" for "decide" of "Tables"  [call-arg]',
        'ours.py:7: note: "decide" defined in "ndvr.tables"',
        "Found 1 error in 1 file (checked 1 source file)",
    ]
