"""The nightly job as in production: spark-submit in an empty folder, with code only in the zip."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.lake.jars import DELTA_PACKAGE
from tests.submit.conftest import run_ndvr
from tests.support.catalogue import Video, write_manifest
from tests.support.lakes import read_rows, read_versions
from tests.support.object_store import S3_PACKAGE, find_connector_jars, run_object_store
from tests.support.spark_cluster import can_hide_files

if TYPE_CHECKING:
    import subprocess

    from tests.submit.conftest import Installed

pytestmark = pytest.mark.slow

IVY_HOME = Path.home() / ".ivy2.5.2"

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
PLACE_COLUMNS = ("uri", "modified_at", "error_detail")
"""What differs between the same videos in two places."""
READ = """
import json
from pyspark.sql import SparkSession

spark = SparkSession.builder.enableHiveSupport().getOrCreate()
queries = ("SELECT video_id, duplicate_of FROM ndvr.duplicates", "SELECT duplicate_of FROM ndvr.current_duplicates")
print("ROWS", json.dumps([[list(row) for row in spark.sql(query).collect()] for query in queries]))
"""


def read_content(lake: Path, without: tuple[str, ...] = RUN_COLUMNS) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all tables, sorted, without the columns that may differ."""
    rows = {
        table: [{k: v for k, v in row.items() if k not in without} for row in read_rows(lake, table)]
        for table in TABLES
    }
    return {table: sorted(found, key=str) for table, found in rows.items()}


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


def test_a_cluster_without_a_shared_disk_makes_the_same_tables_in_a_store(
    installed: Installed,
    local_night: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Manifest, videos and lake are on an S3 server. The executors see no file of the driver and no credential."""
    if not find_connector_jars() or not can_hide_files():
        pytest.skip("make test downloads the S3 connector; hiding files takes user namespaces")
    driver, lake = tmp_path / "driver", tmp_path / "lake"
    driver.mkdir()
    shutil.copy(installed.config, driver)
    hidden = (driver, installed.scripts, installed.manifest.parent, installed.zip_file, installed.config, IVY_HOME)
    with run_object_store() as store:
        bucket = store.make_bucket()
        store.upload(installed.manifest.parent, bucket)
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TMPDIR", str(driver))
        with installed.spark.standalone_cluster(tmp_path / "cluster", hidden) as master:
            arguments = ("--manifest", f"s3://{bucket}/manifest.csv", "--lake", f"s3://{bucket}/lake")
            settings = ("--config", str(driver / installed.config.name))
            done = installed.submit(driver, *arguments, *settings, master=master, packages=(DELTA_PACKAGE, S3_PACKAGE))
        assert done.returncode == 0, done.stdout + done.stderr
        store.download(bucket, "lake", lake)
    assert {"".join(file.suffixes) for file in (lake / "_logs").iterdir()} >= {".jsonl", ".summary.json"}
    differing = (*RUN_COLUMNS, *PLACE_COLUMNS)
    assert read_content(lake, differing) == read_content(local_night[0], differing)


def test_spark_submit_runs_a_command_on_the_driver(
    installed: Installed, local_night: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    arguments = ("sql", "SELECT video_id, duplicate_of FROM duplicates", "--lake", str(local_night[0]))
    done = installed.submit(tmp_path, *arguments, "--format", "csv", master="local[1]", script="cli.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-2:] == ["video_id,duplicate_of", "tiles-low,tiles"]


def test_another_session_reads_the_tables_and_views_of_a_hive_metastore(
    ndvr: Path, installed: Installed, local_night: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    metastore = {
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.warehouse.dir": str(tmp_path / "warehouse"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={tmp_path}/metastore;create=true",
    }
    arguments = ("views", "--lake", str(local_night[0]), "--schema", "ndvr", "--tables")
    created = run_ndvr(ndvr, tmp_path, *arguments, NDVR_SPARK__CONF=json.dumps(metastore))
    assert created.returncode == 0, created.stderr
    assert {"`ndvr`.`duplicates`", "`ndvr`.`current_duplicates`"} <= set(created.stdout.splitlines())
    script = tmp_path / "read.py"
    script.write_text(READ, encoding="utf-8")
    delta = {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    }
    options = [part for key, value in (metastore | delta).items() for part in ("--conf", f"{key}={value}")]
    read = installed.spark.submit(
        script, master="local[1]", options=("--packages", DELTA_PACKAGE, *options), folder=tmp_path
    )
    assert read.returncode == 0, read.stdout + read.stderr
    (rows,) = (line.removeprefix("ROWS ") for line in read.stdout.splitlines() if line.startswith("ROWS "))
    assert json.loads(rows) == [[["tiles-low", "tiles"]], [["tiles"]]]


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
