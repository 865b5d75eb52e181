"""The wrong Spark is refused before it starts; spark-defaults.conf is read as Spark reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyspark
import pytest

from jobs.errors import UsageError
from jobs.lake.spark_installation import check_spark, find_spark_home, read_defaults

if TYPE_CHECKING:
    from pathlib import Path


def make_spark(home: Path, version: str) -> Path:
    for file in (home / "bin" / "spark-submit", home / "jars" / f"spark-core_2.13-{version}.jar"):
        file.parent.mkdir(parents=True)
        file.touch()
    return home


def test_the_spark_of_pyspark_is_accepted(tmp_path: Path) -> None:
    check_spark(find_spark_home({}), {})
    check_spark(make_spark(tmp_path, pyspark.__version__), {"SPARK_API_MODE": "classic"})


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SPARK_REMOTE": "sc://host"}, "SPARK_REMOTE is 'sc://host', which selects Spark Connect"),
        ({"SPARK_CONNECT_MODE_ENABLED": "1"}, "SPARK_CONNECT_MODE_ENABLED is '1', which selects Spark Connect"),
        ({"SPARK_API_MODE": "Connect"}, "SPARK_API_MODE is 'Connect', which selects Spark Connect"),
    ],
)
def test_spark_connect_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_spark(find_spark_home({}), environment)


def test_a_folder_without_spark_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"SPARK_HOME is '.*', which has no bin/spark-submit; unset it"):
        check_spark(find_spark_home({"SPARK_HOME": str(tmp_path)}), {})


def test_spark_of_another_version_is_refused(tmp_path: Path) -> None:
    home = make_spark(tmp_path, "3.5.1")
    with pytest.raises(UsageError, match=rf"with Spark 3\.5\.1, but PySpark is {pyspark.__version__}; unset"):
        check_spark(home, {})


def test_properties_are_separated_by_blanks_equals_or_colons(tmp_path: Path) -> None:
    file = tmp_path / "conf" / "spark-defaults.conf"
    file.parent.mkdir()
    file.write_text(
        "# spark.commented 1\n\nspark.jars   /a.jar,/b.jar  \nspark.jars.ivy=/ivy\nspark.driver.memory: 2g\n"
        "spark.driver.extraJavaOptions  -Da=b -Dc=d\n",
        encoding="utf-8",
    )
    expected = {
        "spark.jars": "/a.jar,/b.jar",
        "spark.jars.ivy": "/ivy",
        "spark.driver.memory": "2g",
        "spark.driver.extraJavaOptions": "-Da=b -Dc=d",
    }
    assert read_defaults(tmp_path, {}) == expected
    assert read_defaults(tmp_path / "other", {"SPARK_CONF_DIR": str(tmp_path / "conf")}) == expected
    assert read_defaults(tmp_path / "other", {}) == {}


def test_unreadable_properties_are_reported(tmp_path: Path) -> None:
    (tmp_path / "conf" / "spark-defaults.conf").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"cannot read '.*spark-defaults\.conf': Is a directory; correct"):
        read_defaults(tmp_path, {})
