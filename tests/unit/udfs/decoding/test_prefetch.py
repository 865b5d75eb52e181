"""Remote videos are copied before a decoder needs them, within bounds, and the faults of one affect no other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.faulty_store import cut_body, delay, first_do, refuse, reset_body
from tests.support.open_files import count_open_files
from tests.support.videos import make_video
from udfs.decoding.pool import DecoderPool
from udfs.decoding.prefetch import AHEAD_PER_CHILD, VideoQueue
from udfs.decoding.settings import DecoderSettings
from udfs.errors import RowError, RowErrorCode
from udfs.opening.roots import Roots
from udfs.video import DecodeLimits, FrameChunk, VideoDone, VideoFailed, VideoRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.faulty_store import Fault, Faults
    from tests.support.object_store import ObjectStore

    FaultyStore = tuple[ObjectStore, Faults]
REPOSITORY = Path(__file__).parents[4]
LIMITS = DecodeLimits()


@pytest.fixture(autouse=True)
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Return a function that counts the copies on the disk. None is left at the end."""
    folder = tmp_path / "copies"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))

    yield lambda: count_open_files(folder)
    assert wait_until(lambda: count_open_files(folder) == 0)
    assert list(folder.iterdir()) == []


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def put_videos(store: ObjectStore, *names: str, content: bytes = b"video") -> str:
    bucket = store.make_bucket()
    for name in names:
        store.client.put_object(Bucket=bucket, Key=name, Body=content)
    return f"s3://{bucket}"


def make_queue(bucket: str, names: list[str], limits: DecodeLimits = LIMITS, num_children: int = 1) -> VideoQueue:
    requests = (VideoRequest(name, f"{bucket}/{name}") for name in names)
    return VideoQueue(requests, Roots.of(bucket), limits, num_children)


def take(queue: VideoQueue) -> bytes:
    taken = queue.take()
    assert taken is not None
    with taken.open() as opened:
        return os.pread(opened.fd, 10**6, 0)


@pytest.mark.parametrize("num_children", [1, 2])
def test_a_few_videos_are_copied_ahead_and_no_more_until_one_is_taken(
    faulty_store: FaultyStore, num_children: int, copies: Callable[[], int]
) -> None:
    store, faults = faulty_store
    names = [f"{number}.mp4" for number in range(9)]
    queue = make_queue(put_videos(store, *names), names, num_children=num_children)
    num_ahead = AHEAD_PER_CHILD * num_children
    assert take(queue) == b"video"
    for num_taken in (1, 2):
        # HEAD before and after each GET: all copies are finished, and none was begun besides them.
        assert wait_until(lambda num=num_taken: faults.count("HEAD", ".mp4") == 2 * (num + num_ahead))
        assert faults.count("GET", ".mp4") == num_taken + num_ahead
        assert wait_until(lambda: copies() == num_ahead)
        assert take(queue) == b"video"
    queue.cancel()
    assert wait_until(lambda: copies() == 0)
    assert queue.take() is None


