"""The nightly job as it runs in production: spark-submit in an empty folder, its code in the zip alone."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.submit.conftest import run_ndvr
from tests.support.catalogue import Video, write_manifest
from tests.support.lakes import read_rows, read_versions

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.submit.conftest import Installed

pytestmark = pytest.mark.slow

TABLES = ("manifest", "descriptors", "quarantine", "embeddings", "pairs", "clusters", "cluster_events", "duplicates")
OF_ONE_RUN = ("run_id", "described_at", "last_tried_at", "next_retry_at")
REPORT = """
import json
from pyspark.sql import functions as F
from pyspark.sql.types import StringType
from jobs.lake.session import start_session

def look(_):
    import models, udfs.describing.describe
    from models.embedding_models import find_model
    dims = find_model("auto", "efficientnet_lite0_ndvr", "efficientnet_lite0_ndvr-1fps-0").load().projection.shape[1]
    return json.dumps([udfs.describing.describe.__file__, models.__file__, dims])

spark = start_session("where the code is")
ids = spark.range(8, numPartitions=4).select(F.udf(look, StringType())("id"))
import jobs.lake.session
print("FOUND", json.dumps([jobs.lake.session.__file__, sorted({row[0] for row in ids.collect()})]))
"""


def contents(lake: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all tables without what differs from run to run."""
    return {
        table: [{k: v for k, v in row.items() if k not in OF_ONE_RUN} for row in read_rows(lake, table)]
        for table in TABLES
    }


def test_the_command_of_the_wheel_runs_the_night(
    local_night: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    lake, done = local_night
    assert done.returncode == 0, done.stderr
    assert "described 3 videos, quarantined 1 NOT_FOUND 1" in done.stderr
    assert [(row["video_id"], row["duplicate_of"]) for row in read_rows(lake, "duplicates")] == [("tiles-low", "tiles")]


def test_its_terminal_shows_the_summary_and_nothing_of_spark(
    local_night: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = local_night
    assert "WARN" not in done.stderr
    assert "ivy" not in done.stderr.lower()
    assert done.stdout == ""


def test_the_command_of_the_wheel_answers_sql_and_leaves_stderr_alone(
    ndvr: Path, local_night: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    query = "SELECT video_id, duplicate_of FROM duplicates"
    done = run_ndvr(ndvr, tmp_path, "sql", query, "--lake", str(local_night[0]), "--format", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["video_id,duplicate_of", "tiles-low,tiles"]


@pytest.fixture(params=["local-cluster[2,1,2048]", "standalone"])
def master(request: pytest.FixtureRequest, installed: Installed, tmp_path: Path) -> Any:
    """Two executors in processes of their own."""
    if request.param != "standalone":
        yield request.param
        return
    with installed.spark.standalone_cluster(tmp_path / "cluster") as url:
        yield url


def test_a_cluster_makes_the_tables_that_one_machine_makes(
    master: str,
    installed: Installed,
    local_night: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    lake = tmp_path / "lake"
    done = installed.submit(tmp_path, *installed.arguments(lake), master=master)
    assert done.returncode == 0, done.stdout + done.stderr
    assert contents(lake) == contents(local_night[0])


def test_driver_and_executors_take_code_and_artefacts_from_the_zip(installed: Installed, tmp_path: Path) -> None:
    script = tmp_path / "report.py"
    script.write_text(REPORT, encoding="utf-8")
    done = installed.submit(tmp_path, master="local-cluster[2,1,1024]", script=script)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"^FOUND (.*)$", done.stdout, flags=re.MULTILINE)
    assert found is not None
    on_driver, on_executors = json.loads(found[1])
    name = installed.zip_file.name
    assert re.fullmatch(rf".*/{name}/jobs/lake/session.py", on_driver)
    assert len(on_executors) in (1, 2)  # one path an executor
    for udfs_file, models_file, dims in map(json.loads, on_executors):
        assert re.fullmatch(rf".*/{name}/udfs/describing/describe.py", udfs_file)
        assert re.fullmatch(rf".*/{name}/models/__init__.py", models_file)
        assert dims > 0


def test_a_wrong_config_ends_with_2(installed: Installed, tmp_path: Path) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text("pairs: {block_rows: 0}\n", encoding="utf-8")
    done = installed.submit(tmp_path, *installed.arguments(tmp_path / "lake", config=config), master="local[1]")
    assert done.returncode == 2, done.stdout
    assert "ndvr: the configuration is not valid:\n  pairs.block_rows: " in done.stdout
    assert not (tmp_path / "lake").exists()


def test_a_manifest_that_breaks_its_contract_ends_with_3(installed: Installed, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("id,uri\n1,a.mp4\n", encoding="utf-8")
    done = installed.submit(tmp_path, *installed.arguments(tmp_path / "lake", manifest), master="local[1]")
    assert done.returncode == 3, done.stdout
    assert f"ndvr: manifest '{manifest}' lacks the column(s) video_id; it has id, uri\n" in done.stdout
    assert read_versions(tmp_path / "lake") == {}


def test_a_night_of_failures_ends_with_4_and_publishes_nothing(
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
