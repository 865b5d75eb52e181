"""Sends videos to a child process and emits the events of each. One worker uses one thread and one child.

Runs on executors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from udfs.decoding.process import DecoderProcess, Message, TimeBudget
from udfs.decoding.wire import BrokenConnectionError
from udfs.errors import RowError, RowErrorCode
from udfs.opening.probe import check_complete, recognise_container
from udfs.video import FrameChunk, VideoDone, VideoFacts, VideoFailed, VideoRestarted, VideoUnchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from udfs.decoding.prefetch import QueuedVideo
    from udfs.decoding.settings import DecoderSettings
    from udfs.opening.content import OpenedVideo
    from udfs.video import DecodeEvent, FileContent, VideoRequest

# A child is replaced after this many videos, because decord leaks some memory with every file.
VIDEOS_PER_CHILD = 200
# These name what happened to the process, so they are more specific than DECODE_FAILED.
_PROCESS_FAULTS = frozenset(
    {RowErrorCode.DECODE_TIMEOUT, RowErrorCode.DECODER_CRASHED, RowErrorCode.DECODER_OUT_OF_MEMORY}
)


@dataclass(frozen=True)
class _Content:
    """An open file whose container is known."""

    video: OpenedVideo
    container: str

    @cached_property
    def sha256(self) -> str:
        return self.video.read_sha256()


class _AttemptError(Exception):
    """One decoder failed on a video. `decoder` is empty if the child had not yet chosen one."""

    def __init__(self, decoder: str, fault: RowError, *, was_killed: bool = False) -> None:
        super().__init__(decoder, fault)
        self.decoder = decoder
        self.fault = fault
        self.was_killed = was_killed

    @property
    def may_be_transient(self) -> bool:
        """Whether the file may be good: the child was killed by another process, or failed before decoding began."""
        return self.was_killed or (not self.decoder and self.fault.code in _PROCESS_FAULTS)


class DecoderWorker:
    """Decodes one video after another. One thread uses it; any thread may call `interrupt`.

    Args:
        settings: how videos are decoded.
    """

    def __init__(self, settings: DecoderSettings) -> None:
        self._settings = settings
        self._child: DecoderProcess | None = None

    def start_child(self) -> DecoderProcess:
        """Return the child; a new one if there is none, if it ended, or if it has decoded VIDEOS_PER_CHILD videos."""
        child = self._child
        if child is not None and (not child.is_running or child.num_served >= VIDEOS_PER_CHILD):
            self.close()
            child = None
        if child is None:
            child = self._child = DecoderProcess(self._settings)
        return child

    def interrupt(self) -> None:
        """Kill the child immediately. Any thread may call this."""
        child = self._child
        if child is not None:
            child.interrupt()

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def decode(self, queued: QueuedVideo, put: Callable[[DecodeEvent], None]) -> None:
        """Decode one video and pass its events to `put`.

        The last event is a `VideoDone` or a `VideoFailed`; the only event is a `VideoUnchanged` if the file has the
        content that is already described.

        Raises:
            DecoderStartError: no child starts.
            OSError: a fault of this machine, such as no disk space for the copy of a remote file.
            CancelledError: the session was cancelled while a remote file was copied.
        """
        request = queued.request
        try:
            with queued.open() as video:
                if _is_described(video, request.described):
                    put(VideoUnchanged(request.video_id))
                    return
                container = recognise_container(video.fd, video.size_bytes)
                check_complete(video.fd, video.size_bytes, container)
                facts = self._decode_content(request, _Content(video, container), put)
        except RowError as error:
            put(VideoFailed(request.video_id, error))
        else:
            put(VideoDone(request.video_id, facts))

    def _decode_content(
        self, request: VideoRequest, content: _Content, put: Callable[[DecodeEvent], None]
    ) -> VideoFacts:
        """Try decord, then PyAV. A failure that may be transient is repeated once with the same decoder."""
        budget = TimeBudget(self._settings.limits.total_timeout_seconds)
        allows_decord, was_repeated = True, False
        first: RowError | None = None
        while True:
            try:
                return self._attempt(request, content, put, budget, allows_decord=allows_decord)
            except _AttemptError as error:
                may_repeat = error.may_be_transient and not was_repeated
                if not (may_repeat or error.decoder == "decord") or budget.remaining_seconds <= 0:
                    raise (choose_fault(first, error.fault) if first else error.fault) from error
                was_repeated |= may_repeat
                allows_decord &= may_repeat
                first = error.fault
            put(VideoRestarted(request.video_id))

    def _attempt(
        self,
        request: VideoRequest,
        content: _Content,
        put: Callable[[DecodeEvent], None],
        budget: TimeBudget,
        *,
        allows_decord: bool,
    ) -> VideoFacts:
        child = self.start_child()
        is_usable = False
        try:
            child.request(content.video.fd, content.container, allows_decord=allows_decord, seconds=request.seconds)
            content_sha256 = content.sha256  # while the child decodes
            while (message := child.receive(budget)).header.get("kind") == "frames":
                put(_read_chunk(message, request.video_id, self._settings.frame_px))
            fault = _read_fault(message)
            is_usable = fault is None or fault.code != RowErrorCode.DECODER_OUT_OF_MEMORY
            if fault is not None:
                raise _AttemptError(child.decoder, fault)
            return _read_facts(message, content, content_sha256)
        except TimeoutError as error:
            limits = self._settings.limits
            detail = (
                f"{child.decoder or 'opening'}: no progress for {limits.stall_timeout_seconds:g} s, "
                f"or not finished within {limits.total_timeout_seconds:g} s"
            )
            raise _AttemptError(child.decoder, RowError(RowErrorCode.DECODE_TIMEOUT, detail)) from error
        except BrokenConnectionError as error:
            is_usable = False
            fault = child.explain_exit(error)
            raise _AttemptError(child.decoder, fault, was_killed=child.was_killed) from error
        finally:
            if not is_usable:
                self.close()


def _is_described(video: OpenedVideo, described: FileContent | None) -> bool:
    """Return whether a file has the described content; a file of another size is not read."""
    return (
        described is not None and video.size_bytes == described.size_bytes and video.read_sha256() == described.sha256
    )


def choose_fault(first: RowError, second: RowError) -> RowError:
    """Return the fault to report when both decoders failed.

    This is the second fault, because PyAV reads every packet and measures the damage. It is the first fault if the
    second is the unspecific DECODE_FAILED and the first process crashed, hung or ran out of memory.
    """
    if second.code == RowErrorCode.DECODE_FAILED and first.code in _PROCESS_FAULTS:
        first, second = second, first
    return RowError(second.code, f"{second.detail} | the other decoder: {first}")


def _read_chunk(message: Message, video_id: str, frame_px: int) -> FrameChunk:
    seconds = message.header.get("seconds")
    if not isinstance(seconds, list) or not all(isinstance(second, float) for second in seconds):
        raise BrokenConnectionError("frames have no times")
    shape = (len(seconds), frame_px, frame_px, 3)
    if not seconds or len(message.payload) != math.prod(shape):
        raise BrokenConnectionError(f"{len(message.payload)} bytes cannot be frames of shape {shape}")
    width, height = message.header.get("width_px"), message.header.get("height_px")
    if not (
        isinstance(width, int) and isinstance(height, int) and 1 <= min(width, height) <= max(width, height) <= frame_px
    ):
        raise BrokenConnectionError(f"pictures of {width!r} x {height!r} px in squares of {frame_px} px")
    frames = np.frombuffer(message.payload, dtype=np.uint8).reshape(shape)
    return FrameChunk(video_id, np.array(seconds, dtype=np.float64), frames, (width, height))


def _read_fault(message: Message) -> RowError | None:
    """Return the fault of a `failed` message; None for a `done` message."""
    header = message.header
    if header.get("kind") == "done":
        return None
    try:
        return RowError(RowErrorCode(header["code"]), str(header["detail"]))
    except (KeyError, ValueError) as error:
        raise BrokenConnectionError(f"not a message of a decoder child: {header!r:.99}") from error


def _read_facts(message: Message, content: _Content, content_sha256: str) -> VideoFacts:
    try:
        return VideoFacts(
            size_bytes=content.video.size_bytes,
            content_sha256=content_sha256,
            container_format=content.container,
            **message.header["facts"],
        )
    except (KeyError, TypeError) as error:
        raise BrokenConnectionError(f"the facts of the video are invalid: {message.header!r:.99}") from error
