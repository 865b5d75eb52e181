"""Opens a recognised file with one demuxer only, and chooses its video stream. Runs in decoder children."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, cast

from udfs.errors import RowError, RowErrorCode
from udfs.opening.resync import MAX_START_BYTES, find_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

    from udfs.decoding.ffmpeg_log import FfmpegLog
    from udfs.video import DecodeLimits

_REFUSED_SIZE = re.compile(r"Picture size \d+x\d+ (is invalid|exceeds)")  # libavutil/imgutils.c
_TIMESTAMPS_MAY_JUMP = 0x0200  # AVFMT_TS_DISCONT, libavformat/avformat.h
_REFUSED_STREAMS = "max_streams"  # libavformat/options.c and matroskadec.c


def open_container(path: str, container: str, limits: DecodeLimits, *, forced: bool) -> InputContainer:
    """Open a file with one demuxer only, without network access and without opening other files.

    Args:
        path: `/proc/self/fd/N`: FFmpeg derives nothing from this name.
        container: name of the demuxer.
        limits: the limits of streams and pixels are used.
        forced: True uses this demuxer even if FFmpeg would choose another; False raises an error in that case.

    Raises:
        av.FFmpegError: the file cannot be opened, or `forced` is False and FFmpeg would choose another demuxer.
            The error is also a MemoryError if memory ran out, and with some demuxers if there are too many streams.
    """
    import av

    options = {
        "protocol_whitelist": "file",
        "format_whitelist": container,
        "max_streams": str(limits.max_streams),
        "max_pixels": str(limits.max_frame_pixels),
        "resync_size": str(MAX_START_BYTES),  # of mpegts: how many bytes without packets it skips
    }
    if start := _find_start(path, container):
        options["skip_initial_bytes"] = str(start)
        forced = True
    is_mov = container.startswith("mov,")
    if is_mov:  # only a warning reports that a second file is not read
        av.logging.set_libav_level(av.logging.WARNING)
    try:
        return av.open(path, format=container if forced else None, options=options, metadata_errors="replace")
    finally:
        if is_mov:
            av.logging.set_libav_level(av.logging.ERROR)


def _find_start(path: str, container: str) -> int:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return find_start(fd, container)
    finally:
        os.close(fd)


def may_jump(opened: InputContainer) -> bool:
    """Return whether FFmpeg marks the timestamps of this kind of container as possibly discontinuous."""
    return bool(opened.format.flags & _TIMESTAMPS_MAY_JUMP)


def list_video_streams(opened: InputContainer) -> list[VideoStream]:
    """Return the streams of moving pictures. Still pictures such as cover art are left out."""
    return [stream for stream in opened.streams.video if not _is_still(stream)]


def find_video_stream(opened: InputContainer) -> tuple[VideoStream, bool]:
    """Choose the video stream that FFmpeg ranks best. Still pictures such as cover art are skipped.

    Returns:
        The stream, and whether decord would choose the same one.

    Raises:
        RowError: NO_VIDEO_STREAM, or OPEN_FAILED if there is no decoder for the stream.
    """
    moving = list_video_streams(opened)
    if not moving:
        found = ", ".join(sorted({stream.type for stream in opened.streams})) or "none"
        raise RowError(RowErrorCode.NO_VIDEO_STREAM, f"the file has no stream of moving pictures; its streams: {found}")
    best = opened.streams.best("video")
    stream = next((stream for stream in moving if best and stream.index == best.index), moving[0])
    if stream.codec_context is None:
        raise RowError(RowErrorCode.OPEN_FAILED, f"no decoder for the codec of video stream {stream.index}")
    return stream, bool(best and stream.index == best.index)


def demux_streams(opened: InputContainer, streams: Sequence[VideoStream]) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of some streams in file order. Empty packets are skipped.

    Raises:
        av.FFmpegError: the container ends early.
    """
    try:
        for packet in opened.demux(*streams):
            if packet.size:
                yield cast("Packet[VideoStream]", packet)
    except IndexError:  # raised by PyAV at the end of a file if streams were added while it was read
        return


def _is_still(stream: VideoStream) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def check_logged_limits(log: FfmpegLog, limits: DecodeLimits) -> None:
    """Refuse a file if FFmpeg logged that it exceeds a limit. Its header cannot be read in that case.

    Raises:
        RowError: TOO_MANY_STREAMS or TOO_MANY_PIXELS.
    """
    logged = log.read()
    if _REFUSED_STREAMS in logged:
        detail = f"more than {limits.max_streams} streams"
        raise RowError(RowErrorCode.TOO_MANY_STREAMS, detail)
    if refused := _REFUSED_SIZE.search(logged):
        detail = f"{refused.group()}; the limit is {limits.max_frame_pixels} pixels"
        raise RowError(RowErrorCode.TOO_MANY_PIXELS, detail)


def check_frame_size(width: int, height: int, limits: DecodeLimits) -> None:
    """Refuse frames with too many pixels.

    Raises:
        RowError: TOO_MANY_PIXELS.
    """
    if width * height > limits.max_frame_pixels:
        detail = f"{width} x {height} px, the limit is {limits.max_frame_pixels} pixels"
        raise RowError(RowErrorCode.TOO_MANY_PIXELS, detail)
