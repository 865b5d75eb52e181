"""One function opens every URI with Arrow's file systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pyarrow import fs

from udfs.opening.filesystems import open_filesystem

if TYPE_CHECKING:
    from pathlib import Path


def test_a_path_is_opened_as_written(tmp_path: Path) -> None:
    filesystem, path = open_filesystem(f"{tmp_path}/a%20b")
    assert (type(filesystem), path) == (fs.LocalFileSystem, f"{tmp_path}/a%20b")


def test_a_file_system_is_opened_once(tmp_path: Path) -> None:
    filesystem, path = open_filesystem(f"file://{tmp_path}")
    assert (type(filesystem), path) == (fs.LocalFileSystem, str(tmp_path))
    assert open_filesystem(f"file://{tmp_path}")[0] is filesystem


@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_the_scheme_names_of_spark_and_arrow_open_the_same_store(scheme: str) -> None:
    filesystem, path = open_filesystem(f"{scheme}://bucket/lake?region=eu-west-1")
    assert (type(filesystem), filesystem.region, path) == (fs.S3FileSystem, "eu-west-1", "bucket/lake")


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="Unrecognized filesystem type"):
        open_filesystem("ftp://host/lake")
