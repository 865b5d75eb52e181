from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest

from tests.support import hostile
from udfs.errors import RowError
from udfs.opening.locate import Roots, open_video
from udfs.opening.probe import check_complete, recognise_container

if TYPE_CHECKING:
    from pathlib import Path

MOV = "mov,mp4,m4a,3gp,3g2,mj2"
# name, codec, muxer (None: by the file extension), pixel format, demuxer
GOOD_VIDEOS = [
    ("a.mp4", "mpeg4", None, "yuv420p", MOV),
    ("a.mov", "mjpeg", None, "yuvj420p", MOV),
    ("a.mkv", "mpeg4", None, "yuv420p", "matroska,webm"),
    ("a.webm", "libvpx", None, "yuv420p", "matroska,webm"),
    ("a.avi", "mpeg4", None, "yuv420p", "avi"),
    ("a.gif", "gif", None, "rgb8", "gif"),
    ("a.flv", "flv1", None, "yuv420p", "flv"),
    ("a.ts", "mpeg2video", None, "yuv420p", "mpegts"),
    ("a.m2ts", "mpeg2video", None, "yuv420p", "mpegts"),
    ("a.vob", "mpeg2video", None, "yuv420p", "mpeg"),
    ("a.m2v", "mpeg2video", None, "yuv420p", "mpegvideo"),
    ("a.h264", "libx264", None, "yuv420p", "h264"),
    ("a.hevc", "libx265", None, "yuv420p", "hevc"),
    ("a.asf", "wmv2", None, "yuv420p", "asf"),
    ("a.ogv", "libvpx", "ogg", "yuv420p", "ogg"),
    ("a.rm", "rv10", None, "yuv420p", "rm"),
    ("a.ivf", "libvpx", None, "yuv420p", "ivf"),
    ("a.y4m", "wrapped_avframe", "yuv4mpegpipe", "yuv420p", "yuv4mpegpipe"),
    ("a.nut", "mpeg4", None, "yuv420p", "nut"),
    ("a.apng", "apng", None, "rgb24", "apng"),
    ("a.wtv", "mpeg2video", None, "yuv420p", "wtv"),
]


def recognise(content: bytes) -> str:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        position = file.tell()
        container = recognise_container(file.fileno(), len(content))
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == position
        return container


def find_error(content: bytes) -> RowError:
    with pytest.raises(RowError) as caught:
        recognise(content)
    return caught.value


@pytest.mark.parametrize(("name", "codec", "muxer", "pixels", "container"), GOOD_VIDEOS)
def test_a_good_video_is_recognised_and_complete_under_any_name(
    tmp_path: Path, name: str, codec: str, muxer: str | None, pixels: str, container: str
) -> None:
    path = hostile.write_tiny_video(tmp_path / name, codec, muxer=muxer, pixels=pixels)
    path = path.rename(tmp_path / "renamed.txt")
    with open_video(str(path), Roots.of(str(tmp_path)), 10**9) as opened:
        assert recognise_container(opened.fd, opened.size_bytes) == container
        check_complete(opened.fd, opened.size_bytes, container)


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", MOV),
        (b"\0\0\0\x08wide\0\0\0\x20mdat", MOV),
        (b"\0\0\0\x14ftypM4A \0\0\2\0isom", MOV),  # may contain a video track; the decoder finds out
        (b"\0\0\0\x18ftypavif\0\0\0\0avismiaf", MOV),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypmjp2", MOV),
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        (b"GIF87a\1\0\1\0", "gif"),
        (b"FLV\1\5\0\0\0\x09\0\0\0\0", "flv"),
        (b"\0\0\1\xba\x21\0\1\0\1", "mpeg"),
        (b"\0\0\1\xba\x44\0\4\0\4", "mpeg"),
        (b"\x06\x0e\x2b\x34\2\5\1\1\x0d\1\2\1\1\2\1\0", "mxf"),
        (b"\x1f\x07\0\xbf" + bytes(76) + b"\x3f\x07\0", "dv"),
        (b"G".ljust(188, b"\xff") * 5, "mpegts"),
        (b"G".ljust(204, b"\xff") * 5, "mpegts"),
        (b"\0\1\2\3G".ljust(192, b"\xff") * 5, "mpegts"),
        ((b"G".ljust(188, b"\xff") * 4 + bytes(188)) * 4, "mpegts"),
    ],
)
def test_a_container_is_recognised_by_its_first_bytes(head: bytes, container: str) -> None:
    assert recognise(head) == container


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + bytes(17) + b"\0\0\0\1IDAT", "PNG"),
        (b"RIFF\0\0\0\0WEBPVP8X", "WebP"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", "JPEG 2000"),
        (b"BM\x36\0\0\0", "BMP"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"ID3\4\0\0\0\0\0\0", "MP3"),
        (b"RIFF\0\0\0\0WAVEfmt ", "WAV"),
        (b"fLaC\0\0\0\x22", "FLAC"),
        (b"PK\3\4\x14\0", "ZIP"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"x" * 257 + b"ustar\0", "tar"),
        (b"%PDF-1.7", "PDF"),
        (b"  <!DOCTYPE html><html>404</html>", "HTML"),
        (b"\xff\xfea\0b\0", "UTF-16"),
        ("Überraschung\n".encode(), "text"),
        (b"\1\2\3\4", "nothing known"),
        (b"", "nothing known"),
        (b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\1", "nothing known"),  # EBML of an unknown document type
        (b"FLV\x09\5\0\0\0\x09", "nothing known"),
        (b"\0\0\0\4free", "nothing known"),
        (b"\0\0\1\xb3\0\0\0\0", "nothing known"),
        (b"\0\0\0\1\x67", "nothing known"),
        (b"G".ljust(188, b"\xff") * 4, "text"),
    ],
)
def test_the_error_for_a_file_that_is_not_a_video_names_its_kind_and_first_bytes(head: bytes, name: str) -> None:
    error = find_error(head)
    assert error.code == "NOT_A_VIDEO"
    assert name in error.detail
    assert f"{len(head)} bytes, the first are {head[:16].hex()}" in error.detail


