"""A video of the accuracy benchmark's catalogue, and which stretches of which clips it shows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jobs.demo.editing.edits import trace_footage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.accuracy.clips import Clip
    from jobs.demo.editing.edits import Edit, Footage, Piece

ORIGINAL = "original"
TAKE, SHARED_INTRO, GENERATED = "take", "shared-intro", "generated"
# Of a longer clip only the beginning is edited: at least `COPY_COVERAGE` of the longest that is, 20.02 s.
MAX_EDITED_SECONDS = 16.1


@dataclass(frozen=True)
class Shown:
    """A stretch of a clip that a video shows; each clock starts at its own video's first frame.

    Attributes:
        clip_id: video_id of the clip.
        clip_start_seconds: where the stretch begins in the clip.
        clip_end_seconds: where it ends in the clip.
        start_seconds: where it begins in the video.
        end_seconds: where it ends in the video.
        visibility: 1 where it fills the picture; else its share of the picture's width, or its opacity.
        is_reversed: whether it runs backwards.
        from_companion: whether it was put beside what the video was made of.
    """

    clip_id: str
    clip_start_seconds: float
    clip_end_seconds: float
    start_seconds: float
    end_seconds: float
    visibility: float = 1.0
    is_reversed: bool = False
    from_companion: bool = False

    def locate(self, clip_start_seconds: float, clip_end_seconds: float) -> tuple[float, float]:
        """Return where a part of the stretch, given on the clip's clock, lies in the video."""
        pace = (self.end_seconds - self.start_seconds) / (self.clip_end_seconds - self.clip_start_seconds)
        after_start = (clip_start_seconds - self.clip_start_seconds) * pace
        before_end = (self.clip_end_seconds - clip_end_seconds) * pace
        if self.is_reversed:
            after_start, before_end = before_end, after_start
        return self.start_seconds + after_start, self.end_seconds - before_end


@dataclass(frozen=True)
class Video:
    """A line of the manifest, and how it is made.

    Attributes:
        video_id: unique.
        path: of the file.
        source_id: whose footage it mainly shows; a generated video is its own source.
        split: of that source: train, calibrate or test.
        clip_id: video_id of the clip that it is or was made of; "" for a generated one.
        duration_seconds: of the video.
        shown: the stretches of clips in it; a generated video, and a generated part, has none.
        transform: `original`, the name of a transformation, or the kind of a hard negative.
        strength: light, medium or strong, of a transformation.
        family: of a transformation.
        edit_name: what makes it of the clip; "" for a clip as it is, and for a generated video.
        inputs: files of the clip and of the companion, if it takes one.
        footage_id: of the clip: sources that may show the same set share it; "" for a generated video.
    """

    video_id: str
    path: Path
    source_id: str
    split: str
    clip_id: str
    duration_seconds: float
    shown: tuple[Shown, ...]
    transform: str = ORIGINAL
    strength: str = ""
    family: str = ""
    edit_name: str = ""
    inputs: tuple[Path, ...] = ()
    footage_id: str = ""


def choose_rank(*parts: str) -> int:
    """Return a number that looks random and is always the same for the same parts: the smallest is chosen."""
    return int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:8], "big")


def keep_clip(clip: Clip) -> Video:
    """Return the clip as it is."""
    whole = Shown(clip.video_id, 0.0, clip.duration_seconds, 0.0, clip.duration_seconds)
    return Video(
        clip.video_id,
        clip.path,
        clip.source_id,
        clip.split,
        clip.video_id,
        clip.duration_seconds,
        shown=(whole,),
        footage_id=clip.footage_id,
    )


def edit_clip(clip: Clip, edit: Edit, folder: Path, companion: Clip | None = None) -> Video:
    """Return an edited copy that is to lie in a folder. What a companion without a video_id shows is not recorded."""
    footage = trace_footage(limit_inputs(edit), clip.duration_seconds, companion.duration_seconds if companion else 0.0)
    video_id = f"{clip.video_id}-{edit.name}"
    return Video(
        video_id,
        folder / f"{video_id}.{edit.encoding.extension}",
        clip.source_id,
        clip.split,
        clip.video_id,
        max(stretch.target_end_seconds for stretch in footage),
        tuple(_record(stretch, clip, companion) for stretch in footage if not _is_generated(stretch, companion)),
        transform=edit.name,
        edit_name=edit.name,
        inputs=(clip.path, companion.path) if companion else (clip.path,),
        footage_id=clip.footage_id,
    )


def limit_inputs(edit: Edit) -> Edit:
    """Return the edit that takes at most the first `MAX_EDITED_SECONDS` of source and companion."""

    def cut(source_seconds: float, companion_seconds: float) -> tuple[Piece, ...]:
        return edit.cut(min(source_seconds, MAX_EDITED_SECONDS), min(companion_seconds, MAX_EDITED_SECONDS))

    return replace(edit, cut=cut)


def _is_generated(stretch: Footage, companion: Clip | None) -> bool:
    return stretch.from_companion and companion is not None and not companion.video_id


def _record(stretch: Footage, clip: Clip, companion: Clip | None) -> Shown:
    shown_clip = companion if stretch.from_companion and companion else clip
    return Shown(
        shown_clip.video_id,
        stretch.source_start_seconds,
        stretch.source_end_seconds,
        stretch.target_start_seconds,
        stretch.target_end_seconds,
        stretch.visibility,
        stretch.is_reversed,
        stretch.from_companion,
    )
