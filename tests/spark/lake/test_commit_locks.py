"""In S3, one driver at a time commits to a table. The server on this machine has conditional writes as AWS has."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from jobs.errors import NdvrError, UsageError
from jobs.lake import commit_locks
from jobs.lake.commit_locks import CommitLocks
from jobs.lake.files import LakeFiles
from jobs.lake.lake import Lake
from jobs.lake.s3_objects import S3Objects
from jobs.lake.session import start_session
from jobs.tables import claims

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.support.object_store import ObjectStore


MAX_COMMIT_REQUESTS = 21
"""To append a row: 4 for the lock, 3 for the data, 4 for the commit, 9 for its checksum, and a listing of the log."""


@pytest.fixture
def root(spark: SparkSession, object_store: ObjectStore) -> str:
    del spark
    uri = f"s3a://{object_store.make_bucket()}/lake"
    start_session("ndvr tests", uri)
    return uri


@pytest.fixture
def files(spark: SparkSession) -> LakeFiles:
    return LakeFiles(spark)


def test_an_object_is_created_once_and_replaced_only_if_it_has_not_changed(files: LakeFiles, root: str) -> None:
    objects, uri = S3Objects(files), f"{root}/a"
    first = objects.create_new(uri, "1")
    assert first is not None
    assert objects.create_new(uri, "2") is None
    second = objects.replace(uri, "3", first)
    assert second not in {None, first}
    assert objects.replace(uri, "4", first) is None
    assert objects.read(uri) == "3"
    objects.delete(uri)
    assert (objects.read(uri), objects.find_etag(uri)) == (None, None)
    assert objects.replace(uri, "5", str(second)) is None


def test_a_commit_takes_few_requests(spark: SparkSession, object_store: ObjectStore, root: str) -> None:
    lake = Lake(spark, root)
    lake.create(claims.TABLE)
    rows = spark.createDataFrame([("a", "d", "r", datetime(2024, 5, 1, tzinfo=UTC))], claims.TABLE.schema).coalesce(1)
    lake.append(claims.TABLE, rows)
    num_before = len(object_store.requests)
    lake.append(claims.TABLE, rows)
    found = Counter(request.kind for request in object_store.requests[num_before:])
    assert found.total() <= MAX_COMMIT_REQUESTS, found
    assert {"LIST": found["LIST"], "DELETE": found["DELETE"]} == {"LIST": 4, "DELETE": 2}


def test_drivers_commit_one_after_the_other(files: LakeFiles, root: str) -> None:
    """Each driver reads a number, waits and writes the next one: without a lock, numbers are lost."""
    counter = f"{root}/counter"
    files.write_text(counter, "0")

    def count() -> None:
        number = int(S3Objects(files).read(counter) or "")
        time.sleep(0.02)
        files.write_text(counter, str(number + 1))

    def drive(_: int) -> None:
        locks = CommitLocks(files, root)
        for _ in range(5):
            locks.run("pairs", count)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(drive, range(4)))
    assert S3Objects(files).read(counter) == "20"
    assert [entry.name for entry in files.list_folder(f"{root}/_locks")] == []


def test_locks_of_different_tables_are_independent(files: LakeFiles, root: str) -> None:
    entered = threading.Event()

    def wait_for_the_other() -> bool:
        return entered.wait(30)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(CommitLocks(files, root).run, "pairs", wait_for_the_other)
        CommitLocks(files, root).run("clusters", entered.set)
        assert waiting.result()


def test_a_lock_is_released_after_a_failed_write(files: LakeFiles, root: str) -> None:
    def fail() -> None:
        raise ValueError("no")

    locks = CommitLocks(files, root)
    with pytest.raises(ValueError, match="no"):
        locks.run("pairs", fail)
    assert locks.run("pairs", lambda: 1) == 1


def test_the_lock_of_a_killed_driver_is_replaced_and_a_renewed_one_is_waited_for(
    files: LakeFiles, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects, uri = S3Objects(files), f"{root}/_locks/pairs"
    monkeypatch.setattr(commit_locks, "LEASE_SECONDS", 1.5)
    monkeypatch.setattr(commit_locks, "BEAT_SECONDS", 0.2)
    objects.create_new(uri, "of a killed driver")
    started = time.monotonic()
    assert CommitLocks(files, root).run("pairs", lambda: 1) == 1
    assert time.monotonic() - started >= 1.5
    order: list[str] = []

    def work() -> None:
        time.sleep(4)  # longer than the lease
        order.append("first")

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(CommitLocks(files, root).run, "pairs", work)
        while objects.find_etag(uri) is None:
            time.sleep(0.05)
        CommitLocks(files, root).run("pairs", lambda: order.append("second"))
        first.result()
    assert order == ["first", "second"]


def test_waiting_ends_with_the_name_of_the_driver(files: LakeFiles, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_locks, "MAX_WAIT_SECONDS", 0.5)
    S3Objects(files).create_new(f"{root}/_locks/pairs", '{"host": "a", "pid": 7}')
    with pytest.raises(NdvrError, match=r"_locks/pairs' has been held .* an hour; end the driver .*: {\"host\": \"a\""):
        CommitLocks(files, root).run("pairs", lambda: None)


def test_a_store_that_ignores_the_condition_is_refused(
    files: LakeFiles, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create_always(objects: S3Objects, uri: str, text: str) -> str | None:
        objects.delete(uri)
        return objects._put(uri, text, "fs.option.create.conditional.overwrite", True)

    monkeypatch.setattr(S3Objects, "create_new", create_always)
    with pytest.raises(
        UsageError, match=r"ignores conditional writes \(If-None-Match\), so two drivers could overwrite"
    ):
        CommitLocks(files, root).run("pairs", lambda: None)


def test_a_lake_on_disk_needs_no_lock(files: LakeFiles, tmp_path: Path) -> None:
    assert CommitLocks(files, str(tmp_path)).run("pairs", lambda: 1) == 1
    assert list(tmp_path.iterdir()) == []