def test_a_large_video_is_not_copied_before_it_is_opened(
    faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("udfs.decoding.prefetch.MAX_AHEAD_BYTES", 3)
    store, faults = faulty_store
    queue = make_queue(put_videos(store, "a.mp4"), ["a.mp4"])
    taken = queue.take()
    assert taken is not None
    assert wait_until(lambda: faults.count("HEAD", "a.mp4") == 1)
    assert faults.count("GET", "a.mp4") == 0
    with taken.open() as opened:
        assert os.pread(opened.fd, 9, 0) == b"video"
    queue.cancel()


def test_a_video_larger_than_the_limit_is_refused(faulty_store: FaultyStore) -> None:
    queue = make_queue(put_videos(faulty_store[0], "a.mp4"), ["a.mp4"], DecodeLimits(max_file_bytes=4))
    with pytest.raises(RowError, match="TOO_LARGE: 5 bytes, the limit is 4"):
        take(queue)
    queue.cancel()


def test_copying_stops_at_the_time_limit_of_a_video(faulty_store: FaultyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udfs.opening.remote.BLOCK_BYTES", 1)
    store, faults = faulty_store
    faults.inject(delay(0.2), "a.mp4")
    queue = make_queue(put_videos(store, "a.mp4"), ["a.mp4"], DecodeLimits(total_timeout_seconds=0.3))
    with pytest.raises(RowError, match=r"READ_FAILED: .*a\.mp4': the store did not send it within 0\.3 s; raise desc"):
        take(queue)
    queue.cancel()


def test_an_error_of_the_requests_is_raised_after_the_videos_before_it(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"local")

    def list_requests() -> Iterator[VideoRequest]:
        yield VideoRequest("a", str(tmp_path / "a.mp4"))
        raise ValueError("no more")

    queue = VideoQueue(list_requests(), Roots.of(str(tmp_path)), LIMITS, num_children=1)
    assert take(queue) == b"local"
    with pytest.raises(ValueError, match="no more"):
        queue.take()
    queue.cancel()


def test_copies_that_are_not_finished_are_deleted_after_a_cancel(
    faulty_store: FaultyStore, copies: Callable[[], int]
) -> None:
    store, faults = faulty_store
    is_open = threading.Event()
    faults.inject(first_do(lambda: is_open.wait(10)), ".mp4", methods=("HEAD",))
    names = ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    queue = make_queue(put_videos(store, *names), names)
    taken = queue.take()
    assert taken is not None
    assert wait_until(lambda: copies() == AHEAD_PER_CHILD)
    queue.cancel()
    is_open.set()
    assert wait_until(lambda: copies() == 0)
    with pytest.raises(CancelledError):
        taken.open()
    assert faults.count("GET", ".mp4") == 0


def test_the_faults_of_some_videos_affect_no_other(
    faulty_store: FaultyStore, tmp_path: Path, copies: Callable[[], int]
) -> None:
    store, faults = faulty_store
    content = make_video(tmp_path / "a.mp4").read_bytes()
    new = make_video(tmp_path / "b.mp4", seed=1, seconds=3).read_bytes()
    slow_down = refuse("503 Slow Down", "SlowDown")
    expired, lost = refuse("400 Bad Request", "ExpiredToken"), refuse("404 Not Found", "NoSuchKey")
    injected: dict[str, tuple[Fault, int | None]] = {
        "slow-down.mp4": (slow_down, 3),
        "reset.mp4": (reset_body, 2),
        "cut.mp4": (cut_body, 2),
        "late.mp4": (delay(1), 1),
        "expired.mp4": (expired, None),
        "lost.mp4": (lost, None),
    }
    names = ["good.mp4", *injected, "replaced.mp4", "last.mp4"]
    bucket = put_videos(store, *names, content=content)
    for name, (fault, times) in injected.items():
        faults.inject(fault, name, times=times)
    name = bucket.removeprefix("s3://")
    replace = first_do(lambda: store.client.put_object(Bucket=name, Key="replaced.mp4", Body=new))
    faults.inject(replace, "replaced.mp4", times=1)
    local = [VideoRequest("local", str(tmp_path / "a.mp4")), VideoRequest("local new", str(tmp_path / "b.mp4"))]
    requests = [*(VideoRequest(name, f"{bucket}/{name}") for name in names), *local]
    with DecoderPool(DecoderSettings(60), Roots.of(bucket, str(tmp_path)), num_children=2) as pool:
        events = list(pool.decode(requests))
    failed = {event.video_id: event.error for event in events if isinstance(event, VideoFailed)}
    assert {name: fault.code for name, fault in failed.items()} == {
        "expired.mp4": RowErrorCode.ACCESS_DENIED,
        "lost.mp4": RowErrorCode.NOT_FOUND,
    }
    frames = {event.video_id: event.frames for event in events if isinstance(event, FrameChunk)}
    facts = {event.video_id: event.facts for event in events if isinstance(event, VideoDone)}
    for done, found in facts.items():
        same = "local new" if done in {"replaced.mp4", "local new"} else "local"
        np.testing.assert_array_equal(frames[done], frames[same])
        assert found == facts[same]
    assert set(facts) == {*names, "local", "local new"} - set(failed)
    assert copies() == 0


_KILLED = """
import os, sys, tempfile
from udfs.opening import remote
from udfs.opening.locate import Roots, open_video
bucket, folder = sys.argv[1:]
tempfile.tempdir, remote.BLOCK_BYTES = folder, 1
blocks = iter("abc")
open_video(bucket + "/a.mp4", Roots.of(bucket), 9, check_stop=lambda: next(blocks, None) or os.kill(os.getpid(), 9))
"""


def test_a_killed_process_leaves_no_copy(faulty_store: FaultyStore, tmp_path: Path) -> None:
    bucket = put_videos(faulty_store[0], "a.mp4")
    folder = tmp_path / "of the killed process"
    folder.mkdir()
    command = [sys.executable, "-c", _KILLED, bucket, str(folder)]
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == -9
    assert faulty_store[1].count("GET", "a.mp4") == 3
    assert list(folder.iterdir()) == []
