# ruff: noqa: INP001 - Airflow loads it as a file, not as a module of a package
"""The nightly job as an Airflow DAG: spark-submit of the nightly run, then spark-submit of maintenance.

It needs Airflow 3 with `apache-airflow-providers-apache-spark`, the connection `spark_default`, and these variables:
`ndvr_manifest`, `ndvr_lake`, `ndvr_config` (paths or URIs), and `ndvr_home`. The last is a folder on the worker with
`nightly.py` and `maintain.py` (from jobs/), `ndvr-0.1.0.zip` (`make zip`), `env.tar.gz` (deploy/pack_environment.sh),
and, for the driver, the unpacked archive as the folder `env`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.latest_only import LatestOnlyOperator
from airflow.sdk import DAG

HOME = "{{ var.value.ndvr_home }}"
SHARED = {
    "conn_id": "spark_default",
    "packages": "io.delta:delta-spark_4.2_2.13:4.4.0",
    "py_files": f"{HOME}/ndvr-0.1.0.zip",
    "archives": f"{HOME}/env.tar.gz#env",
    "conf": {"spark.speculation": "false"},  # see deploy/spark/spark-defaults-cpu.conf
    # PYSPARK_PYTHON is for executors, where Spark unpacks the archive.
    "env_vars": {"PYSPARK_PYTHON": "./env/bin/python", "PYSPARK_DRIVER_PYTHON": f"{HOME}/env/bin/python"},
}

with DAG(
    dag_id="ndvr_nightly",
    description="Near-duplicate videos: manifest in, duplicates out",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # a run processes all due videos, so missed runs need not be repeated
    max_active_runs=1,  # a late run must not overlap the next one
    default_args={
        # Described videos are kept, so a retry continues there. A tripped quality gate (exit code 4) trips again.
        "retries": 1,
        "retry_delay": timedelta(minutes=10),
    },
    tags=["ndvr"],
) as dag:
    nightly = SparkSubmitOperator(
        task_id="nightly",
        application=f"{HOME}/nightly.py",
        name="ndvr nightly {{ ds }}",
        application_args=[
            "--manifest",
            "{{ var.value.ndvr_manifest }}",
            "--lake",
            "{{ var.value.ndvr_lake }}",
            "--config",
            "{{ var.value.ndvr_config }}",
            "--run-date",
            "{{ ds }}",
            "--json",
        ],
        **SHARED,
    )
    latest_only = LatestOnlyOperator(task_id="latest_only")  # no maintenance after a repeated run of an earlier date
    maintain = SparkSubmitOperator(
        task_id="maintain",
        application=f"{HOME}/maintain.py",
        name="ndvr maintain {{ ds }}",
        application_args=[
            "--lake",
            "{{ var.value.ndvr_lake }}",
            "--config",
            "{{ var.value.ndvr_config }}",
            "--json",
        ],
        **SHARED,
    )
    nightly >> latest_only >> maintain
