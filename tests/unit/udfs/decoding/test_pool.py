"""Whatever a file, a decoder or the caller does, every video ends in one event and nothing leaks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.support import fake_decord
from tests.support.videos import cut_padding, make_video, read_number
from udfs.decoding import worker
from udfs.decoding.pool import MAX_QUEUED_EVENTS_PER_CHILD, DecoderPool
from udfs.decoding.process import DecoderStartError, Message
from udfs.decoding.settings import DecoderSettings
from udfs.decoding.wire import BrokenConnectionError
from udfs.decoding.worker import choose_fault
from udfs.errors import RowError, RowErrorCode
from udfs.opening.locate import Roots
from udfs.video import (
    DecodeEvent,
    DecodeLimits,
    FileContent,
    FrameChunk,
    VideoDone,
    VideoFailed,
    VideoRequest,
    VideoRestarted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FRAME_PX = 60
LIMITS = DecodeLimits(stall_timeout_seconds=30.0)
REPOSITORY = Path(__file__).parents[4]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "good.mp4", seconds=2.4)


def open_pool(folder: Path, num_children: int = 1, limits: DecodeLimits = LIMITS) -> DecoderPool:
    return DecoderPool(DecoderSettings(FRAME_PX, limits=limits), Roots.of(str(folder)), num_children)


def decode_all(pool: DecoderPool, paths: Iterable[Path]) -> dict[str, list[DecodeEvent]]:
    events = defaultdict(list)
    for event in pool.decode(VideoRequest(path.name, str(path)) for path in paths):
        events[event.video_id].append(event)
    return dict(events)


def kinds_of(events: list[DecodeEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def list_children() -> list[int]:
    """The ids of the running decoder children of this process."""
    return [pid for pid in _list_processes_of_threads() if "udfs.decoding.child" in _read(f"/proc/{pid}/cmdline")]


def _list_processes_of_threads() -> list[int]:
    threads = Path("/proc/self/task").iterdir()
    return [int(pid) for thread in threads for pid in _read(f"{thread}/children").split()]


def _read(path: str) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the process ended meanwhile
        return Path(path).read_text()
    return ""


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def count_fds() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    threads, fds = threading.active_count(), count_fds()
    yield
    assert wait_until(lambda: not list_children())
    assert wait_until(lambda: threading.active_count() <= threads)
    assert wait_until(lambda: count_fds() <= fds)


def test_a_good_video_yields_frames_and_then_its_facts(video: Path, tmp_path: Path) -> None:
    with open_pool(tmp_path) as pool:
        chunk, done = decode_all(pool, [video])["good.mp4"]
    assert isinstance(chunk, FrameChunk)
    assert isinstance(done, VideoDone)
    assert chunk.frames.shape == (8, FRAME_PX, FRAME_PX, 3)
    assert chunk.picture_px == (60, 40)  # the video has 96 x 64 px
    assert [read_number(cut_padding(frame, (96, 64))) for frame in chunk.frames] == list(range(0, 24, 3))
    assert done.facts.size_bytes == video.stat().st_size
    assert len(done.facts.content_sha256) == 64
    assert done.facts.decoder == "decord"
    assert done.facts.container_format.startswith("mov,mp4")


def test_frames_of_a_long_video_arrive_in_chunks_of_eight(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", seconds=20)
    with open_pool(tmp_path) as pool:
        *chunks, done = decode_all(pool, [path])["a.mp4"]
    assert isinstance(done, VideoDone)
    sizes = [len(chunk.frames) for chunk in chunks if isinstance(chunk, FrameChunk)]
    assert sizes == [8, 8, 4]


def test_every_file_ends_with_exactly_one_final_event(video: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    (tmp_path / "cut.mp4").write_bytes(video.read_bytes()[:5000])
    paths = [video, *(tmp_path / f"{name}.mp4" for name in ("empty", "text", "cut", "missing"))]
    copies = [shutil.copy(video, tmp_path / f"copy{number}.mp4") for number in range(5)]
    with open_pool(tmp_path, num_children=2) as pool:
        events = decode_all(pool, [*paths, *copies])
    codes = {name: last.error.code for name, (*_, last) in events.items() if isinstance(last, VideoFailed)}
    assert codes == {
        "empty.mp4": RowErrorCode.EMPTY_FILE,
        "text.mp4": RowErrorCode.NOT_A_VIDEO,
        "cut.mp4": RowErrorCode.TRUNCATED,
        "missing.mp4": RowErrorCode.NOT_FOUND,
    }
    done = [name for name, (*_, last) in events.items() if isinstance(last, VideoDone)]
    assert sorted(done) == ["copy0.mp4", "copy1.mp4", "copy2.mp4", "copy3.mp4", "copy4.mp4", "good.mp4"]
    assert len(events) == 10


def test_a_damaged_video_prints_nothing_to_the_terminal(
    video: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = bytearray(video.read_bytes())
    content[3000:9000:7] = bytes(len(content[3000:9000:7]))
    (tmp_path / "bad.mp4").write_bytes(content)
    with open_pool(tmp_path) as pool:
        (*_, last) = decode_all(pool, [tmp_path / "bad.mp4"])["bad.mp4"]
    assert isinstance(last, VideoFailed)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def decord_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Let children import a stand-in for decord that misbehaves as requested."""

    def install(how: str, num_frames: int = 24) -> None:
        folder = tmp_path / "fake"
        folder.mkdir()
        shutil.copy(fake_decord.__file__, folder / "decord.py")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("FAKE_DECORD", how)
        monkeypatch.setenv("FAKE_DECORD_FRAMES", str(num_frames))

    return install


