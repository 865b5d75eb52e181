"""Spark starts with the JARs of Delta on this machine, and keeps those of the operator."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from jobs.errors import UsageError
from jobs.lake.jars import (
    DELTA,
    DELTA_PACKAGE,
    Package,
    choose_jar_settings,
    find_jars,
    merge_into_arguments,
)

STORAGE = "delta-storage-4.4.0.jar"


def make_jar(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "")
    return file


def name_jar(coordinate: str, *, in_ivy: bool) -> str:
    group, artifact, version = coordinate.split(":")
    return f"{group}_{artifact}-{version}.jar" if in_ivy else f"{artifact}-{version}.jar"


@pytest.fixture
def spark_home(tmp_path: Path) -> Path:
    make_jar(tmp_path / "spark" / "jars" / "spark-core_2.13-4.2.0.jar")
    return tmp_path / "spark"


@pytest.fixture
def ivy(tmp_path: Path) -> dict[str, str]:
    """Return the property of a cache of Ivy that has all JARs."""
    for coordinate in DELTA.jars:
        make_jar(tmp_path / "ivy" / "jars" / name_jar(coordinate, in_ivy=True))
    return {"spark.jars.ivy": str(tmp_path / "ivy")}


def fill_spark(spark_home: Path) -> None:
    for coordinate in DELTA.jars:
        make_jar(spark_home / "jars" / name_jar(coordinate, in_ivy=False))


def test_jars_beside_those_of_spark_need_no_setting(spark_home: Path, tmp_path: Path) -> None:
    fill_spark(spark_home)
    jars = find_jars([DELTA], spark_home, {"spark.jars.ivy": str(tmp_path / "none")})
    assert (jars.cached, jars.missing) == ((), ())
    assert choose_jar_settings(jars, {}) == {}


def test_jars_in_the_ivy_cache_are_passed_as_files(spark_home: Path, ivy: dict[str, str]) -> None:
    jars = find_jars([DELTA], spark_home, ivy)
    assert jars.missing == ()
    settings = choose_jar_settings(jars, {})
    assert list(settings) == ["spark.jars"]
    assert settings["spark.jars"].split(",")[0].endswith("/ivy/jars/io.delta_delta-spark_4.2_2.13-4.4.0.jar")
    assert len(settings["spark.jars"].split(",")) == len(DELTA.jars)


def test_a_jar_that_spark_has_is_not_added(spark_home: Path, ivy: dict[str, str]) -> None:
    make_jar(spark_home / "jars" / STORAGE)
    make_jar(spark_home / "jars" / "commons-logging-1.2.jar")  # a dependency may have another version
    names = [file.name for file in find_jars([DELTA], spark_home, ivy).cached]
    assert len(names) == len(DELTA.jars) - 2
    assert not [name for name in names if "storage" in name or "logging" in name]


@pytest.mark.parametrize(("is_damaged", "remark"), [(False, ""), (True, " (damaged)")])
def test_a_missing_jar_is_named_and_spark_resolves_the_package(
    spark_home: Path, ivy: dict[str, str], *, is_damaged: bool, remark: str
) -> None:
    cached = Path(ivy["spark.jars.ivy"]) / "jars" / f"io.delta_{STORAGE}"
    cached.write_bytes(b"half a jar")
    if not is_damaged:
        cached.unlink()
    jars = find_jars([DELTA], spark_home, ivy)
    assert (jars.missing, jars.incomplete) == ((f"{STORAGE}{remark}",), (DELTA,))
    assert choose_jar_settings(jars, {}) == {"spark.jars.packages": DELTA_PACKAGE}
    assert jars.describe_missing() == (
        f"JARs of Delta are missing on this machine: {STORAGE}{remark}; they are in none of {spark_home}/jars, "
        f"{ivy['spark.jars.ivy']}/jars. Connect the machine to repo1.maven.org once, or copy them to {spark_home}/jars"
    )


def test_a_damaged_jar_of_spark_is_missing(spark_home: Path, tmp_path: Path) -> None:
    fill_spark(spark_home)
    (spark_home / "jars" / STORAGE).write_bytes(b"")
    jars = find_jars([DELTA], spark_home, {"spark.jars.ivy": str(tmp_path / "none")})
    assert jars.missing == (f"{STORAGE} (damaged)",)


def test_another_version_of_delta_is_refused(spark_home: Path, ivy: dict[str, str]) -> None:
    make_jar(spark_home / "jars" / "delta-storage-4.0.0.jar")
    with pytest.raises(
        UsageError, match=r"delta-storage-4\.0\.0\.jar' is another version of Delta than 4\.4\.0; delete"
    ):
        find_jars([DELTA], spark_home, ivy)


def test_the_caches_are_in_the_home_folders(spark_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folders = find_jars([DELTA], spark_home, {}).searched
    assert folders[0] == spark_home / "jars"
    assert tmp_path / ".ivy2.5.2" / "jars" in folders


def test_jars_and_packages_of_the_operator_are_kept(spark_home: Path, ivy: dict[str, str], tmp_path: Path) -> None:
    given = {"spark.jars": "/opt/a.jar, /opt/b.jar", "spark.jars.packages": "org.postgresql:postgresql:42.7.4"}
    local = choose_jar_settings(find_jars([DELTA], spark_home, ivy), given)
    assert list(local) == ["spark.jars"]  # the packages are those of spark-defaults.conf
    assert local["spark.jars"].startswith("/opt/a.jar,/opt/b.jar,/")
    missing = find_jars([DELTA], spark_home, {"spark.jars.ivy": str(tmp_path / "none")})
    assert choose_jar_settings(missing, given) == {
        "spark.jars.packages": f"org.postgresql:postgresql:42.7.4,{DELTA_PACKAGE}"
    }


def test_options_of_spark_submit_that_override_settings_get_the_jars_too() -> None:
    arguments = "--jars /opt/a.jar --packages org:name:1 --driver-memory 2g pyspark-shell"
    assert merge_into_arguments(arguments, {"spark.jars": "/ivy/delta.jar,/opt/a.jar"}) == (
        "--jars /opt/a.jar,/ivy/delta.jar --packages org:name:1 --driver-memory 2g pyspark-shell"
    )
    assert merge_into_arguments(arguments, {"spark.jars.packages": DELTA_PACKAGE}) == (
        f"--jars /opt/a.jar --packages org:name:1,{DELTA_PACKAGE} --driver-memory 2g pyspark-shell"
    )
    assert merge_into_arguments("pyspark-shell", {"spark.jars": "/ivy/delta.jar"}) == "pyspark-shell"


def test_the_required_jars_are_those_that_delta_names() -> None:
    """`make setup` fills the cache of Ivy, which has the dependencies of each module that it resolved."""
    cache = Path.home() / ".ivy2.5.2" / "cache"
    _, artifact, version = DELTA_PACKAGE.split(":")
    file = cache / "io.delta" / artifact / f"ivy-{version}.xml"
    if not file.exists():
        pytest.skip(f"Spark has not resolved {DELTA_PACKAGE} on this machine")
    text = file.read_text(encoding="utf-8")
    named = re.findall(r'<dependency org="io.delta" name="([^"]+)" rev="([^"]+)"', text)
    assert {f"io.delta:{name}:{rev}" for name, rev in named} == {
        jar for jar in DELTA.jars if jar.startswith("io.delta:") and jar != DELTA_PACKAGE
    }


CONNECTOR = Package("the connector", "org.store:connector:1.2", ("org.sdk:sdk:3",))


def test_a_complete_package_is_passed_as_files_and_an_incomplete_one_is_resolved(
    spark_home: Path, ivy: dict[str, str]
) -> None:
    jars = find_jars([DELTA, CONNECTOR], spark_home, ivy)
    assert (jars.missing, jars.incomplete) == (("connector-1.2.jar", "sdk-3.jar"), (CONNECTOR,))
    assert jars.describe_missing().startswith(
        "JARs of the connector are missing on this machine: connector-1.2.jar, sdk"
    )
    settings = choose_jar_settings(jars, {})
    assert settings["spark.jars.packages"] == CONNECTOR.coordinate
    assert len(settings["spark.jars"].split(",")) == len(DELTA.jars)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, False),
        ({"spark.jars.packages": "org.other:a:1, org.store:connector:9"}, True),
        ({"spark.jars.packages": "org.store:connector-extras:1"}, False),
        ({"spark.jars": "/opt/connector-9.jar"}, True),
        ({"spark.jars": "/ivy/org.store_connector-9.jar,/opt/a.jar"}, True),
        ({"spark.jars": "/opt/connector-extras-9.jar,/opt/my-connector-1.jar"}, False),
    ],
)
def test_a_package_that_the_operator_names_is_recognised_in_any_version(
    settings: dict[str, str], *, expected: bool
) -> None:
    assert CONNECTOR.is_named_in(settings) is expected
