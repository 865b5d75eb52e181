"""Copies the next remote videos of a session while decoders are busy. Runs on executors."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from udfs.errors import RowError, RowErrorCode
from udfs.opening.locate import is_remote, open_video
from udfs.opening.row_faults import show_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from udfs.opening.content import OpenedVideo
    from udfs.opening.roots import Roots
    from udfs.video import DecodeLimits, VideoRequest

AHEAD_PER_CHILD = 2
"""Videos of the queue that are copied, or being copied, for each decoder child besides the one that it decodes."""
MAX_AHEAD_BYTES = 512 * 1024 * 1024
"""Larger videos are copied when a child is free. So a child needs 1 GiB of temporary disk besides its current video."""


@dataclass(frozen=True)
class QueuedVideo:
    """The next video of a child.

    Attributes:
        request: the video.
        open: opens it, or waits until its copy is ready. Call it once. It raises what `locate.open_video` raises.
    """

    request: VideoRequest
    open: Callable[[], OpenedVideo]


class VideoQueue:
    """The videos of a session, in order. Any thread may call its methods.

    Args:
        requests: read by the threads that call `take`, one at a time, `AHEAD_PER_CHILD` per child in advance.
        roots: the only locations from which videos may be read.
        limits: of size, and of the time that copying one video may take.
        num_children: number of threads that call `take`.
    """

    def __init__(self, requests: Iterable[VideoRequest], roots: Roots, limits: DecodeLimits, num_children: int) -> None:
        self._requests = iter(requests)
        self._roots = roots
        self._limits = limits
        self._num_ahead = AHEAD_PER_CHILD * num_children
        self._executor = ThreadPoolExecutor(self._num_ahead, thread_name_prefix="prefetch")
        self._reading = threading.Lock()  # two threads must not advance a generator at the same time
        self._fault: BaseException | None = None
        self._lock = threading.Lock()  # of `_ahead`; never held during a read, so that `cancel` does not wait
        self._ahead: deque[tuple[VideoRequest, Future[OpenedVideo | None] | None]] = deque()
        self._is_cancelled = threading.Event()

    def take(self) -> QueuedVideo | None:
        """Return the next video, and start to copy those after it; None after the last one, and after `cancel`.

        Raises:
            Exception: any error that the requests raised, after the requests before it.
        """
        with self._reading:
            while self._fault is None and len(self._ahead) <= self._num_ahead and self._read_one():
                pass
            with self._lock:
                if self._ahead:
                    request, copy = self._ahead.popleft()
                    return QueuedVideo(request, lambda: self._open(request, copy))
            if self._fault is not None:
                raise self._fault
            return None

    def cancel(self) -> None:
        """Stop copying, and delete the copies that no thread has opened."""
        self._is_cancelled.set()
        with self._lock:
            ahead, self._ahead = self._ahead, deque()
            self._executor.shutdown(wait=False, cancel_futures=True)
        for _, copy in ahead:
            if copy is not None:
                copy.add_done_callback(_discard)

    def _read_one(self) -> bool:
        """Read a request and start to copy its video; return False if there is none, or after `cancel`."""
        if self._is_cancelled.is_set():
            return False
        try:
            request = next(self._requests, None)
        except BaseException as fault:  # noqa: BLE001 - `take` raises it after the videos before it
            self._fault = fault
            return False
        with self._lock:
            if request is None or self._is_cancelled.is_set():
                return False
            copy = self._executor.submit(self._copy_ahead, request) if is_remote(request.uri) else None
            self._ahead.append((request, copy))
        return True

    def _copy_ahead(self, request: VideoRequest) -> OpenedVideo | None:
        """Copy a remote video; return None if it is too large to be copied before a child is free."""
        try:
            return self._open_now(request, min(MAX_AHEAD_BYTES, self._limits.max_file_bytes))
        except RowError as fault:
            if fault.code == RowErrorCode.TOO_LARGE:
                return None
            raise

    def _open(self, request: VideoRequest, copy: Future[OpenedVideo | None] | None) -> OpenedVideo:
        opened = copy.result() if copy is not None else None
        return opened or self._open_now(request, self._limits.max_file_bytes)

    def _open_now(self, request: VideoRequest, max_file_bytes: int) -> OpenedVideo:
        roots = self._roots.add_folder_of(request.uri) if request.was_described else self._roots
        seconds = self._limits.total_timeout_seconds
        ends_at = time.monotonic() + seconds

        def check_stop() -> None:
            if self._is_cancelled.is_set():
                raise CancelledError
            if time.monotonic() > ends_at:
                detail = f"cannot read {show_name(request.uri or '')}: the store did not send it within {seconds:g} s"
                raise RowError(RowErrorCode.READ_FAILED, f"{detail}; raise describe.total_timeout_seconds")

        return open_video(request.uri, roots, max_file_bytes, check_stop=check_stop)


def _discard(copy: Future[OpenedVideo | None]) -> None:
    """Delete a copy that no thread has opened."""
    if not copy.cancelled() and copy.exception() is None and (opened := copy.result()) is not None:
        opened.close()
