"""Makes damaged, hostile and oddly named video files, each with its permitted results.

The functions read only the good video that they receive.
"""

from __future__ import annotations

import os
import random
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import numpy as np

from udfs.errors import RowErrorCode as Code

if TYPE_CHECKING:
    from pathlib import Path

HUGE_PX = 60_000
_JPEG_FRAME_START = b"\xff\xc0\x00\x11\x08"
_DECODING_ERRORS = frozenset(Code) - {
    Code.MISSING_URI,
    Code.UNSUPPORTED_SCHEME,
    Code.OUTSIDE_ROOTS,
    Code.NOT_FOUND,
    Code.ACCESS_DENIED,
    Code.NOT_A_FILE,
    Code.READ_FAILED,
    Code.EMPTY_FILE,
    Code.TOO_LARGE,
    Code.PLAYLIST_REFUSED,
}
ODD_NAMES = (
    "frame-%03d.mp4",
    "%d.mp4",
    'it\'s "quoted".mp4',
    " two  spaces .mp4",
    "a#b.mp4",
    "a?b=c&d.mp4",
    "100%.mp4",
    "%20%2F.mp4",
    "größe-動画-🎬.mp4",
    "-i.mp4",
    "C:a.mp4",
    "concat:a|b.mp4",
    "file:a.mp4",
    "a\\b*c[0].mp4",
    "two\nlines.mp4",
    "no ending",
)


@dataclass(frozen=True)
class HostileFile:
    """A file and its permitted results.

    Attributes:
        path: path of the file.
        codes: permitted error codes; empty for a good video with an odd name.
        may_succeed: whether describing it is permitted too.
    """

    path: Path
    codes: frozenset[Code]
    may_succeed: bool = False


def write_tiny_video(
    path: Path,
    codec: str = "mpeg4",
    *,
    num_frames: int = 12,
    muxer: str | None = None,
    pixels: str = "yuv420p",
) -> Path:
    """Write a good video of seeded noise, 64 x 48 px at 12 fps. The name determines the muxer if none is given."""
    noise = np.random.default_rng(0)
    with av.open(str(path), "w", format=muxer) as container:
        stream = container.add_stream(codec, rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for _ in range(num_frames):
            picture = noise.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_cut(folder: Path, good: Path, kept_fraction: float = 0.5) -> HostileFile:
    """Write the first part of a good video."""
    content = good.read_bytes()
    path = folder / f"cut-{kept_fraction:g}-{good.name}"
    path.write_bytes(content[: int(len(content) * kept_fraction)])
    return HostileFile(path, frozenset((Code.TRUNCATED,)))


def write_flipped(folder: Path, good: Path, flipped_fraction: float = 0.02, seed: int = 0) -> HostileFile:
    """Write a good video with one bit flipped in a seeded choice of its bytes. It may still be readable."""
    content = bytearray(good.read_bytes())
    rng = random.Random(seed)
    for at in rng.sample(range(len(content)), max(1, int(len(content) * flipped_fraction))):
        content[at] ^= 1 << rng.randrange(8)
    path = folder / f"flipped-{flipped_fraction:g}-{seed}-{good.name}"
    path.write_bytes(content)
    return HostileFile(path, _DECODING_ERRORS | {Code.PLAYLIST_REFUSED}, may_succeed=True)


def write_renamed_text(folder: Path) -> HostileFile:
    """Write text under the name of a video."""
    return _write(folder / "text.mp4", b"It was a dark and stormy night; the rain fell.\n" * 99, Code.NOT_A_VIDEO)


def write_empty(folder: Path) -> HostileFile:
    """Write an empty file."""
    return _write(folder / "empty.mp4", b"", Code.EMPTY_FILE)


def write_zeros(folder: Path) -> HostileFile:
    """Write a file that contains only zeros, such as a failed download."""
    return _write(folder / "zeros.mp4", bytes(10_000), Code.NOT_A_VIDEO)


def write_hls(folder: Path, good: Path) -> HostileFile:
    """Write an HLS playlist whose only segment is a good video."""
    lines = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:9,\n{good}\n#EXT-X-ENDLIST\n"
    return _write(folder / "hls.mp4", lines.encode(), Code.PLAYLIST_REFUSED)


def write_concat(folder: Path, good: Path) -> HostileFile:
    """Write an ffconcat script that opens a good video."""
    return _write(folder / "concat.mp4", f"ffconcat version 1.0\nfile '{good}'\n".encode(), Code.PLAYLIST_REFUSED)


def write_dash(folder: Path, good: Path) -> HostileFile:
    """Write a DASH manifest whose only representation is a good video."""
    return _write(folder / "dash.mp4", _dash(good), Code.PLAYLIST_REFUSED)


def write_sdp(folder: Path) -> HostileFile:
    """Write a session description that makes a decoder listen on a local port."""
    lines = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    return _write(folder / "sdp.mp4", lines, Code.PLAYLIST_REFUSED)


def write_gif_dash(folder: Path, good: Path) -> HostileFile:
    """Write a file that starts like a GIF and contains a DASH manifest that FFmpeg detects."""
    return _write(folder / "polyglot.gif", b"GIF89aAAAA\x80!!" + _dash(good), Code.PLAYLIST_REFUSED)


def write_mkv_dash(folder: Path, good: Path) -> HostileFile:
    """Write a file that starts like Matroska and contains a DASH manifest that FFmpeg detects."""
    skipped = _make_ebml(b"\xec", _dash(good))
    content = _make_ebml(b"\x1a\x45\xdf\xa3", b"\x42\x82\x88matroska" + skipped)
    return _write(folder / "polyglot.mkv", content, Code.PLAYLIST_REFUSED)


def write_huge_header(folder: Path, good_mp4: Path) -> HostileFile:
    """Write an mp4 whose track header and sample description claim 60,000 x 60,000 px, which is 10 GiB per frame.

    Most codecs contain the frame size too, and override the headers. The video is then read at its true size.
    """
    content = bytearray(good_mp4.read_bytes())
    _claim_size(content, HUGE_PX)
    path = folder / "huge-header.mp4"
    path.write_bytes(content)
    return HostileFile(path, _DECODING_ERRORS, may_succeed=True)


def write_huge_frames(folder: Path, side_px: int = HUGE_PX) -> HostileFile:
    """Write an mp4 whose headers and JPEG frames claim a width and height of `side_px`.

    FFmpeg rejects 60,000, like all sizes above 2^28 pixels. With 16,000 it would allocate every frame.
    """
    path = write_tiny_video(folder / f"huge-frames-{side_px}.mp4", "mjpeg", pixels="yuvj420p")
    content = bytearray(path.read_bytes())
    _claim_size(content, side_px)
    at = content.find(_JPEG_FRAME_START)
    while at >= 0:
        content[at + 5 : at + 9] = struct.pack(">HH", side_px, side_px)  # after marker, length and depth
        at = content.find(_JPEG_FRAME_START, at + 1)
    path.write_bytes(content)
    return HostileFile(path, _DECODING_ERRORS)


def write_many_streams(folder: Path, num_streams: int = 1000) -> HostileFile:
    """Write a Matroska file with many video streams of one small frame each."""
    path = folder / "many-streams.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=1) for _ in range(num_streams)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt, stream.thread_count = 16, 16, "yuv420p", 1
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), dtype=np.uint8), format="rgb24")
        for stream in streams:
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
            container.mux(stream.encode())
    return HostileFile(path, frozenset((Code.TOO_MANY_STREAMS,)))


