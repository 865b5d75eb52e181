"""Builds the wheel as for a release."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("ndvr", "jobs", "udfs", "models")
MODULES = ("ndvr_start",)


def build_wheel(folder: Path) -> None:
    """Build the wheel in a folder, from a copy of the sources so that nothing is left in the repository.

    The copy contains the tests too, which must not be in the wheel.
    """
    source = folder / "source"
    source.mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", *(f"{module}.py" for module in MODULES)):
        shutil.copy(ROOT / name, source)
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "."]
    done = subprocess.run([*build, "--wheel-dir", str(folder)], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
