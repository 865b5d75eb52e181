"""The lake's files through Hadoop's file systems, here on a local disk."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from delta.tables import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from py4j.protocol import Py4JJavaError

from jobs.lake.files import LakeFiles
from jobs.lake.readers import given_files_reader, literal_reader

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


# Characters that Hadoop, Spark, URIs, SQL or shells give a meaning, and others. A name has at most 255 bytes.
NAMES = st.text(
    st.sampled_from("[]{}?*\\^!%#: ;,=+~'\"`$&|<>()@-_.ab0é日😀\n\t\u2028\x7f"), min_size=1, max_size=40
).filter(lambda name: name not in {".", ".."})


@pytest.fixture
def files(spark: SparkSession) -> LakeFiles:
    return LakeFiles(spark)


def test_a_folder_is_listed_and_measured_with_everything_below_it(files: LakeFiles, tmp_path: Path) -> None:
    (tmp_path / "b" / "below").mkdir(parents=True)
    (tmp_path / "b" / "one").write_bytes(b"123")
    (tmp_path / "b" / "below" / "two").write_bytes(b"4567")
    (tmp_path / "a").write_bytes(b"8")
    for path in (tmp_path / "b" / "one", tmp_path / "b" / "below", tmp_path / "b", tmp_path / "a"):
        os.utime(path, (1000, 1000))
    os.utime(tmp_path / "b" / "below" / "two", (2000, 2000))

    found = files.list_folder(str(tmp_path))
    facts = [(entry.name, entry.num_files, entry.num_bytes, entry.modified_at.timestamp()) for entry in found]
    assert facts == [("a", 1, 1, 1000), ("b", 2, 7, 2000)]
    assert files.measure(str(tmp_path / "b")) == found[1]
    assert files.read_times(str(tmp_path)) == {"a": 1000.0, "b": 1000.0}


def test_a_missing_folder_has_no_entries_and_needs_no_deletion(files: LakeFiles, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert files.list_folder(missing) == []
    assert files.read_times(missing) == {}
    files.delete(missing)


def test_texts_are_written_in_utf8_over_earlier_ones(files: LakeFiles, tmp_path: Path) -> None:
    file = tmp_path / "folder" / "text"
    files.write_text(str(file), "old and long")
    files.write_text(str(file), "日本\n")
    assert file.read_text(encoding="utf-8") == "日本\n"
    files.touch(str(file))
    assert file.read_bytes() == b""
    files.delete(str(tmp_path / "folder"))
    assert not file.parent.exists()


@pytest.mark.parametrize("has_previous", [False, True])
def test_a_folder_is_replaced_as_a_whole(files: LakeFiles, tmp_path: Path, has_previous: bool) -> None:
    staged, target = tmp_path / "staged", tmp_path / "target"
    staged.mkdir()
    (staged / "new").touch()
    if has_previous:
        target.mkdir()
        (target / "old").touch()
    files.replace_folder(str(staged), str(target))
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert [path.name for path in target.iterdir()] == ["new"]


def test_the_previous_folder_is_back_when_its_replacement_fails(files: LakeFiles, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "old").touch()
    with pytest.raises(Py4JJavaError, match="FileNotFoundException"):
        files.replace_folder(str(tmp_path / "missing"), str(tmp_path / "target"))
    assert (tmp_path / "target" / "old").exists()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
def test_every_name_is_literal(spark: SparkSession, files: LakeFiles, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    try:
        (folder / f"n{name}").write_text("one", encoding="utf-8")
        assert files.list_visible(f"{folder}/n{name}") == [f"{folder}/n{name}"]
        assert [row[0] for row in given_files_reader(spark, str(folder)).text(f"{folder}/n{name}").collect()] == ["one"]
        spark.range(1).write.parquet(f"{folder}/rows")
        assert literal_reader(spark).parquet(f"{folder}/rows").count() == 1
        files.write_text(f"{folder}/text", name)
        assert (folder / "text").read_text(encoding="utf-8") == name
        assert {entry.name for entry in files.list_folder(str(folder))} == {f"n{name}", "rows", "text"}
    finally:
        shutil.rmtree(folder)


def test_a_table_is_written_and_read_at_its_literal_path(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "la{1}[a]?*\\é%20 #:\n`" / "table")
    spark.range(2).write.format("delta").save(path)
    DeltaTable.forPath(spark, path).update("id = 1", {"id": "5"})
    assert sorted(row["id"] for row in spark.read.format("delta").load(path).collect()) == [0, 5]