PLAYLISTS = [
    (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n", "HLS"),
    (b"\xef\xbb\xbf#EXTM3U\nhttp://host/a.ts\n", "HLS"),
    (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "ffconcat"),
    (b"# list\nfile '/etc/passwd'\n", "concat"),
    (b"<?xml version='1.0'?>\n<MPD profiles='urn:mpeg:dash:profile:isoff-live:2011'>", "DASH"),
    (b"<?xml version='1.0'?><CompositionPlaylist><ContentTitle>x</ContentTitle>", "IMF"),
    (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "SDP"),
    (b"s=x\r\nc=IN IP4 224.2.1.1/127/3\r\n", "SDP"),
    (b"# VobSub index file, v7\nid: en, index: 0\n", "VobSub"),
    (b";FFMETADATA1\ntitle=x\n", "ffmetadata"),
    (b"<asx version='3.0'><entry><ref href='http://host/a'/></entry></asx>", "ASX"),
    (b"[playlist]\nFile1=http://host/a\n", "PLS"),
    (b"[Reference]\nRef1=http://host/a\n", "PLS"),
    (b"<smil><body><video src='http://host/a'/></body></smil>", "SMIL"),
    (b"<?xml?><playlist xmlns='http://xspf.org/ns/0/'>", "XSPF"),
    (b"<?xml?><SmoothStreamingMedia MajorVersion='2'>", "Smooth"),
    (b"<manifest xmlns='http://ns.adobe.com/f4m/1.0'>", "HDS"),
    (b"rtsp://host/a\n", "address"),
    (b'v = 1\nAVISource("/etc/passwd")\n', "AviSynth"),
    (b"import vapoursynth as vs\n", "VapourSynth"),
    (b"MLVI4\0\0\0v2.0", "MagicLantern"),
]


@pytest.mark.parametrize(("text", "name"), PLAYLISTS)
def test_a_file_that_makes_a_decoder_open_other_files_is_refused(text: bytes, name: str) -> None:
    error = find_error(text)
    assert error.code == "PLAYLIST_REFUSED"
    assert name in error.detail


@pytest.mark.parametrize(
    "magic",
    [b"GIF89aAAAA", b"\x1a\x45\xdf\xa3\x42\x82\x88matroska", b"RIFFAAAAAVI ", b"YUV4MPEG2 W64 H48\nFRAME\n"],
)
@pytest.mark.parametrize(
    "text",
    [
        b'<MPD profiles="urn:mpeg:dash:profile:isoff-live:2011">',
        b'<mpd profiles="3GPP:PSS:profile:DASH1">',
        b"<CompositionPlaylist><ContentTitle>",
        b"\nc=IN IP4 127.0.0.1\n",
    ],
)
def test_a_manifest_is_detected_behind_the_signature_of_a_container(magic: bytes, text: bytes) -> None:
    """FFmpeg's dash_probe, imf_probe and sdp_probe search its probe buffer up to the first NUL byte."""
    assert find_error(magic + text).code == "PLAYLIST_REFUSED"
    assert find_error(magic + b"x" * 900_000 + text).code == "PLAYLIST_REFUSED"
    assert recognise(magic + b"\0" + text)


def test_hostile_files_have_an_expected_error_code(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    outside = hostile.write_tiny_video(tmp_path / "outside.mp4")
    good = hostile.write_tiny_video(root / "good.mp4")
    needs_a_decoder = {"huge-frames-60000.mp4", "many-streams.mkv"}
    for file in hostile.write_each_kind(root, good, outside):
        if file.path.name in needs_a_decoder:
            assert find_code(file.path, root) is None
        else:
            assert find_code(file.path, root) in file.codes, file.path


def test_damaged_files_and_odd_names_have_an_expected_error_code(tmp_path: Path) -> None:
    good = hostile.write_tiny_video(tmp_path / "good.mp4")
    files = hostile.write_odd_names(tmp_path, good)
    files += [hostile.write_flipped(tmp_path, good, fraction) for fraction in (0.001, 0.02, 0.5, 1.0)]
    files.append(hostile.write_huge_header(tmp_path, good))
    for file in files:
        assert find_code(file.path, tmp_path) in {*file.codes, None}, file.path


def test_polyglot_files_contain_no_nul_byte_that_would_make_them_harmless(tmp_path: Path) -> None:
    for write in (hostile.write_gif_dash, hostile.write_mkv_dash):
        content = write(tmp_path, tmp_path / "good.mp4").path.read_bytes()
        assert content.index(b"<MPD") < content.index(b"dash:profile")
        assert b"\0" not in content


def find_code(path: Path, root: Path) -> str | None:
    try:
        with open_video(str(path), Roots.of(str(root)), 10**9) as opened:
            container = recognise_container(opened.fd, opened.size_bytes)
            check_complete(opened.fd, opened.size_bytes, container)
    except RowError as error:
        return error.code
    return None
