"""Executors run in the environment that is packed for them; here with a single small package."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.submit.conftest import ROOT
from tests.support.spark_cluster import SparkHome

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PACKAGE = "annotated-types"
LOOK = """
import json
from pyspark.sql import SparkSession

def look(_):
    import sys, annotated_types
    return json.dumps([sys.prefix, annotated_types.__file__])

context = SparkSession.builder.getOrCreate().sparkContext
print("FOUND", context.parallelize([0], 1).map(look).first())
"""


def test_executors_run_in_the_packed_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = (ROOT / "deploy" / "requirements.lock").read_text(encoding="utf-8")
    entry = re.search(rf"^{PACKAGE}==.*?(?=^[\w.-]+==)", lock, flags=re.MULTILINE | re.DOTALL)
    assert entry is not None
    requirements, archive = tmp_path / "requirements.txt", tmp_path / "env.tar.gz"
    requirements.write_text(entry[0], encoding="utf-8")
    monkeypatch.setenv("UV", str(ROOT / ".venv" / "bin" / "uv"))
    monkeypatch.setenv("PYTHON", sys.executable)
    pack = ["sh", str(ROOT / "deploy" / "pack_environment.sh"), str(archive), str(requirements)]
    done = subprocess.run(pack, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "error sending request" in done.stderr or "dns error" in done.stderr:
        pytest.skip(f"PyPI is unreachable: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{archive}: ")

    look = tmp_path / "look.py"
    look.write_text(LOOK, encoding="utf-8")
    empty = tmp_path / "empty"
    empty.mkdir()
    python = (
        "--conf",
        "spark.pyspark.python=./env/bin/python",
        "--conf",
        f"spark.pyspark.driver.python={sys.executable}",
    )
    done = SparkHome.make(tmp_path / "spark").submit(
        look, master="local-cluster[1,1,1024]", options=("--archives", f"{archive}#env", *python), folder=empty
    )
    found = re.search(r"^FOUND (.*)$", done.stdout, flags=re.MULTILINE)
    assert found is not None, done.stdout + done.stderr
    prefix, package = json.loads(found[1])
    assert prefix.endswith("/env")
    assert package.startswith(f"{prefix}/lib/")
    assert str(ROOT) not in prefix
