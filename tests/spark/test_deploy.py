"""The properties of deploy/ exist in the registry of Spark."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DEPLOY = Path(__file__).parents[2] / "deploy"
# Spark builds these names from those of the resource and the variable.
COMPOSED = re.compile(
    r"spark\.(executor|task|driver)\.resource\.gpu\.(amount|discoveryScript|vendor)|spark\.executorEnv\.\w+"
)


def knows(spark: SparkSession, key: str) -> bool:
    """Return whether Spark core or SQL has a property of this name."""
    assert spark._jvm is not None
    core = spark._jvm.org.apache.spark.internal.config.ConfigEntry.findEntry(key)
    return core is not None or COMPOSED.fullmatch(key) is not None


def keys_of(name: str) -> list[str]:
    lines = (DEPLOY / "spark" / name).read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("name", ["spark-defaults-cpu.conf", "spark-defaults-gpu.conf"])
def test_every_property_of_the_spark_defaults_exists(spark: SparkSession, name: str) -> None:
    keys = keys_of(name)
    assert len(keys) >= 8
    assert [key for key in keys if not knows(spark, key)] == []


def test_the_spark_properties_of_kubernetes_and_databricks_exist(spark: SparkSession) -> None:
    kubernetes = next(yaml.safe_load_all((DEPLOY / "kubernetes" / "ndvr-nightly.yaml").read_text(encoding="utf-8")))
    bundle = yaml.safe_load((DEPLOY / "databricks" / "databricks.yml").read_text(encoding="utf-8"))
    (cluster,) = bundle["resources"]["jobs"]["ndvr_nightly"]["job_clusters"]
    keys = [*kubernetes["spec"]["template"]["sparkConf"], *cluster["new_cluster"]["spark_conf"]]
    assert [key for key in keys if not knows(spark, key)] == []


def test_a_wrong_property_is_found(spark: SparkSession) -> None:
    assert not knows(spark, "spark.dynamicAllocation.maxExecutor")
    assert not knows(spark, "spark.executor.resource.gpu.amuont")
