"""The files of deploy/ agree with the project: versions, options of commands, settings, schedules, scripts."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from jobs.config.loading import load_config
from jobs.lake.jars import DELTA_PACKAGE

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
SETUP = (ROOT / "setup.py").read_text(encoding="utf-8")
LOCK = (DEPLOY / "requirements.lock").read_text(encoding="utf-8")
SCRIPTS = sorted(DEPLOY.rglob("*.sh"))
CONFS = ("spark/spark-defaults-cpu.conf", "spark/spark-defaults-gpu.conf")
# Kind -> fields, from the reference of the Spark operator of Kubeflow (docs/api-docs.md of kubeflow/spark-operator).
POD = {
    *("affinity", "annotations", "configMaps", "coreLimit", "cores", "env", "envFrom", "envSecretKeyRefs", "gpu"),
    *("hostNetwork", "image", "initContainers", "labels", "memory", "memoryOverhead", "nodeSelector", "secrets"),
    *("podSecurityContext", "schedulerName", "securityContext", "serviceAccount", "sidecars", "template"),
    *("terminationGracePeriodSeconds", "tolerations", "volumeMounts"),
}
OPERATOR: dict[str, set[str]] = {
    "schedule": {"schedule", "template", "suspend", "concurrencyPolicy", "timeZone"}
    | {"successfulRunHistoryLimit", "failedRunHistoryLimit"},
    "application": {
        *("type", "sparkVersion", "mode", "image", "imagePullPolicy", "imagePullSecrets", "mainClass", "arguments"),
        *("mainApplicationFile", "sparkConf", "hadoopConf", "sparkConfigMap", "hadoopConfigMap", "volumes", "driver"),
        *("executor", "deps", "restartPolicy", "nodeSelector", "failureRetries", "retryInterval", "pythonVersion"),
        *("memoryOverheadFactor", "monitoring", "batchScheduler", "timeToLiveSeconds", "batchSchedulerOptions"),
        *("sparkUIOptions", "dynamicAllocation", "proxyUser"),
    },
    "driver": POD | {"podName", "coreRequest", "javaOptions", "lifecycle", "kubernetesMaster", "serviceAnnotations"},
    "executor": POD | {"instances", "coreRequest", "javaOptions", "lifecycle", "deleteOnTermination", "ports"},
    "restartPolicy": {"type", "onFailureRetries", "onFailureRetryInterval"}
    | {"onSubmissionFailureRetries", "onSubmissionFailureRetryInterval"},
    "dynamicAllocation": {"enabled", "initialExecutors", "minExecutors", "maxExecutors", "shuffleTrackingTimeout"},
}
CRON_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def read(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def options_of(command: str) -> set[str]:
    """Return the options of `ndvr COMMAND`, which are also those of the script for spark-submit."""
    parameters = typer.main.get_command(import_module(f"jobs.{command}").app).params
    return {option for parameter in parameters for option in parameter.opts}


def unknown_options(command: str, arguments: list[str]) -> set[str]:
    """Return the options in a list of arguments that a command does not have."""
    return {argument for argument in arguments if argument.startswith("--")} - options_of(command)


def read_conf(name: str) -> dict[str, str]:
    """Read a file of Spark properties."""
    lines = [line for line in read(name).splitlines() if line and not line.startswith("#")]
    return dict(line.split(maxsplit=1) for line in lines)  # type: ignore[misc]


def find_cron_errors(schedule: str) -> list[str]:
    """Return the fields of a schedule that cron rejects."""
    fields = schedule.split()
    if len(fields) != len(CRON_LIMITS):
        return [f"{len(fields)} fields"]
    numbers = [(field, limits) for field, limits in zip(fields, CRON_LIMITS, strict=True) if field != "*"]
    return [field for field, (low, high) in numbers if not (field.isdecimal() and low <= int(field) <= high)]


@pytest.fixture(scope="module")
def kubernetes() -> tuple[dict[str, Any], dict[str, Any]]:
    scheduled, settings = yaml.safe_load_all(read("kubernetes/ndvr-nightly.yaml"))
    return scheduled, settings


@pytest.fixture(scope="module")
def bundle() -> dict[str, Any]:
    read_bundle: dict[str, Any] = yaml.safe_load(read("databricks/databricks.yml"))
    return read_bundle


# ---- versions ----


def test_every_file_has_the_versions_of_setup_and_lock() -> None:
    files = {path for path in DEPLOY.rglob("*.*") if path.is_file()} | {DEPLOY / "docker" / "Dockerfile"}
    texts = {path: path.read_text(encoding="utf-8") for path in files - {DEPLOY / "requirements.lock"}}
    (version,) = re.findall(r'^    version="(.*)",$', SETUP, flags=re.MULTILINE)
    for path, text in texts.items():
        assert set(re.findall(r"io\.delta:[\w.:-]+", text)) <= {DELTA_PACKAGE}, path
        assert set(re.findall(r"ndvr[-:](\d[\d.]*\d)", text)) <= {version}, path


def test_kubernetes_uses_the_locked_version_of_spark(kubernetes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert f"pyspark=={kubernetes[0]['spec']['template']['sparkVersion']} " in LOCK


# ---- commands ----


def test_kubernetes_passes_valid_options(kubernetes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    arguments = kubernetes[0]["spec"]["template"]["arguments"]
    assert {"--manifest", "--lake"} <= set(arguments)
    assert unknown_options("nightly", arguments) == set()


def test_databricks_passes_valid_options_to_existing_files(bundle: dict[str, Any]) -> None:
    tasks = bundle["resources"]["jobs"]["ndvr_nightly"]["tasks"]
    assert [task["task_key"] for task in tasks] == ["nightly", "maintain"]
    for task in tasks:
        script = task["spark_python_task"]
        assert unknown_options(task["task_key"], script["parameters"]) == set()
        assert (DEPLOY / "databricks" / script["python_file"]).resolve() == ROOT / "jobs" / f"{task['task_key']}.py"
        assert {"whl": "../../dist/ndvr-0.1.0-py3-none-any.whl"} in task["libraries"]


def test_databricks_declares_exactly_the_variables_that_it_uses(bundle: dict[str, Any]) -> None:
    used = set(re.findall(r"\$\{var\.(\w+)\}", read("databricks/databricks.yml")))
    assert used == bundle["variables"].keys()


def test_databricks_uses_the_faiss_version_of_setup(bundle: dict[str, Any]) -> None:
    (version,) = re.findall(r'^FAISS_VERSION = "(.*)"$', SETUP, flags=re.MULTILINE)
    for task in bundle["resources"]["jobs"]["ndvr_nightly"]["tasks"]:
        assert {"pypi": {"package": f"faiss-cpu{version}"}} in task["libraries"]


def test_cron_has_valid_commands_and_schedules() -> None:
    lines = [line for line in read("cron/ndvr").splitlines() if line[0] in "*0123456789"]
    assert len(lines) == 2
    for line in lines:
        *fields, user, rest = line.split(maxsplit=6)
        assert find_cron_errors(" ".join(fields)) == []
        assert user == "ndvr"
        words = shlex.split(rest)
        command = words[words.index("ndvr", 4 if words[0] == "flock" else 0) :]
        assert command[0] == "ndvr"
        assert unknown_options(command[1], command[2:]) == set()
        assert "%" not in line, "cron reads % as the end of the line"
    assert read("cron/ndvr").endswith("\n"), "cron ignores a last line without a line break"


@pytest.mark.parametrize("schedule", ["60 2 * * *", "0 24 * * *", "0 2 * *", "0 2 0 * *", "0 2 * * 8", "0 two * * *"])
def test_an_invalid_schedule_is_found(schedule: str) -> None:
    assert find_cron_errors(schedule)


def test_kubernetes_and_airflow_start_at_the_time_of_cron(kubernetes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert "\n0 2 * * *  ndvr  flock" in read("cron/ndvr")
    assert kubernetes[0]["spec"]["schedule"] == "0 2 * * *"
    assert 'schedule="0 2 * * *"' in read("airflow/ndvr_nightly.py")


# ---- schemas ----


def test_kubernetes_has_only_fields_of_the_operator(kubernetes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    scheduled, settings = kubernetes
    assert (scheduled["apiVersion"], scheduled["kind"]) == ("sparkoperator.k8s.io/v1beta2", "ScheduledSparkApplication")
    application = scheduled["spec"]["template"]
    assert scheduled["spec"].keys() - OPERATOR["schedule"] == set()
    assert application.keys() - OPERATOR["application"] == set()
    for part in ("driver", "executor", "restartPolicy", "dynamicAllocation"):
        assert application[part].keys() - OPERATOR[part] == set(), part
    assert (application["type"], application["mode"]) == ("Python", "cluster")
    assert scheduled["spec"]["concurrencyPolicy"] in {"Allow", "Forbid", "Replace"}
    assert application["restartPolicy"]["type"] in {"Never", "Always", "OnFailure"}
    assert all(isinstance(value, str) for value in application["sparkConf"].values())
    assert (settings["apiVersion"], settings["kind"]) == ("v1", "ConfigMap")


def test_the_pod_reads_the_settings_of_its_config_map(kubernetes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    scheduled, settings = kubernetes
    application = scheduled["spec"]["template"]
    (mounted,) = application["driver"]["configMaps"]
    assert mounted["name"] == settings["metadata"]["name"]
    assert scheduled["metadata"]["namespace"] == settings["metadata"]["namespace"]
    (file,) = settings["data"]
    assert application["arguments"][application["arguments"].index("--config") + 1] == f"{mounted['path']}/{file}"


def test_the_settings_are_valid(kubernetes: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "ndvr.yaml"
    file.write_text(kubernetes[1]["data"]["ndvr.yaml"], encoding="utf-8")
    assert load_config(file).metrics.pushgateway_url == "http://pushgateway.monitoring:9091"
    gpu = load_config(DEPLOY / "spark" / "ndvr-gpu.yaml")
    assert gpu.describe.gpus_per_task == 1
    cores = int(read_conf("spark/spark-defaults-gpu.conf")["spark.executor.cores"])
    assert gpu.describe.decoders_per_task == cores - 1


# ---- Spark ----


def test_every_group_of_spark_properties_has_a_comment() -> None:
    """A blank line ends a group."""
    for name in CONFS:
        for block in read(name).split("\n\n"):
            settings = [line for line in block.splitlines() if line and not line.startswith("#")]
            assert not settings or block.startswith("#"), settings


def test_gpus_are_requested_by_stage_and_not_by_every_task() -> None:
    conf = read_conf("spark/spark-defaults-gpu.conf")
    assert conf["spark.executor.resource.gpu.amount"] == "1"
    assert "spark.task.resource.gpu.amount" not in conf
    assert conf["spark.dynamicAllocation.enabled"] == "false"
    assert f"/{Path(conf['spark.executor.resource.gpu.discoveryScript']).name} " in read("docker/Dockerfile")


# ---- scripts ----


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_valid_shell(script: Path) -> None:
    assert script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    done = subprocess.run(["/bin/sh", "-n", str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def run_with(tools: dict[str, str], folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command with fake tools first on PATH."""
    for name, text in tools.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"} | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("printed", "addresses"), [("0", ["0"]), ("0\n1\n10", ["0", "1", "10"]), ("", [])], ids=["one", "three", "none"]
)
def test_the_addresses_for_spark_are_the_indexes_of_nvidia_smi(
    tmp_path: Path, printed: str, addresses: list[str]
) -> None:
    script = str(DEPLOY / "spark" / "discover_gpus.sh")
    done = run_with({"nvidia-smi": f"printf '%s\\n' '{printed}'"}, tmp_path, "sh", script)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"name": "gpu", "addresses": addresses}


