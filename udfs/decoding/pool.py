"""Decodes videos in child processes while the caller processes the frames already decoded. Runs on executors.

Every file ends with one `VideoDone`, `VideoUnchanged` or `VideoFailed`, even if it crashes or hangs a decoder.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Self

from udfs.decoding.prefetch import VideoQueue
from udfs.decoding.worker import DecoderWorker

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from types import TracebackType

    from udfs.decoding.settings import DecoderSettings
    from udfs.opening.locate import Roots
    from udfs.video import DecodeEvent, VideoRequest

# Up to this many chunks of 8 frames wait for the caller, so that decoding continues while the caller is busy.
MAX_QUEUED_EVENTS_PER_CHILD = 8
_PUT_TIMEOUT_SECONDS = 0.1
_JOIN_TIMEOUT_SECONDS = 10.0


class _CancelledError(Exception):
    """The caller stopped reading events."""


class _ThreadEnded:
    """The last item of a thread in a session. `fault` is an error of the program, not of a file."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.fault = fault


class _Session:
    """One call of `decode`: the videos that the threads share, and the queue of their events."""

    def __init__(self, videos: VideoQueue, num_threads: int) -> None:
        self.videos = videos
        self.events: queue.Queue[DecodeEvent | _ThreadEnded] = queue.Queue(num_threads * MAX_QUEUED_EVENTS_PER_CHILD)
        self._is_cancelled = threading.Event()

    def cancel(self) -> None:
        self._is_cancelled.set()
        self.videos.cancel()

    def put(self, event: DecodeEvent | _ThreadEnded) -> None:
        while not self._is_cancelled.is_set():
            try:
                self.events.put(event, timeout=_PUT_TIMEOUT_SECONDS)
            except queue.Full:
                continue
            return
        raise _CancelledError


class _DecoderThread(threading.Thread):
    """Serves sessions with one child. The child ends with this thread, so the thread runs until the pool is closed."""

    def __init__(self, worker: DecoderWorker) -> None:
        super().__init__(name="decoder", daemon=True)
        self.worker = worker
        self.sessions: queue.SimpleQueue[_Session | None] = queue.SimpleQueue()

    def run(self) -> None:
        for session in iter(self.sessions.get, None):
            try:
                self._serve(session)
                session.put(_ThreadEnded())
            except _CancelledError:
                continue
        self.worker.close()

    def _serve(self, session: _Session) -> None:
        try:
            self.worker.start_child()  # takes half a second; the first file is opened meanwhile
            while (video := session.videos.take()) is not None:
                self.worker.decode(video, session.put)
        except (_CancelledError, CancelledError):  # the second stopped the copying of a remote video
            raise _CancelledError from None
        except BaseException as fault:  # noqa: BLE001 -- `decode` raises it again in the caller's thread
            session.put(_ThreadEnded(fault))


class DecoderPool:
    """A fixed number of decoder children, each with a thread of this process. Use as a context manager.

    Args:
        settings: how videos are decoded.
        roots: the only locations from which videos may be read.
        num_children: number of videos that are decoded at the same time; each child uses one core.
    """

    def __init__(self, settings: DecoderSettings, roots: Roots, num_children: int = 1) -> None:
        if num_children < 1:
            raise ValueError(f"num_children must be at least 1, got {num_children}")
        self._limits = settings.limits
        self._roots = roots
        self._threads = [_DecoderThread(DecoderWorker(settings)) for _ in range(num_children)]
        self._session: _Session | None = None
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def decode(self, requests: Iterable[VideoRequest]) -> Generator[DecodeEvent]:
        """Decode videos. Events of different videos are interleaved; those of one video are in order.

        Closing the iterator stops the decoding. Only one call may be unfinished at a time. Remote videos are copied
        while the ones before them are decoded.

        Args:
            requests: read by the threads of this pool, one at a time, a few in advance (`prefetch.AHEAD_PER_CHILD`).

        Yields:
            For each request, any number of `FrameChunk` and at most two `VideoRestarted`, then one `VideoDone` or
            `VideoFailed`.

        Raises:
            DecoderStartError: the decoders are not installed or do not start.
            RuntimeError: another call is not finished, or the pool is closed.
            Exception: any error that `requests` raises.
        """
        if self._session is not None or not self._threads:
            raise RuntimeError("DecoderPool.decode needs an open pool without another unfinished decode")
        num_running = len(self._threads)
        videos = VideoQueue(requests, self._roots, self._limits, num_running)
        session = self._session = _Session(videos, num_running)
        for thread in self._threads:
            thread.sessions.put(session)
        try:
            while num_running:
                event = session.events.get()
                if not isinstance(event, _ThreadEnded):
                    yield event
                elif event.fault is not None:
                    raise event.fault
                else:
                    num_running -= 1
        finally:
            if num_running:
                self._cancel()
            videos.cancel()
            self._session = None

    def close(self) -> None:
        """End the children and threads. May be called again, and while a `decode` is unfinished."""
        self._cancel()
        threads, self._threads = self._threads, []
        for thread in threads:
            thread.sessions.put(None)
        for thread in threads:
            thread.worker.interrupt()
            thread.join(_JOIN_TIMEOUT_SECONDS)

    def _cancel(self) -> None:
        if self._session is not None:
            self._session.cancel()
            for thread in self._threads:
                thread.worker.interrupt()
