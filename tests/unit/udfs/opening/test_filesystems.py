"""One function opens every URI with Arrow's file systems."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from pyarrow import fs

from tests.support.faulty_store import first_do
from udfs.opening.filesystems import open_filesystem

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.faulty_store import Faults
    from tests.support.object_store import ObjectStore


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


def test_threads_share_one_file_system_and_do_not_wait_for_requests(
    faulty_store: tuple[ObjectStore, Faults],
) -> None:
    """Arrow adds a client of S3 only while no other one waits for an answer."""
    store, faults = faulty_store
    uri, is_answered = f"s3://{store.make_bucket()}", threading.Event()
    faults.inject(first_do(lambda: is_answered.wait(10)), "/a", methods=("HEAD",))

    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        filesystem, bucket = open_filesystem(uri)
        filesystem.get_file_info(f"{bucket}/a")

    threads = [threading.Thread(target=ask) for _ in range(start.parties)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while faults.count("HEAD", "/a") < len(threads) and time.monotonic() < deadline:
        time.sleep(0.01)
    num_asked = faults.count("HEAD", "/a")
    is_answered.set()
    for thread in threads:
        thread.join()
    assert num_asked == len(threads)
