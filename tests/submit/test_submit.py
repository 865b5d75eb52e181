"""The nightly job as in production: spark-submit in an empty folder, with code only in the zip."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.lake.jars import DELTA_PACKAGE
from tests.submit.conftest import ROOT, run_ndvr
from tests.support.catalogue import Video, write_manifest
from tests.support.lakes import read_rows, read_versions

if TYPE_CHECKING:
    import subprocess

    from tests.submit.conftest import Installed

pytestmark = pytest.mark.slow

TABLES = (
    "manifest",
    "thumbnails",
    "descriptors",
    "quarantine",
    "embeddings",
    "pairs",
    "clusters",
    "cluster_events",
    "duplicates",
)
RUN_COLUMNS = ("run_id", "described_at", "last_tried_at", "next_retry_at")
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


def read_content(lake: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all tables without the columns that differ between runs."""
    return {
        table: [{k: v for k, v in row.items() if k not in RUN_COLUMNS} for row in read_rows(lake, table)]
        for table in TABLES
    }


def test_the_command_of_the_wheel_runs_the_nightly_job(
    local_night: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    lake, done = local_night
    assert done.returncode == 0, done.stderr
    assert "described 3 videos, quarantined 1 NOT_FOUND 1" in done.stderr
    assert [(row["video_id"], row["duplicate_of"]) for row in read_rows(lake, "duplicates")] == [("tiles-low", "tiles")]


def test_its_output_has_the_summary_and_no_messages_of_spark(
    local_night: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = local_night
    assert "WARN" not in done.stderr
    assert "ivy" not in done.stderr.lower()
    assert done.stdout == ""


def test_the_command_of_the_wheel_answers_sql_without_output_on_stderr(
    ndvr: Path, local_night: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    query = "SELECT video_id, duplicate_of FROM duplicates"
    done = run_ndvr(ndvr, tmp_path, "sql", query, "--lake", str(local_night[0]), "--format", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["video_id,duplicate_of", "tiles-low,tiles"]


def test_a_cluster_makes_the_same_tables_as_one_machine(
    installed: Installed, local_night: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """A standalone cluster of two executors in separate processes."""
    lake = tmp_path / "lake"
    with installed.spark.standalone_cluster(tmp_path / "cluster") as master:
        done = installed.submit(tmp_path, *installed.arguments(lake), master=master)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_content(lake) == read_content(local_night[0])


def test_spark_submit_runs_a_command_on_the_driver(
    installed: Installed, local_night: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    arguments = ("sql", "SELECT video_id, duplicate_of FROM duplicates", "--lake", str(local_night[0]))
    done = installed.submit(tmp_path, *arguments, "--format", "csv", master="local[1]", script="cli.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-2:] == ["video_id,duplicate_of", "tiles-low,tiles"]


def test_spark_submit_runs_a_command_that_needs_executors(
    installed: Installed, local_night: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Executors read the videos of a report and make its pictures."""
    out = tmp_path / "report"
    arguments = ("report", "--lake", str(local_night[0]), "--out", str(out))
    done = installed.submit(tmp_path, *arguments, master="local-cluster[1,1,1024]", script="cli.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"pairs to review: 1, shown: 1; open {out / 'index.html'}"
    assert len(list((out / "pictures").glob("*-left.jpg"))) == 1


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


def test_the_exit_code_for_an_invalid_config_is_2(installed: Installed, tmp_path: Path) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text("pairs: {block_rows: 0}\n", encoding="utf-8")
    done = installed.submit(tmp_path, *installed.arguments(tmp_path / "lake", config=config), master="local[1]")
    assert done.returncode == 2, done.stdout
    assert "ndvr: the configuration is not valid:\n  pairs.block_rows: " in done.stdout
    assert not (tmp_path / "lake").exists()


def test_the_exit_code_for_a_manifest_that_violates_its_contract_is_3(installed: Installed, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("id,uri\n1,a.mp4\n", encoding="utf-8")
    done = installed.submit(tmp_path, *installed.arguments(tmp_path / "lake", manifest), master="local[1]")
    assert done.returncode == 3, done.stdout
    assert f"ndvr: manifest '{manifest}' lacks the column(s) video_id; it has id, uri\n" in done.stdout
    assert read_versions(tmp_path / "lake") == {}


def test_names_beyond_ascii_work_in_the_locale_c(ndvr: Path, tmp_path: Path) -> None:
    manifest, lake = tmp_path / "\N{SNOWMAN}[1]" / "manifest.csv", tmp_path / "la\N{SNOWMAN}"
    manifest.parent.mkdir()
    manifest.write_text("id,uri\n1,a.mp4\n", encoding="utf-8")
    done = run_ndvr(ndvr, tmp_path, "nightly", "--manifest", str(manifest), "--lake", str(lake), LC_ALL="C")
    assert done.returncode == 3, done.stderr
    assert f"ndvr: manifest '{manifest}' lacks the column(s) video_id; it has id, uri\n" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["libraries", "project", lake.name, manifest.parent.name]
    )


def test_spark_submit_in_the_locale_c_refuses_names_beyond_ascii(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    done = installed.submit(tmp_path, *installed.arguments(tmp_path / "la\N{SNOWMAN}"), master="local[1]")
    assert done.returncode == 2, done.stdout
    assert "set LC_ALL=C.UTF-8 for spark-submit and for the executors\n" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_the_exit_code_for_a_tripped_quality_gate_is_4_and_nothing_is_published(
    installed: Installed, local_night: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    lake = shutil.copytree(local_night[0], tmp_path / "lake")
    manifest = write_manifest(tmp_path / "manifest.csv", (Video("lost", "lost.mp4"),))
    config = tmp_path / "strict.yaml"
    strict = "quality: {min_attempts: 1, max_failed_fraction: 0.1}\n"
    config.write_text(installed.config.read_text(encoding="utf-8") + strict, encoding="utf-8")
    before = read_versions(lake)
    done = installed.submit(tmp_path, *installed.arguments(lake, manifest, config), master="local[2]")
    assert done.returncode == 4, done.stdout
    assert "ndvr: 1 audit tripped:\n  failed_fraction 1: 1 of 1 videos failed (NOT_FOUND 1)" in done.stdout
    after = read_versions(lake)
    assert [after[table] - before[table] for table in ("pairs", "clusters", "duplicates", "runs")] == [0, 0, 0, 1]