def make_folder(folder: Path) -> HostileFile:
    """Make a folder under the name of a video."""
    path = folder / "folder.mp4"
    path.mkdir()
    return HostileFile(path, frozenset((Code.NOT_A_FILE,)))


def make_fifo(folder: Path) -> HostileFile:
    """Make a named pipe without a writer. Opening it blocks forever."""
    path = folder / "pipe.mp4"
    os.mkfifo(path)
    return HostileFile(path, frozenset((Code.NOT_A_FILE,)))


def make_link_out(folder: Path, outside: Path) -> HostileFile:
    """Make a symbolic link to a good video outside the folder."""
    path = folder / "link-out.mp4"
    path.symlink_to(outside)
    return HostileFile(path, frozenset((Code.OUTSIDE_ROOTS,)))


def make_link_to_device(folder: Path) -> HostileFile:
    """Make a symbolic link to a device with endless content."""
    path = folder / "zero.mp4"
    path.symlink_to("/dev/zero")
    return HostileFile(path, frozenset((Code.OUTSIDE_ROOTS,)))


def write_odd_names(folder: Path, good: Path) -> list[HostileFile]:
    """Write copies of a good video under names with special meaning in shells, URIs, printf or FFmpeg."""
    files = []
    for name in ODD_NAMES:
        (folder / name).write_bytes(good.read_bytes())
        files.append(HostileFile(folder / name, frozenset(), may_succeed=True))
    return files


def write_each_kind(folder: Path, good_mp4: Path, outside: Path) -> list[HostileFile]:
    """Write one file of each kind that is always quarantined, without odd names and flipped bits.

    Args:
        folder: an empty folder.
        good_mp4: a good mp4, for the playlists.
        outside: a good video outside the folder, for a link.
    """
    return [
        write_cut(folder, good_mp4),
        write_renamed_text(folder),
        write_empty(folder),
        write_zeros(folder),
        write_hls(folder, good_mp4),
        write_concat(folder, good_mp4),
        write_dash(folder, good_mp4),
        write_sdp(folder),
        write_gif_dash(folder, good_mp4),
        write_mkv_dash(folder, good_mp4),
        write_huge_frames(folder),
        write_many_streams(folder),
        make_folder(folder),
        make_fifo(folder),
        make_link_out(folder, outside),
        make_link_to_device(folder),
    ]


def _write(path: Path, content: bytes, code: Code) -> HostileFile:
    path.write_bytes(content)
    return HostileFile(path, frozenset((code,)))


def _claim_size(mp4: bytearray, side_px: int) -> None:
    track_header = mp4.index(b"tkhd") + 4
    width_at = track_header + (88 if mp4[track_header] else 76)  # version 1 has 64-bit times
    mp4[width_at : width_at + 8] = struct.pack(">II", side_px << 16, side_px << 16)
    sample_entry = mp4.index(b"stsd") + 12  # after version, flags and count: size and format of the entry
    mp4[sample_entry + 32 : sample_entry + 36] = struct.pack(">HH", side_px, side_px)


def _make_ebml(element: bytes, content: bytes) -> bytes:
    """Make an EBML element without a NUL byte. FFmpeg does not look for a manifest after a NUL byte."""
    if len(content) % 256 == 0:
        content += b" "
    return element + struct.pack(">H", 0x4000 | len(content)) + content


def _dash(good: Path) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
        ' mediaPresentationDuration="PT9S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">'
        '<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1">'
        f"<BaseURL>{good}</BaseURL></Representation></AdaptationSet></Period></MPD>"
    ).encode()
