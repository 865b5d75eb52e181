"""The lake's files through Hadoop's file systems, here on a local disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from py4j.protocol import Py4JJavaError

from jobs.lake.files import LakeFiles

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


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