@pytest.mark.slow
@pytest.mark.parametrize("how", fake_decord.FAILURES)
def test_pyav_decodes_the_video_from_the_start_if_decord(
    how: str, decord_that: Callable[[str], None], video: Path, tmp_path: Path
) -> None:
    decord_that(how)
    other = shutil.copy(video, tmp_path / "other.mp4")
    with open_pool(tmp_path, limits=replace(LIMITS, stall_timeout_seconds=1.0)) as pool:
        events = decode_all(pool, [video, other])
    for name in ("good.mp4", "other.mp4"):
        num_restarts = kinds_of(events[name]).count("VideoRestarted")
        assert num_restarts == (2 if "killed" in how else 1)  # a kill may be transient, so decord is tried again
        restarted, chunk, done = events[name][-3:]
        assert isinstance(restarted, VideoRestarted)
        assert isinstance(chunk, FrameChunk)
        assert isinstance(done, VideoDone)
        assert done.facts.decoder == "pyav"
        numbers = [read_number(cut_padding(frame, (96, 64))) for frame in chunk.frames]
        assert numbers == list(range(0, 24, 3))


def test_frames_of_decord_are_discarded_if_it_counts_another_number_of_frames(
    decord_that: Callable[..., None], video: Path, tmp_path: Path
) -> None:
    decord_that("counts", num_frames=431)
    with open_pool(tmp_path) as pool:
        assert kinds_of(decode_all(pool, [video])["good.mp4"]) == ["VideoRestarted", "FrameChunk", "VideoDone"]


GOOD_HEADER = {"seconds": [0.0], "width_px": 4, "height_px": 3}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seconds": None}, "frames have no times"),
        ({"seconds": ["0"]}, "frames have no times"),
        ({"seconds": []}, r"48 bytes cannot be frames of shape \(0, 4, 4, 3\)"),
        ({"seconds": [0.0, 1.0]}, r"48 bytes cannot be frames of shape \(2, 4, 4, 3\)"),
        ({"width_px": None}, "pictures of None x 3 px in squares of 4 px"),
        ({"height_px": 3.0}, r"pictures of 4 x 3\.0 px in squares of 4 px"),
        ({"width_px": 5}, "pictures of 5 x 3 px in squares of 4 px"),
        ({"height_px": 0}, "pictures of 4 x 0 px in squares of 4 px"),
    ],
)
def test_a_message_of_frames_that_contradicts_itself_is_refused(wrong: dict[str, Any], message: str) -> None:
    frames = bytearray(48)
    assert worker._read_chunk(Message(GOOD_HEADER, frames), "a", 4).picture_px == (4, 3)
    with pytest.raises(BrokenConnectionError, match=message):
        worker._read_chunk(Message(GOOD_HEADER | wrong, frames), "a", 4)


@pytest.mark.slow
def test_decoding_stops_at_the_total_timeout(decord_that: Callable[..., None], video: Path, tmp_path: Path) -> None:
    decord_that("hangs")
    limits = replace(LIMITS, stall_timeout_seconds=20.0, total_timeout_seconds=1.5)
    with open_pool(tmp_path, limits=limits) as pool:
        (*_, last) = decode_all(pool, [video])["good.mp4"]
    assert isinstance(last, VideoFailed)
    assert last.error.code == RowErrorCode.DECODE_TIMEOUT
    assert "not finished within 1.5 s" in last.error.detail


def test_the_fault_of_pyav_is_reported_if_both_decoders_fail() -> None:
    crashed = RowError(RowErrorCode.DECODER_CRASHED, "SIGSEGV")
    corrupt = RowError(RowErrorCode.CORRUPT, "9 of 9 frames")
    fault = choose_fault(crashed, corrupt)
    assert fault.code == RowErrorCode.CORRUPT
    assert "SIGSEGV" in fault.detail