def test_the_discovery_fails_with_the_message_of_nvidia_smi(tmp_path: Path) -> None:
    broken = "echo 'NVIDIA-SMI has failed' >&2; exit 9"
    done = run_with({"nvidia-smi": broken}, tmp_path, "sh", str(DEPLOY / "spark" / "discover_gpus.sh"))
    assert (done.returncode, done.stdout) == (9, "")
    assert "NVIDIA-SMI has failed" in done.stderr


SHOW = """for argument in "$@"; do printf '%s\\n' "$argument"; done"""


def test_the_image_starts_a_driver_as_spark_on_kubernetes_expects(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    done = run_with(
        {"bin/spark-submit": SHOW},
        tmp_path,
        *("sh", str(DEPLOY / "docker" / "entrypoint.sh"), "driver", "--properties-file", "/opt/spark/conf/a b", "x.py"),
        SPARK_HOME=str(tmp_path),
        SPARK_DRIVER_BIND_ADDRESS="10.0.0.1",
    )
    assert done.stdout.splitlines() == [
        *("--conf", "spark.driver.bindAddress=10.0.0.1", "--deploy-mode", "client"),
        *("--properties-file", "/opt/spark/conf/a b", "x.py"),
    ], done.stderr


def test_the_image_starts_an_executor_with_the_options_of_the_driver(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    variables = {"APPLICATION_ID": "spark-1", "DRIVER_URL": "spark://d:7078", "EXECUTOR_ID": "2", "EXECUTOR_CORES": "4"}
    variables |= {"EXECUTOR_MEMORY": "6g", "EXECUTOR_POD_IP": "10.0.0.2", "EXECUTOR_POD_NAME": "pod", "HOME": "/spark"}
    variables |= {"JAVA_OPT_0": "-Da=b c", "JAVA_OPT_1": "-Dd=$e", "RESOURCE_PROFILE_ID": "1"}
    done = run_with(
        {"bin/java": SHOW},
        tmp_path,
        *("sh", str(DEPLOY / "docker" / "entrypoint.sh"), "executor"),
        JAVA_HOME=str(tmp_path),
        **{f"SPARK_{name}": value for name, value in variables.items()},
    )
    assert done.stdout.splitlines() == [
        *("-Da=b c", "-Dd=$e", "-Xms6g", "-Xmx6g", "-cp", "/spark/conf:/spark/jars/*"),
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        *("--driver-url", "spark://d:7078", "--executor-id", "2", "--cores", "4", "--app-id", "spark-1"),
        *("--hostname", "10.0.0.2", "--resourceProfileId", "1", "--podName", "pod"),
    ], done.stderr


def test_any_other_command_is_run_unchanged(tmp_path: Path) -> None:
    script = str(DEPLOY / "docker" / "entrypoint.sh")
    assert run_with({}, tmp_path, "sh", script, "echo", "a b").stdout == "a b\n"


def test_the_image_pins_its_base_installs_with_hashes_and_runs_without_root() -> None:
    lines = [line for line in read("docker/Dockerfile").splitlines() if not line.startswith("#")]
    (base,) = [line for line in lines if line.startswith("FROM ")]
    assert re.fullmatch(r"FROM python:3\.11\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", base)
    text = "\n".join(lines)
    assert text.count("--require-hashes") == 2
    assert "USER 185" in text
    assert text.index("USER 185") < text.index("ENTRYPOINT")
    copied = re.findall(r"^COPY (.*)$", text, flags=re.MULTILINE)
    sources = [source for line in copied for source in line.split()[:-1] if not source.startswith("dist/")]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert 'ENTRYPOINT ["/usr/bin/tini", "-g", "--", "sh", "/opt/ndvr/entrypoint.sh"]' in lines
