"""One thread and its child process: opens videos, has the child decode them, tells what came of each.

Runs on executors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from udfs.decoding.process import DecoderProcess, Message, TimeBudget
from udfs.decoding.wire import BrokenWireError
from udfs.errors import RowError, RowErrorCode
from udfs.opening.content import hash_content
from udfs.opening.locate import open_video
from udfs.opening.probe import check_complete, recognise_container
from udfs.video import FrameChunk, VideoDone, VideoFacts, VideoFailed, VideoRestarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from udfs.decoding.settings import DecoderSettings
    from udfs.opening.locate import OpenedVideo, Roots
    from udfs.video import DecodeEvent, VideoRequest

# decord leaks some memory with every file.
VIDEOS_PER_CHILD = 200
# These say what became of the process; DECODE_FAILED of the second decoder says less.
_FAULTS_OF_THE_PROCESS = frozenset(
    {RowErrorCode.DECODE_TIMEOUT, RowErrorCode.DECODER_CRASHED, RowErrorCode.DECODER_OUT_OF_MEMORY}
)


@dataclass(frozen=True)
class _Content:
    """A recognised file."""

    video: OpenedVideo
    container: str

    @cached_property
    def sha256(self) -> str:
        return hash_content(self.video.fd)


class _AttemptError(Exception):
    """One decoder did not bring a video to its end. `decoder` is empty if the file was not even opened."""

    def __init__(self, decoder: str, fault: RowError, *, was_killed: bool = False) -> None:
        super().__init__(decoder, fault)
        self.decoder = decoder
        self.fault = fault
        self.was_killed = was_killed

    @property
    def may_be_of_others(self) -> bool:
        """Whether the file may be without fault: its child was killed, or had died before it had begun."""
        return self.was_killed or (not self.decoder and self.fault.code in _FAULTS_OF_THE_PROCESS)


class DecoderWorker:
    """Decodes one video after another. One thread uses it; any may `interrupt` it."""

    def __init__(self, settings: DecoderSettings, roots: Roots) -> None:
        self._settings = settings
        self._roots = roots
        self._child: DecoderProcess | None = None

    def start_child(self) -> DecoderProcess:
        """Give the child, a new one where there is none or the last has served its time."""
        child = self._child
        if child is not None and (not child.is_running or child.num_served >= VIDEOS_PER_CHILD):
            self.close()
            child = None
        if child is None:
            child = self._child = DecoderProcess(self._settings)
        return child

    def interrupt(self) -> None:
        """Kill the child in the midst of whatever it does. Any thread may call this."""
        child = self._child
        if child is not None:
            child.interrupt()

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def decode(self, request: VideoRequest, put: Callable[[DecodeEvent], None]) -> None:
        """Decode one video, passing its events on; the last is one `VideoDone` or `VideoFailed`.

        Raises:
            DecoderStartError: no child starts.
            OSError: a fault of this machine, such as no room for a copy of a remote file.
        """
        limits = self._settings.limits
        try:
            with open_video(request.uri, self._roots, limits.max_file_bytes) as video:
                container = recognise_container(video.fd, video.size_bytes)
                check_complete(video.fd, video.size_bytes, container)
                facts = self._decode_content(request.video_id, _Content(video, container), put)
        except RowError as error:
            put(VideoFailed(request.video_id, error))
        else:
            put(VideoDone(request.video_id, facts))

    def _decode_content(self, video_id: str, content: _Content, put: Callable[[DecodeEvent], None]) -> VideoFacts:
        """Try decord, then PyAV; once, what may be the fault of others is tried again as it was."""
        budget = TimeBudget(self._settings.limits.total_timeout_seconds)
        allows_decord, was_forgiven = True, False
        first: RowError | None = None
        while True:
            try:
                return self._attempt(video_id, content, put, budget, allows_decord=allows_decord)
            except _AttemptError as error:
                is_forgiven = error.may_be_of_others and not was_forgiven
                if not (is_forgiven or error.decoder == "decord") or budget.left_seconds <= 0:
                    raise (join_faults(first, error.fault) if first else error.fault) from error
                was_forgiven |= is_forgiven
                allows_decord &= is_forgiven
                first = error.fault
            put(VideoRestarted(video_id))

    def _attempt(
        self,
        video_id: str,
        content: _Content,
        put: Callable[[DecodeEvent], None],
        budget: TimeBudget,
        *,
        allows_decord: bool,
    ) -> VideoFacts:
        child = self.start_child()
        is_usable = False
        try:
            child.request(content.video.fd, content.container, allows_decord=allows_decord)
            content_sha256 = content.sha256  # computed here, while the child decodes
            while (message := child.receive(budget)).header.get("kind") == "frames":
                put(_read_chunk(message, video_id, self._settings.frame_px))
            fault = _read_fault(message)
            is_usable = fault is None or fault.code != RowErrorCode.DECODER_OUT_OF_MEMORY
            if fault is not None:
                raise _AttemptError(child.decoder, fault)
            return _read_facts(message, content, content_sha256)
        except TimeoutError as error:
            limits = self._settings.limits
            detail = (
                f"{child.decoder or 'opening'}: silent for {limits.stall_timeout_seconds:g} s, "
                f"or over {limits.total_timeout_seconds:g} s in all"
            )
            raise _AttemptError(child.decoder, RowError(RowErrorCode.DECODE_TIMEOUT, detail)) from error
        except BrokenWireError as error:
            is_usable = False
            fault = child.explain_end(error)
            raise _AttemptError(child.decoder, fault, was_killed=child.was_killed) from error
        finally:
            if not is_usable:
                self.close()


def join_faults(first: RowError, second: RowError) -> RowError:
    """Choose what to report when both decoders failed.

    The second's fault counts: PyAV reads every packet and judges damage itself. Only where that says no more
    than that it failed, and the first decoder's process crashed, hung or ran out of memory, the first's does.
    """
    if second.code == RowErrorCode.DECODE_FAILED and first.code in _FAULTS_OF_THE_PROCESS:
        first, second = second, first
    return RowError(second.code, f"{second.detail} | the other decoder: {first}")


def _read_chunk(message: Message, video_id: str, frame_px: int) -> FrameChunk:
    seconds = message.header.get("seconds")
    if not isinstance(seconds, list) or not all(isinstance(second, float) for second in seconds):
        raise BrokenWireError("frames without times")
    shape = (len(seconds), frame_px, frame_px, 3)
    if not seconds or len(message.payload) != math.prod(shape):
        raise BrokenWireError(f"{len(message.payload)} bytes for frames {shape}")
    frames = np.frombuffer(message.payload, dtype=np.uint8).reshape(shape)
    return FrameChunk(video_id, np.array(seconds, dtype=np.float64), frames)


def _read_fault(message: Message) -> RowError | None:
    """Read a `failed` message; None for a `done` one."""
    header = message.header
    if header.get("kind") == "done":
        return None
    try:
        return RowError(RowErrorCode(header["code"]), str(header["detail"]))
    except (KeyError, ValueError) as error:
        raise BrokenWireError(f"no message of this protocol: {header!r:.99}") from error


def _read_facts(message: Message, content: _Content, content_sha256: str) -> VideoFacts:
    try:
        return VideoFacts(
            size_bytes=content.video.size_bytes,
            content_sha256=content_sha256,
            container_format=content.container,
            **message.header["facts"],
        )
    except (KeyError, TypeError) as error:
        raise BrokenWireError(f"not the facts of a video: {message.header!r:.99}") from error
