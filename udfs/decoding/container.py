"""Opening a recognised file by one demuxer alone, and choosing its video stream. Runs in decoder children."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from udfs.errors import RowError, RowErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

    from udfs.decoding.complaints import Complaints
    from udfs.video import DecodeLimits

_REFUSED_SIZE = re.compile(r"Picture size \d+x\d+ (is invalid|exceeds)")  # libavutil/imgutils.c
_REFUSED_STREAMS = "max_streams"  # libavformat/options.c and matroskadec.c


def open_container(path: str, container: str, limits: DecodeLimits, *, forced: bool) -> InputContainer:
    """Open a file by one demuxer alone, with no network and no other file.

    Args:
        path: `/proc/self/fd/N`: a name that FFmpeg reads nothing into.
        container: the demuxer's name.
        limits: of streams and pixels.
        forced: take that demuxer whatever FFmpeg itself would; else refuse the file if they differ.

    Raises:
        av.FFmpegError: it cannot be opened, or `forced` is False and FFmpeg would take another demuxer.
            Of a type that is a MemoryError as well where memory ran out, or streams, as some demuxers say it.
    """
    import av

    options = {
        "protocol_whitelist": "file",
        "format_whitelist": container,
        "max_streams": str(limits.max_streams),
        "max_pixels": str(limits.max_frame_pixels),
    }
    return av.open(path, format=container if forced else None, options=options, metadata_errors="replace")


def find_video_stream(opened: InputContainer) -> tuple[VideoStream, bool]:
    """Choose the stream that FFmpeg thinks best, still pictures such as cover art left out.

    Returns:
        The stream, and whether it is the one that decord takes.

    Raises:
        RowError: NO_VIDEO_STREAM, or OPEN_FAILED where there is no decoder for it.
    """
    moving = [stream for stream in opened.streams.video if not _is_still(stream)]
    if not moving:
        held = ", ".join(sorted({stream.type for stream in opened.streams})) or "nothing"
        raise RowError(RowErrorCode.NO_VIDEO_STREAM, f"no moving picture in it; it holds: {held}")
    best = opened.streams.best("video")
    stream = next((stream for stream in moving if best and stream.index == best.index), moving[0])
    if stream.codec_context is None:
        raise RowError(RowErrorCode.OPEN_FAILED, f"no decoder for the codec of video stream {stream.index}")
    return stream, bool(best and stream.index == best.index)


def demux_stream(opened: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Read the packets of one stream, in file order, up to the file's end. Empty ones are left out.

    Raises:
        av.FFmpegError: the container breaks off.
    """
    try:
        for packet in opened.demux(stream):
            if packet.size:
                yield packet
    except IndexError:  # PyAV at the end of a file in which further streams turned up on the way
        return


def _is_still(stream: VideoStream) -> bool:
    from av.stream import Disposition

    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def refuse_by_complaint(complaints: Complaints, limits: DecodeLimits) -> None:
    """Refuse a file of which libav said, while opening it, that a limit was passed: the header is not to be had.

    Raises:
        RowError: TOO_MANY_STREAMS or TOO_MANY_PIXELS.
    """
    log = complaints.read()
    if _REFUSED_STREAMS in log:
        detail = f"more than {limits.max_streams} streams"
        raise RowError(RowErrorCode.TOO_MANY_STREAMS, detail)
    if refused := _REFUSED_SIZE.search(log):
        detail = f"{refused.group()}; the limit is {limits.max_frame_pixels} pixels"
        raise RowError(RowErrorCode.TOO_MANY_PIXELS, detail)


def refuse_size(width: int, height: int, limits: DecodeLimits) -> None:
    """Refuse frames of too many pixels.

    Raises:
        RowError: TOO_MANY_PIXELS.
    """
    if width * height > limits.max_frame_pixels:
        detail = f"{width} x {height} px, the limit is {limits.max_frame_pixels} pixels"
        raise RowError(RowErrorCode.TOO_MANY_PIXELS, detail)
