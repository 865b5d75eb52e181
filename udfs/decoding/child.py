"""The child process that decodes: receives one file at a time from its parent, and sends back frames or a fault.

It may crash, hang or run out of memory on any file. `process` then kills and replaces it.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.square import pad_to_square
from udfs.decoding.decode import DecodeJob, decode_with_decord, decode_with_pyav
from udfs.decoding.ffmpeg_log import MAX_LOG_BYTES, FfmpegLog
from udfs.decoding.index import index_video
from udfs.decoding.sampling import choose_frames, find_nearest_frames
from udfs.decoding.settings import DecoderSettings
from udfs.decoding.wire import BrokenConnectionError, Header, receive_message, send_message
from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from udfs.decoding.decode import Picture
    from udfs.decoding.index import VideoIndex

FRAMES_PER_CHUNK = 8
_HEARTBEAT_INTERVAL_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class _Parent:
    """The connection to the parent. Sends a heartbeat if no other message was sent for some time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._last_sent = time.monotonic()

    def send(self, header: Header, payload: memoryview | None = None) -> None:
        try:
            send_message(self.sock, header, payload)
        except OSError as error:
            raise BrokenConnectionError("the parent closed the connection") from error
        self._last_sent = time.monotonic()

    def send_heartbeat(self) -> None:
        if time.monotonic() - self._last_sent > _HEARTBEAT_INTERVAL_SECONDS:
            self.send({"kind": "alive"})


def main(socket_fd: int, parent_pid: int, settings: Header) -> None:
    """Serve the parent until it closes the connection. `process` starts this function.

    Args:
        socket_fd: file descriptor of a connected UNIX socket.
        parent_pid: id of the parent; this process ends when the parent ends.
        settings: what `DecoderSettings.to_header` returned.
    """
    _end_with_parent(parent_pid)
    decoder_settings = DecoderSettings.from_header(settings)
    parent = _Parent(socket.socket(fileno=socket_fd))
    _import_decoders()
    _limit_resources(decoder_settings.limits.decoder_memory_bytes)
    try:
        parent.send({"kind": "ready"})
        while True:
            _serve_one(parent, decoder_settings)
    except (BrokenConnectionError, OSError):
        os._exit(0)  # skips the exit handlers of the libraries, which may hang


def _end_with_parent(parent_pid: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # the parent ended before prctl took effect
        os._exit(0)


def _import_decoders() -> None:
    # PyAV first: decord exports the symbols of its FFmpeg globally, and PyAV would bind to them.
    av: Any = importlib.import_module("av")
    # decord loads every CUDA library of the `nvidia` packages, 600 MiB, even to decode on CPUs. So hide the packages.
    sys.modules["nvidia"] = None  # type: ignore[assignment] # how Python marks a module as not found
    decord: Any = importlib.import_module("decord")
    decord.logging.set_level(decord.logging.ERROR)
    av.logging.restore_default_callback()
    av.logging.set_libav_level(av.logging.ERROR)


def _limit_resources(memory_bytes: int) -> None:
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + memory_bytes, in_use + memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_LOG_BYTES, MAX_LOG_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _serve_one(parent: _Parent, settings: DecoderSettings) -> None:
    first_byte, fds, _, _ = socket.recv_fds(parent.sock, 1, 1)
    if not first_byte or not fds:
        raise BrokenConnectionError("the parent closed the connection")
    try:
        request, seconds = receive_message(parent.sock)
        reply = _decode(f"/proc/self/fd/{fds[0]}", request, np.frombuffer(seconds), settings, parent)
    finally:
        os.close(fds[0])
    parent.send(reply)


def _decode(
    path: str, request: Header, seconds: NDArray[np.float64], settings: DecoderSettings, parent: _Parent
) -> Header:
    """Decode one file and send the frames at these times, or the sampled ones. Returns `done` or `failed`."""
    decoder = ""
    log = FfmpegLog()
    try:
        index = index_video(path, request["container"], settings.limits, log, parent.send_heartbeat)
        chosen = (
            np.unique(find_nearest_frames(index.frame_seconds, seconds))
            if len(seconds)
            else choose_frames(index.frame_seconds, index.duration_seconds, settings.sampling)
        )
        job = DecodeJob(path, request["container"], index, chosen, settings.frame_px, settings.limits)
        decoder = "decord" if request["allows_decord"] and index.decord_problem is None else "pyav"
        parent.send({"kind": "started", "decoder": decoder})
        pictures = (
            decode_with_decord(job, log) if decoder == "decord" else decode_with_pyav(job, log, parent.send_heartbeat)
        )
        _send_pictures(pictures, settings.frame_px, parent)
    except BrokenConnectionError:
        raise
    except RowError as error:
        return _make_failure(error.code, error.detail)
    except MemoryError as error:
        return _make_failure(RowErrorCode.DECODER_OUT_OF_MEMORY, f"{decoder or 'opening'}: {error!r}")
    except Exception as error:  # noqa: BLE001 -- libraries may raise anything on a hostile file; it is the file's fault
        return _make_failure(RowErrorCode.DECODE_FAILED, f"{decoder or 'opening'}: {error!r}; {log.first_line()}")
    return {"kind": "done", "facts": _make_facts(index, decoder)}


def _make_failure(code: RowErrorCode, detail: str) -> Header:
    return {"kind": "failed", "code": code.value, "detail": detail}


def _send_pictures(pictures: Iterable[Picture], frame_px: int, parent: _Parent) -> None:
    waiting: list[Picture] = []
    for picture in pictures:
        if waiting and picture.pixels.shape != waiting[0].pixels.shape:  # a chunk has one size of pictures
            _send_chunk(waiting, frame_px, parent)
            waiting.clear()
        waiting.append(picture)
        if len(waiting) == FRAMES_PER_CHUNK:
            _send_chunk(waiting, frame_px, parent)
            waiting.clear()
    if waiting:
        _send_chunk(waiting, frame_px, parent)


def _send_chunk(pictures: list[Picture], frame_px: int, parent: _Parent) -> None:
    frames = np.stack([pad_to_square(picture.pixels, frame_px) for picture in pictures])
    height, width, _ = pictures[0].pixels.shape
    seconds = [picture.seconds for picture in pictures]
    header = {"kind": "frames", "seconds": seconds, "width_px": width, "height_px": height}
    parent.send(header, frames.data.cast("B"))


def _make_facts(index: VideoIndex, decoder: str) -> Header:
    size = (index.width, index.height)
    width, height = size[::-1] if index.orientation.is_sideways else size
    seconds = index.duration_seconds
    return {
        "video_codec": index.codec,
        "width_px": width,
        "height_px": height,
        "rotation_degrees": index.orientation.rotation_degrees,
        "duration_seconds": seconds,
        "average_fps": len(index.pts) / seconds if seconds > 0 else 0.0,
        "num_frames": len(index.pts),
        "decoder": decoder,
    }
