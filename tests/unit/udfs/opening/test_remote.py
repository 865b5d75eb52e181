"""Videos are read from a real S3 server, whole and unchanged, or each failure is one clear fault of the row."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.faulty_store import cut_body, delay, first_do, refuse, reset_body
from tests.support.open_files import count_open_files
from udfs.errors import RowError, RowErrorCode
from udfs.opening.content import read_at
from udfs.opening.filesystems import open_s3
from udfs.opening.locate import Roots, open_video, read_file_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.faulty_store import Fault, Faults
    from tests.support.object_store import ObjectStore

CONTENT = os.urandom(100_000)
OTHER = os.urandom(len(CONTENT))
SLOW_DOWN = refuse("503 Slow Down", "SlowDown")
MAX_RETRIES = 3  # 175 ms in total


class Bucket:
    """A bucket of a server with faults, and the file system that opens it."""

    def __init__(self, store: ObjectStore, faults: Faults) -> None:
        self.store, self.faults = store, faults
        self.name = store.make_bucket()
        self._filesystem = open_s3(self.name, {}, MAX_RETRIES)
        self.put(CONTENT)

    @property
    def roots(self) -> Roots:
        return Roots.of(f"s3://{self.name}")

    def put(self, content: bytes, key: str = "a.mp4") -> None:
        self.store.client.put_object(Bucket=self.name, Key=key, Body=content)

    def open_remote(self, _uri: str) -> tuple[Any, str]:
        return self._filesystem, self.name

    def read(self, key: str = "a.mp4", max_file_bytes: int = 10**9) -> bytes:
        with open_video(f"s3://{self.name}/{key}", self.roots, max_file_bytes, self.open_remote) as opened:
            content = read_at(opened.fd, 0, 10**9)
            assert opened.size_bytes == len(content)
            assert opened.known_sha256 == opened.read_sha256() == hashlib.sha256(content).hexdigest()
        return content

    def count(self) -> tuple[int, int]:
        """The number of HEAD and GET requests for the object."""
        return self.faults.count("HEAD", "/a.mp4"), self.faults.count("GET", "/a.mp4")


@pytest.fixture
def bucket(faulty_store: tuple[ObjectStore, Faults]) -> Bucket:
    store, faults = faulty_store
    made = Bucket(store, faults)
    faults.clear()
    return made


@pytest.fixture(autouse=True)
def no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No descriptor is left open, and no copy has a name at the end."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert count_open_files(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_an_object_is_read_by_one_request_between_two_that_return_its_version(bucket: Bucket) -> None:
    assert bucket.read() == CONTENT
    assert [request.split()[0] for request in bucket.faults.requests] == ["HEAD", "GET", "HEAD"]


def test_a_large_object_is_read_in_ranges_that_do_not_overlap(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udfs.opening.remote.BLOCK_BYTES", 30_000)
    assert bucket.read() == CONTENT
    assert bucket.count() == (2, 4)


@pytest.mark.parametrize(
    ("fault", "methods"),
    [(SLOW_DOWN, ("HEAD",)), (SLOW_DOWN, ("GET",)), (reset_body, ("GET",)), (cut_body, ("GET",))],
)
def test_a_request_that_fails_three_times_is_repeated(bucket: Bucket, fault: Fault, methods: tuple[str, ...]) -> None:
    bucket.faults.inject(fault, "/a.mp4", methods=methods, times=MAX_RETRIES)
    assert bucket.read() == CONTENT
    assert bucket.count() == ((5, 1) if methods == ("HEAD",) else (2, 4))


@pytest.mark.slow
def test_a_store_that_answers_after_five_seconds_is_not_asked_twice(bucket: Bucket) -> None:
    bucket.faults.inject(delay(5), "/a.mp4", times=1)
    assert bucket.read() == CONTENT
    assert bucket.count() == (2, 1)


@pytest.mark.parametrize(
    ("fault", "methods", "code", "message"),
    [
        (SLOW_DOWN, ("GET",), "READ_FAILED", "more requests than it allows; run fewer tasks .*SERVICE_UNAVAILABLE"),
        (SLOW_DOWN, ("HEAD",), "READ_FAILED", "more requests than it allows; run fewer tasks .*503"),
        (
            reset_body,
            ("GET",),
            "READ_FAILED",
            "the connection to the store failed.*; check the network .*reset by peer",
        ),
        (cut_body, ("GET",), "READ_FAILED", "the connection to the store failed.*; check the network .*partial file"),
        (refuse("400 Bad Request", "ExpiredToken"), ("GET",), "ACCESS_DENIED", "renew them if they have expired"),
        (refuse("403 Forbidden", "ExpiredToken"), ("GET",), "ACCESS_DENIED", "renew them if they have expired"),
        (refuse("403 Forbidden", "ExpiredToken"), ("HEAD",), "ACCESS_DENIED", "renew them if they have expired"),
        (refuse("404 Not Found", "NoSuchKey"), ("GET",), "NOT_FOUND", "no such object; copy it there, or correct"),
        (refuse("404 Not Found", "NoSuchKey"), ("HEAD",), "NOT_FOUND", "no such object"),
        (refuse("500 Oops", "Oops"), ("GET",), "READ_FAILED", "cannot read"),
    ],
)
def test_a_request_that_always_fails_is_a_fault_that_names_the_object_and_what_to_do(
    bucket: Bucket, fault: Fault, methods: tuple[str, ...], code: str, message: str
) -> None:
    bucket.faults.inject(fault, "/a.mp4", methods=methods)
    with pytest.raises(RowError, match=f"(?s){message}") as caught:
        bucket.read()
    assert caught.value.code == RowErrorCode(code)
    assert f"s3://{bucket.name}/a.mp4" in caught.value.detail
    assert sum(bucket.count()) <= 2 + MAX_RETRIES


@pytest.mark.parametrize("new", [OTHER, OTHER[:500], OTHER * 2], ids=["same size", "shorter", "longer"])
@pytest.mark.parametrize("num_blocks", [1, 4])
def test_an_object_that_is_replaced_during_the_read_is_read_again(
    bucket: Bucket, new: bytes, num_blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several ranges, those after the first read the new object."""
    monkeypatch.setattr("udfs.opening.remote.BLOCK_BYTES", len(CONTENT) // num_blocks)
    if num_blocks > 1:
        bucket.faults.inject(lambda app, environ, answer: app(environ, answer), "/a.mp4", times=1)
    bucket.faults.inject(first_do(lambda: bucket.put(new)), "/a.mp4", times=1)
    assert bucket.read() == new


def test_an_object_that_is_replaced_during_each_read_is_refused(bucket: Bucket) -> None:
    replacements = iter(range(1, 10))
    bucket.faults.inject(first_do(lambda: bucket.put(CONTENT + bytes(next(replacements)))), "/a.mp4")
    with pytest.raises(RowError, match=r"READ_FAILED: .*replaced during each of 2 reads; wait until its upload ends"):
        bucket.read()
    assert bucket.count() == (4, 2)


def test_an_object_that_is_deleted_during_the_read_is_not_found(bucket: Bucket) -> None:
    delete = bucket.store.client.delete_object
    bucket.faults.inject(first_do(lambda: delete(Bucket=bucket.name, Key="a.mp4")), "/a.mp4", times=1)
    with pytest.raises(RowError, match=r"NOT_FOUND: .*no such object"):
        bucket.read()


@pytest.mark.parametrize(
    ("key", "code"),
    [("absent.mp4", "NOT_FOUND"), ("folder", "NOT_A_FILE"), ("empty.mp4", "EMPTY_FILE"), ("a.mp4", "TOO_LARGE")],
)
def test_what_is_no_object_that_can_be_read_is_refused_before_a_byte_is_read(
    bucket: Bucket, key: str, code: str
) -> None:
    bucket.put(b"x", "folder/b.mp4")
    bucket.put(b"", "empty.mp4")
    bucket.faults.clear()
    with pytest.raises(RowError, match=code):
        bucket.read(key, max_file_bytes=len(CONTENT) - 1)
    assert bucket.faults.count("GET", f"/{key}") == 0


def test_copying_stops_when_the_caller_stops_it(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udfs.opening.remote.BLOCK_BYTES", 1000)
    checks = iter([None, None])
    with pytest.raises(StopIteration):
        open_video(
            f"s3://{bucket.name}/a.mp4", bucket.roots, 10**9, bucket.open_remote, check_stop=lambda: next(checks)
        )
    assert bucket.count() == (1, 2)


def test_a_full_disk_is_a_fault_of_the_machine(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")  # each write to it fails
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda prefix: full.open("wb"))  # noqa: ARG005 - as the real one
    with pytest.raises(OSError, match="No space left on device"):
        bucket.read()


def test_the_facts_of_an_object_take_one_request(bucket: Bucket) -> None:
    facts = read_file_facts(f"s3://{bucket.name}/a.mp4", bucket.roots, bucket.open_remote)
    assert facts.size_bytes == len(CONTENT)
    assert bucket.count() == (1, 0)


def test_a_process_may_retry_more_often_than_the_standard_strategy_of_arrow(bucket: Bucket) -> None:
    """That strategy has 100 retries per process: Arrow does not return what a success restores."""
    for _ in range(101):
        bucket.faults.inject(SLOW_DOWN, "/a.mp4", methods=("HEAD",), times=1)
        read_file_facts(f"s3://{bucket.name}/a.mp4", bucket.roots, bucket.open_remote)
    assert bucket.count() == (202, 0)