def test_a_crash_is_reported_instead_of_an_unspecific_failure() -> None:
    crashed = RowError(RowErrorCode.DECODER_CRASHED, "SIGSEGV")
    failed = RowError(RowErrorCode.DECODE_FAILED, "ValueError")
    assert choose_fault(crashed, failed).code == RowErrorCode.DECODER_CRASHED
    assert choose_fault(failed, failed).code == RowErrorCode.DECODE_FAILED


@pytest.mark.slow
def test_the_memory_limit_applies_to_real_decoders(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", size=(1920, 1080), seconds=0.3)
    with open_pool(tmp_path, limits=replace(LIMITS, decoder_memory_bytes=8 * 1024**2)) as pool:
        (*_, last) = decode_all(pool, [path])["a.mp4"]
    assert isinstance(last, VideoFailed)
    assert last.error.code == RowErrorCode.DECODER_OUT_OF_MEMORY


def test_a_child_that_is_killed_between_videos_is_replaced(video: Path, tmp_path: Path) -> None:
    with open_pool(tmp_path) as pool:
        decode_all(pool, [video])
        (child,) = list_children()
        os.kill(child, signal.SIGKILL)
        assert wait_until(lambda: child not in list_children())
        (*_, last) = decode_all(pool, [video])["good.mp4"]
        assert isinstance(last, VideoDone)
        assert list_children() != [child]


@pytest.mark.slow
def test_a_video_whose_child_was_killed_is_decoded_again_with_the_same_result(tmp_path: Path) -> None:
    path = make_video(tmp_path / "long.mp4", seconds=300.0, size=(64, 48))
    with open_pool(tmp_path) as pool:
        expected = decode_all(pool, [path])["long.mp4"]
        events = []
        for event in pool.decode([VideoRequest("long.mp4", str(path))]):
            if not events:
                os.kill(list_children()[0], signal.SIGKILL)
            events.append(event)
    restarted = [number for number, event in enumerate(events) if isinstance(event, VideoRestarted)]
    assert len(restarted) == 1
    again = events[restarted[0] + 1 :]
    assert again[-1] == expected[-1]
    assert [e.frame_seconds.tolist() for e in again[:-1]] == [e.frame_seconds.tolist() for e in expected[:-1]]


def test_a_child_is_replaced_after_its_number_of_videos(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "VIDEOS_PER_CHILD", 2)
    with open_pool(tmp_path) as pool:
        children = []
        for _ in range(4):
            decode_all(pool, [video])
            children += list_children()
    assert children[0] == children[1] != children[2] == children[3]


def test_requests_are_read_only_a_little_ahead_of_the_events(video: Path, tmp_path: Path) -> None:
    taken = []

    def requests() -> Iterator[VideoRequest]:
        for number in range(100):
            taken.append(number)
            yield VideoRequest(str(number), str(video))

    with open_pool(tmp_path) as pool:
        events = pool.decode(requests())
        next(events)
        assert wait_until(lambda: len(taken) > MAX_QUEUED_EVENTS_PER_CHILD // 2)
        time.sleep(0.5)
        assert len(taken) <= MAX_QUEUED_EVENTS_PER_CHILD + 2


def test_the_caller_may_stop_early_and_decode_again(video: Path, tmp_path: Path) -> None:
    with open_pool(tmp_path, num_children=2) as pool:
        events = pool.decode(VideoRequest(str(number), str(video)) for number in range(100))
        next(events)
        events.close()
        assert kinds_of(decode_all(pool, [video])["good.mp4"]) == ["FrameChunk", "VideoDone"]


def test_a_pool_may_be_closed_during_decoding(video: Path, tmp_path: Path) -> None:
    pool = open_pool(tmp_path)
    events = pool.decode(VideoRequest(str(number), str(video)) for number in range(100))
    next(events)
    pool.close()
    pool.close()
    with pytest.raises(RuntimeError, match="needs an open pool"):
        next(pool.decode([]))
    events.close()


def test_two_unfinished_decodes_are_refused(video: Path, tmp_path: Path) -> None:
    with open_pool(tmp_path) as pool:
        events = pool.decode([VideoRequest("a", str(video))])
        next(events)
        with pytest.raises(RuntimeError, match="without another unfinished decode"):
            next(pool.decode([]))


def test_an_error_of_the_requests_is_raised_by_decode(video: Path, tmp_path: Path) -> None:
    def requests() -> Iterator[VideoRequest]:
        yield VideoRequest("a", str(video))
        raise ZeroDivisionError

    with open_pool(tmp_path) as pool, pytest.raises(ZeroDivisionError):
        list(pool.decode(requests()))


def test_no_requests_yield_no_events(tmp_path: Path) -> None:
    with open_pool(tmp_path) as pool:
        assert list(pool.decode([])) == []


def test_a_missing_decord_is_a_start_error(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "decord.py").write_text("raise ImportError('no decord here')\n")
    monkeypatch.syspath_prepend(folder)
    with open_pool(tmp_path) as pool, pytest.raises(DecoderStartError, match="no decord here"):
        decode_all(pool, [video])


def test_a_time_limit_shortens_both_timeouts_and_lengthens_none() -> None:
    limits = DecodeLimits(stall_timeout_seconds=5.0, total_timeout_seconds=60.0)
    assert limits.shorten_timeouts(10.0) == DecodeLimits(stall_timeout_seconds=5.0, total_timeout_seconds=10.0)
    assert limits.shorten_timeouts(1.0) == DecodeLimits(stall_timeout_seconds=1.0, total_timeout_seconds=1.0)


def test_a_pool_without_children_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="num_children must be at least 1, got 0"):
        open_pool(tmp_path, num_children=0)


_PROGRAM = """
import os, sys
from udfs.decoding.pool import DecoderPool
from udfs.decoding.settings import DecoderSettings
from udfs.opening.locate import Roots
from udfs.video import VideoRequest
import udfs.video
folder, ending = sys.argv[1:]
pool = DecoderPool(DecoderSettings(60), Roots.of(folder))
events = pool.decode([VideoRequest(str(n), folder + "/good.mp4") for n in range(50)])
next(events)
task = f"/proc/self/task/{pool._threads[0].native_id}/children"
print(udfs.video.__file__, open(task).read().strip(), flush=True)
if ending == "killed":
    os.kill(os.getpid(), 9)
"""


def run_program(import_path: Path, folder: Path, ending: str) -> tuple[str, int, int]:
    """Run a program that ends during a decode. Returns the path of its code, the id of its child, its exit status."""
    home = folder / "elsewhere"
    home.mkdir()
    packages = next(entry for entry in sys.path if entry.endswith("site-packages"))
    program = f"import sys; sys.path[1:1] = [{str(import_path)!r}, {packages!r}]\n{_PROGRAM}"
    finished = subprocess.run(
        [sys.executable, "-c", program, str(folder), ending],
        cwd=home,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.stderr == ""
    place, child = finished.stdout.split()
    return place, int(child), finished.returncode


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "status"), [("killed", -signal.SIGKILL), ("left", 0)])
def test_children_end_with_their_parent(ending: str, status: int, video: Path) -> None:
    _, child, returned = run_program(REPOSITORY, video.parent, ending)
    assert returned == status
    assert wait_until(lambda: not Path(f"/proc/{child}").exists())


