"""The child process that decodes: takes one file at a time from its parent, sends back frames or a fault.

It may crash, hang or run out of memory on any file; `process` then kills and replaces it.
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
from udfs.decoding.complaints import MAX_LOG_BYTES, Complaints
from udfs.decoding.decode import DecodeJob, decode_with_decord, decode_with_pyav
from udfs.decoding.index import index_video
from udfs.decoding.sampling import choose_frames
from udfs.decoding.settings import DecoderSettings
from udfs.decoding.wire import BrokenWireError, Header, receive_message, send_message
from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from udfs.decoding.decode import Picture
    from udfs.decoding.index import VideoIndex

FRAMES_PER_CHUNK = 8
_SECONDS_PER_SIGN = 1.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class _Parent:
    """The parent's end of the socket, with a sign of life now and then while there is nothing else to say."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._last_sent = time.monotonic()

    def send(self, header: Header, payload: memoryview | None = None) -> None:
        try:
            send_message(self.sock, header, payload)
        except OSError as error:
            raise BrokenWireError("the parent is gone") from error
        self._last_sent = time.monotonic()

    def alive(self) -> None:
        if time.monotonic() - self._last_sent > _SECONDS_PER_SIGN:
            self.send({"kind": "alive"})


def main(socket_fd: int, parent_pid: int, settings: Header) -> None:
    """Serve the parent until it goes away. What `process` starts.

    Args:
        socket_fd: a connected UNIX socket.
        parent_pid: the process to die with.
        settings: of `DecoderSettings`.
    """
    _die_with(parent_pid)
    decoder_settings = DecoderSettings.from_header(settings)
    parent = _Parent(socket.socket(fileno=socket_fd))
    _import_decoders()
    _limit_resources(decoder_settings.limits.decoder_memory_bytes)
    try:
        parent.send({"kind": "ready"})
        while True:
            _serve_one(parent, decoder_settings)
    except (BrokenWireError, OSError):
        os._exit(0)  # without the libraries' own farewells, which may hang


def _die_with(parent_pid: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's to handle
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before that took hold
        os._exit(0)


def _import_decoders() -> None:
    # PyAV first: decord puts its FFmpeg's symbols into the global scope, where PyAV would find them.
    av: Any = importlib.import_module("av")
    # decord loads every CUDA library of the `nvidia` packages, 600 MiB, to decode on CPUs: hide them.
    sys.modules["nvidia"] = None  # type: ignore[assignment] # how Python marks a module as not to be found
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
        raise BrokenWireError("the parent closed the socket")
    try:
        request, _ = receive_message(parent.sock)
        reply = _decode(f"/proc/self/fd/{fds[0]}", request, settings, parent)
    finally:
        os.close(fds[0])
    parent.send(reply)


def _decode(path: str, request: Header, settings: DecoderSettings, parent: _Parent) -> Header:
    """Decode one file, sending its frames; give the last message, `done` or `failed`."""
    decoder = ""
    complaints = Complaints()
    try:
        index = index_video(path, request["container"], settings.limits, complaints, parent.alive)
        chosen = choose_frames(index.frame_seconds, index.duration_seconds, settings.sampling)
        job = DecodeJob(path, request["container"], index, chosen, settings.frame_px, settings.limits)
        decoder = "decord" if request["allows_decord"] and index.decord_flaw is None else "pyav"
        parent.send({"kind": "started", "decoder": decoder})
        pictures = (
            decode_with_decord(job, complaints)
            if decoder == "decord"
            else decode_with_pyav(job, complaints, parent.alive)
        )
        _send_pictures(pictures, settings.frame_px, parent)
    except BrokenWireError:
        raise
    except RowError as error:
        return _failed(error.code, error.detail)
    except MemoryError as error:
        return _failed(RowErrorCode.DECODER_OUT_OF_MEMORY, f"{decoder or 'opening'}: {error!r}")
    except Exception as error:  # noqa: BLE001 -- here a hostile file meets the libraries; any fault is the file's
        return _failed(RowErrorCode.DECODE_FAILED, f"{decoder or 'opening'}: {error!r}; {complaints.first_line()}")
    return {"kind": "done", "facts": _tell_facts(index, decoder)}


def _failed(code: RowErrorCode, detail: str) -> Header:
    return {"kind": "failed", "code": code.value, "detail": detail}


def _send_pictures(pictures: Iterable[Picture], frame_px: int, parent: _Parent) -> None:
    waiting: list[Picture] = []
    for picture in pictures:
        waiting.append(picture)
        if len(waiting) == FRAMES_PER_CHUNK:
            _send_chunk(waiting, frame_px, parent)
            waiting.clear()
    if waiting:
        _send_chunk(waiting, frame_px, parent)


def _send_chunk(pictures: list[Picture], frame_px: int, parent: _Parent) -> None:
    frames = np.stack([pad_to_square(picture.pixels, frame_px) for picture in pictures])
    header = {"kind": "frames", "seconds": [picture.seconds for picture in pictures]}
    parent.send(header, frames.data.cast("B"))


def _tell_facts(index: VideoIndex, decoder: str) -> Header:
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
