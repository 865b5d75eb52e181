"""GPUs as Spark assigns them: found by the script that ships, and given to the tasks of one stage alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobs.lake.session import DELTA_PACKAGE
from tests.submit.conftest import ROOT

if TYPE_CHECKING:
    from tests.submit.conftest import Installed

pytestmark = pytest.mark.slow

LOOK = """
import json
from pyspark import TaskContext
from jobs.lake.session import gpu_profile, start_session

def look(batches):
    import pandas as pd
    from models.describer import choose_device
    task = TaskContext.get()
    for _ in batches:
        gpus = task.resources().get("gpu")
        addresses = gpus.addresses if gpus else []
        yield pd.DataFrame({"found": [json.dumps([addresses, task.cpus(), choose_device(addresses)])]})

spark = start_session("GPUs")
one = spark.range(1, numPartitions=1)
for name, profile in (("WITH", gpu_profile(1.0)), ("WITHOUT", gpu_profile(0.0))):
    print(name, one.mapInPandas(look, "found STRING", profile=profile).first()[0])
"""


def test_a_describing_task_has_the_gpu_that_the_script_found_and_other_tasks_have_none(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two worker processes of this machine, whose nvidia-smi is made up."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "nvidia-smi").write_text("#!/bin/sh\necho 3\n", encoding="utf-8")
    (tools / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    script = shutil.copy(ROOT / "deploy" / "spark" / "discover_gpus.sh", tmp_path)
    Path(script).chmod(0o755)
    asked = {
        "spark.worker.resource.gpu.amount": "1",
        "spark.worker.resource.gpu.discoveryScript": script,
        "spark.executor.resource.gpu.amount": "1",
        "spark.executor.resource.gpu.discoveryScript": script,
    }
    conf = tmp_path / "gpu.conf"
    conf.write_text("".join(f"{key} {value}\n" for key, value in asked.items()), encoding="utf-8")
    look = tmp_path / "look.py"
    look.write_text(LOOK, encoding="utf-8")
    options = ("--packages", DELTA_PACKAGE, "--properties-file", str(conf), "--py-files", str(installed.zip_file))
    empty = tmp_path / "empty"
    empty.mkdir()
    done = installed.spark.submit(look, master="local-cluster[1,2,1024]", options=options, folder=empty)
    assert done.returncode == 0, done.stdout + done.stderr
    found = dict(re.findall(r"^(WITH|WITHOUT) (.*)$", done.stdout, flags=re.MULTILINE))
    assert json.loads(found["WITH"]) == [["3"], 1, "cpu"]
    assert json.loads(found["WITHOUT"]) == [[], 1, "cpu"]