def test_decoding_works_from_a_zip_file(video: Path, tmp_path: Path) -> None:
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as code:
        for module in [file for package in ("models", "udfs") for file in (REPOSITORY / package).rglob("*.py")]:
            code.write(module, module.relative_to(REPOSITORY))
    place, _, status = run_program(archive, video.parent, "left")
    assert place.startswith(str(archive))
    assert status == 0


def test_frames_do_not_depend_on_videos_decoded_at_the_same_time(video: Path, tmp_path: Path) -> None:
    others = [make_video(tmp_path / f"{seed}.mp4", seed=seed, size=(128, 72)) for seed in range(1, 6)]
    with open_pool(tmp_path) as pool:
        (alone, _) = decode_all(pool, [video])["good.mp4"]
    with open_pool(tmp_path, num_children=2) as pool:
        (among, _) = decode_all(pool, [*others[:3], video, *others[3:]])["good.mp4"]
    assert isinstance(alone, FrameChunk)
    assert isinstance(among, FrameChunk)
    np.testing.assert_array_equal(alone.frames, among.frames)


def test_a_file_with_the_described_content_is_not_decoded(video: Path) -> None:
    content = video.read_bytes()
    same = FileContent(len(content), hashlib.sha256(content).hexdigest())
    for described, kind in ((same, "VideoUnchanged"), (replace(same, sha256="0" * 64), "VideoDone")):
        with open_pool(video.parent) as pool:
            events = list(pool.decode([VideoRequest("a", str(video), described=described)]))
        assert kinds_of(events)[-1] == kind
        assert (len(events) == 1) == (kind == "VideoUnchanged")


def test_a_lost_file_fails_although_its_content_was_described(tmp_path: Path) -> None:
    with open_pool(tmp_path) as pool:
        (event,) = pool.decode([VideoRequest("a", str(tmp_path / "gone.mp4"), described=FileContent(9, "0" * 64))])
    assert isinstance(event, VideoFailed)
    assert event.error.code == RowErrorCode.NOT_FOUND
