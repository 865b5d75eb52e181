"""Signatures of files that are not videos: playlists and scripts first, then other kinds."""

from __future__ import annotations

import re

# These are searched in the first bytes of a file up to the first NUL byte, as FFmpeg's text searches do. The named C
# files are those of libavformat; some patterns match more than their probe functions. (mov.c also opens the files of a
# `dref`, but only with its option enable_drefs, which is off by default.)
_PLAYLISTS = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("DASH manifest", rb"<MPD"),  # dashdec.c: anywhere, with "dash:profile"
        ("IMF composition playlist", rb"<CompositionPlaylist"),  # imfdec.c: anywhere, with "ContentTitle>"
        ("SDP session description", rb"(?:\A|[\r\n])c=IN IP|\A\s*v=0\s"),  # rtsp.c: at the start of any line
        ("HLS or M3U playlist", rb"\A\W*#EXTM3U"),  # hls.c
        ("ffconcat script", rb"\A\W*ffconcat\b"),  # concatdec.c
        ("concat script", rb"\A(?:\s|#[^\n]*\n)*file\s+\S"),  # concatdec.c: chosen by file name only
        ("VobSub index", rb"\A\W*VobSub index file"),  # mpeg.c: opens the .sub beside it
        ("ffmetadata", rb"\A\s*;FFMETADATA"),  # ffmetadec.c
        ("ASX playlist", rb"\A\W*(?:\?xml[^>]*>\s*<)?ASX\b"),
        ("PLS playlist", rb"\A\s*\[(?:playlist|reference)\]"),
        ("SMIL presentation", rb"<smil\b"),
        ("XSPF playlist", rb"<playlist\b"),
        ("Smooth Streaming manifest", rb"<SmoothStreamingMedia\b"),
        ("HDS manifest", rb"ns\.adobe\.com/f4m"),
        ("address list", rb"\A\s*[a-z]{3,6}://\S"),
        (
            "AviSynth script",
            rb"\b(?:AVI|DirectShow|FFVideo|FFMS2?|LWLibavVideo|LSMASHVideo|MPEG2)Source\s*\(",
        ),
        ("VapourSynth script", rb"\bimport\s+vapoursynth\b"),
        ("MagicLantern multi-part video", rb"\AMLVI"),  # mlvdec.c: opens .M00 to .M99 beside it
    )
)

_ICON = b"\0\0\1\0"
_CHANCE_BYTES = 2
_OTHER_FILES = (
    (0, b"\xff\xd8\xff", "JPEG image"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG image without animation"),
    (0, b"BM", "BMP image"),
    (0, b"II*\0", "TIFF image"),
    (0, b"MM\0*", "TIFF image"),
    (8, b"WEBP", "WebP image (FFmpeg's decoder does not read animated ones)"),
    (4, b"jP  ", "JPEG 2000 image"),
    (4, b"JXL ", "JPEG XL image"),
    (0, b"\xff\x0a", "JPEG XL image"),
    (0, b"8BPS", "Photoshop image"),
    (0, _ICON, "icon"),
    (0, b"v/1\x01", "OpenEXR image"),
    (0, b"qoif", "QOI image"),
    (0, b"ID3", "MP3 audio"),
    (0, b"\xff\xfb", "MP3 audio"),
    (0, b"\xff\xf1", "AAC audio"),
    (0, b"\xff\xf9", "AAC audio"),
    (0, b"fLaC", "FLAC audio"),
    (8, b"WAVE", "WAV audio"),
    (8, b"AIFF", "AIFF audio"),
    (8, b"AIFC", "AIFF audio"),
    (0, b"MThd", "MIDI"),
    (0, b"#!AMR", "AMR audio"),
    (0, b".ra\xfd", "RealAudio"),
    (0, b"caff", "Core Audio"),
    (0, b"wvPK", "WavPack audio"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b".snd", "Sun audio"),
    (0, b"\x0b\x77", "AC-3 audio"),
    (0, b"PK\x03\x04", "ZIP archive"),
    (0, b"\x1f\x8b", "gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (0, b"Rar!\x1a\x07", "RAR archive"),
    (0, b"\xfd7zXZ\0", "xz archive"),
    (0, b"BZh", "bzip2 archive"),
    (0, b"\x28\xb5\x2f\xfd", "zstd archive"),
    (257, b"ustar", "tar archive"),
    (0, b"%PDF", "PDF"),
    (0, b"\x7fELF", "ELF program"),
    (0, b"MZ", "Windows program"),
    (0, b"PAR1", "Parquet file"),
    (0, b"SQLite format 3\0", "SQLite database"),
    (0, b"FWS", "Flash program"),
    (0, b"CWS", "Flash program"),
)
_HTML = re.compile(rb"\A\W*(?:!doctype\s+html|html\b|head\b|body\b)", re.IGNORECASE)
_CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\f\r")) + b"\x7f"


def name_playlist(text: bytes) -> str | None:
    """Return the kind of playlist, manifest or script that FFmpeg would detect in a text; None if there is none.

    Args:
        text: the first bytes of a file, up to the first NUL byte.
    """
    return next((name for name, pattern in _PLAYLISTS if pattern.search(text)), None)


def is_other_kind(head: bytes) -> bool:
    """Return whether a file begins with a signature that is not a video's.

    A stream that is cut at any byte may begin with a signature of two bytes, or with the one of icons, which is also a
    start code of MPEG. So these are ignored.
    """
    return any(
        len(magic) > _CHANCE_BYTES and magic != _ICON and head.startswith(magic, offset)
        for offset, magic, _ in _OTHER_FILES
    )


def name_other(head: bytes) -> str:
    """Return what kind of file this is, for a message. The file is not a known video container."""
    for offset, magic, name in _OTHER_FILES:
        if head.startswith(magic, offset):
            return name
    if _HTML.match(head):
        return "HTML"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16 text"
    beginning = head[:512]
    return "text" if beginning and beginning.translate(None, _CONTROL_BYTES) == beginning else "nothing known"
