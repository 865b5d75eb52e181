"""The videos of the accuracy catalogue, and the stretches of clips that each shows."""

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
TAKE, SHARED_INTRO, GENERATED, LAYOUT = "take", "shared-intro", "generated", "layout"
# Only this much of a clip is edited. It is at least `COPY_COVERAGE` of the longest edited clip, 20.02 s.
MAX_EDITED_SECONDS = 16.1


@dataclass(frozen=True)
class Shown:
    """A stretch of a clip that a video shows. Times count from the first frame of the clip or of the video.

    Attributes:
        clip_id: video_id of the clip.
        clip_start_seconds: start of the stretch in the clip.
        clip_end_seconds: its end in the clip.
        start_seconds: its start in the video.
        end_seconds: its end in the video.
        visibility: 1 if it fills the picture; else its share of the picture's width, or its opacity.
        is_reversed: whether it is played backwards.
        from_companion: whether it comes from the companion, not from the edited clip.
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
        """Return the start and end in the video of a part of the stretch, given by its times in the clip."""
        pace = (self.end_seconds - self.start_seconds) / (self.clip_end_seconds - self.clip_start_seconds)
        after_start = (clip_start_seconds - self.clip_start_seconds) * pace
        before_end = (self.clip_end_seconds - clip_end_seconds) * pace
        if self.is_reversed:
            after_start, before_end = before_end, after_start
        return self.start_seconds + after_start, self.end_seconds - before_end


@dataclass(frozen=True)
class Video:
    """A row of the manifest, and how the video is made.

    Attributes:
        video_id: unique id.
        path: path of the file.
        source_id: source of its main footage; a generated video is its own source.
        split: split of the source: train, calibrate or test.
        clip_id: video_id of the clip that it is or was made from; "" for a generated video.
        duration_seconds: duration of the video.
        shown: the stretches of clips in it; generated videos and generated parts have none.
        transform: `original`, the name of a transformation, or the kind of a hard negative.
        strength: light, medium or strong; "" without a transformation.
        family: family of the transformation; "" without one.
        edit_name: name of the edit; "" for an unedited clip and for a generated video.
        inputs: files of the clip and of the companion, if the edit needs one.
        footage_id: footage_id of the clip, the same for sources that may show the same scene; "" if it has none.
        is_limited: whether only the first `MAX_EDITED_SECONDS` of the inputs are edited.
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
    is_limited: bool = True


def choose_rank(*parts: str) -> int:
    """Return a pseudorandom number that depends only on the parts. Choices take the smallest numbers."""
    return int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:8], "big")


def keep_clip(clip: Clip) -> Video:
    """Return the video of an unedited clip."""
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


def edit_clip(clip: Clip, edit: Edit, folder: Path, companion: Clip | None = None, *, is_limited: bool = True) -> Video:
    """Return the video of an edited copy in a folder.

    Args:
        clip: the clip.
        edit: the edit.
        folder: the folder of the video.
        companion: the second clip, if the edit needs one. Footage of a companion without a video_id is not recorded.
        is_limited: whether only the first `MAX_EDITED_SECONDS` of both clips are edited.
    """
    applied = limit_inputs(edit) if is_limited else edit
    footage = trace_footage(applied, clip.duration_seconds, companion.duration_seconds if companion else 0.0)
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
        is_limited=is_limited,
    )


def limit_inputs(edit: Edit) -> Edit:
    """Return the edit, limited to the first `MAX_EDITED_SECONDS` of the source and of the companion."""

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
