"""What executors find: code and artefacts in the zip, and the GPU of their task."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.lake.jars import DELTA_PACKAGE
from tests.submit.conftest import ROOT

if TYPE_CHECKING:
    from tests.submit.conftest import Installed

pytestmark = pytest.mark.slow

LOOK = """
import json
from pyspark import TaskContext
from pyspark.sql import functions as F
from pyspark.sql.types import StringType
from jobs.lake.session import gpu_profile, start_session

def find_code(_):
    import models, udfs.describing.describe
    from models.embedding_models import find_model
    dims = find_model("auto", "efficientnet_lite0_ndvr", "efficientnet_lite0_ndvr-1fps-0").load().projection.shape[1]
    return json.dumps([udfs.describing.describe.__file__, models.__file__, dims])

def find_gpus(batches):
    import pandas as pd
    from models.describer import choose_device
    task = TaskContext.get()
    for _ in batches:
        gpus = task.resources().get("gpu")
        addresses = gpus.addresses if gpus else []
        yield pd.DataFrame({"found": [json.dumps([addresses, task.cpus(), choose_device(addresses)])]})

spark = start_session("found by tasks")
ids = spark.range(8, numPartitions=4).select(F.udf(find_code, StringType())("id"))
import jobs.lake.session
print("CODE", json.dumps([jobs.lake.session.__file__, sorted({row[0] for row in ids.collect()})]))
one = spark.range(1, numPartitions=1)
for name, profile in (("WITH", gpu_profile(1.0)), ("WITHOUT", gpu_profile(0.0))):
    print(name, one.mapInPandas(find_gpus, "found STRING", profile=profile).first()[0])
"""


@pytest.fixture(scope="module")
def found(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a script finds on the driver and in tasks on two executors, each with a GPU of a fake nvidia-smi."""
    folder = tmp_path_factory.mktemp("found")
    tools, empty = folder / "bin", folder / "empty"
    tools.mkdir()
    empty.mkdir()
    (tools / "nvidia-smi").write_text("#!/bin/sh\necho 3\n", encoding="utf-8")
    discover = Path(shutil.copy(ROOT / "deploy" / "spark" / "discover_gpus.sh", folder))
    for tool in (tools / "nvidia-smi", discover):
        tool.chmod(0o755)
    asked = {f"spark.{of}.resource.gpu.amount": "1" for of in ("worker", "executor")}
    asked |= {f"spark.{of}.resource.gpu.discoveryScript": str(discover) for of in ("worker", "executor")}
    conf = folder / "gpu.conf"
    conf.write_text("".join(f"{key} {value}\n" for key, value in asked.items()), encoding="utf-8")
    script = folder / "look.py"
    script.write_text(LOOK, encoding="utf-8")
    options = ("--packages", DELTA_PACKAGE, "--properties-file", str(conf), "--py-files", str(installed.zip_file))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tools), prepend=":")
        done = installed.spark.submit(script, master="local-cluster[2,1,1024]", options=options, folder=empty)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = re.findall(r"^(CODE|WITH|WITHOUT) (.*)$", done.stdout, flags=re.MULTILINE)
    return {name: json.loads(text) for name, text in lines}


def test_driver_and_executors_use_code_and_artefacts_of_the_zip(installed: Installed, found: dict[str, Any]) -> None:
    on_driver, on_executors = found["CODE"]
    name = installed.zip_file.name
    assert re.fullmatch(rf".*/{name}/jobs/lake/session.py", on_driver)
    assert len(on_executors) in (1, 2)  # one path for each executor
    for udfs_file, models_file, dims in map(json.loads, on_executors):
        assert re.fullmatch(rf".*/{name}/udfs/describing/describe.py", udfs_file)
        assert re.fullmatch(rf".*/{name}/models/__init__.py", models_file)
        assert dims > 0


def test_only_a_describing_task_has_the_gpu_of_its_executor(found: dict[str, Any]) -> None:
    assert found["WITH"] == [["3"], 1, "cpu"]
    assert found["WITHOUT"] == [[], 1, "cpu"]
