"""A labelled catalogue: real clips as they are, edited copies of those of one split, and hard negatives.

Of the test split one is made to measure accuracy on, of the calibrate split one to fit the verifier on.

`plan` is pure, `make` encodes what is not there yet, `write_manifest` and `benchmarks.accuracy.truth.write_truth`
write what the nightly job and its evaluation read.
"""

from __future__ import annotations

import csv
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import TYPE_CHECKING

from benchmarks.accuracy.clips import read_clips
from benchmarks.accuracy.grid import GRID, STRENGTHS
from benchmarks.accuracy.negatives import (
    INTRO_EDIT,
    INTRO_NAME,
    TAKES,
    plan_behind_intro,
    plan_flat,
    plan_takes,
    write_generated,
)
from benchmarks.accuracy.videos import Video, choose_rank, edit_clip, keep_clip, limit_inputs
from jobs.demo.editing.transcode import apply_edit, survey_clip

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from benchmarks.accuracy.clips import Clip
    from benchmarks.accuracy.grid import Transformation
    from benchmarks.accuracy.truth import NaturalPair

EDITS_PER_CLIP = 11
MIN_EDITED_SECONDS = 4.0  # of what is cut or put together with another clip; of the rest where there is a choice
MIN_COMPANION_SECONDS = 3.0
LONG_FAMILIES = ("temporal", "composition", "reversal")
MAX_EDITED_WIDTH_PX = 480
ENCODERS = 2
HELD_OUT = ("calibrate", "test")
MANIFEST_COLUMNS = ("video_id", "uri", "source_id", "footage_id", "split", "transform", "strength", "family", "clip_id")
_EDITS = {edit.name: edit for edit in (*(e for t in GRID for e in t.strengths), *TAKES, INTRO_EDIT)}


def read_measured_clips(folder: Path, split: str = "test") -> tuple[list[Clip], set[str]]:
    """Read clips.csv, but measure the durations of the clips of a split by decoding them.

    Returns:
        The clips, and the video_ids of those of the split that PyAV cannot decode: they keep the duration of clips.csv.
    """
    import av

    clips, unreadable = [], set()
    for clip in read_clips(folder):
        try:
            seconds = survey_clip(clip.path).duration_seconds if clip.split == split else clip.duration_seconds
        except (av.FFmpegError, ValueError):
            unreadable.add(clip.video_id)
            seconds = clip.duration_seconds
        clips.append(replace(clip, duration_seconds=seconds))
    return clips, unreadable


def plan(
    clips: Sequence[Clip],
    natural: Sequence[NaturalPair],
    folder: Path,
    edits_per_clip: int = EDITS_PER_CLIP,
    unreadable: Collection[str] = (),
    split: str = "test",
) -> list[Video]:
    """Return all videos of the catalogue: clips, edited copies of those of a split, and hard negatives.

    Nobody's catalogue holds the clips that the backbone was trained on: they would be strangers that it has been drawn
    to, and are left out.

    Args:
        clips: all of them; those of other splits stay as they are, those of the train split apart.
        natural: what is known of pairs of clips: related ones never go into one video together.
        folder: where videos that are made are to lie.
        edits_per_clip: how many edits a source of the split gets, on average.
        unreadable: video_ids of clips that cannot be edited.
        split: whose clips are edited.
    """
    readable = [clip for clip in clips if clip.split == split and clip.video_id not in unreadable]
    edited = choose_edited(readable)
    copies = plan_edits(edited, natural, folder, edits_per_clip)
    negatives = [*plan_takes(readable, natural, folder), *plan_behind_intro(edited, folder), *plan_flat(folder)]
    shown = [clip for clip in clips if clip.split in (split, *HELD_OUT)]
    return [*map(keep_clip, shown), *copies, *negatives]


def choose_edited(clips: Sequence[Clip]) -> list[Clip]:
    """Choose a clip of each source, in the order of their video_id: the shortest of 4 s or more, else the longest."""
    best: dict[str, Clip] = {}
    for clip in sorted(clips, key=_order_for_editing):
        best.setdefault(clip.source_id, clip)
    return sorted(best.values(), key=lambda clip: clip.video_id)


def _order_for_editing(clip: Clip) -> tuple[bool, float, str]:
    is_short = clip.duration_seconds < MIN_EDITED_SECONDS
    return is_short, -clip.duration_seconds if is_short else clip.duration_seconds, clip.video_id


def plan_edits(clips: Sequence[Clip], natural: Sequence[NaturalPair], folder: Path, edits_per_clip: int) -> list[Video]:
    """Give each strength of each transformation to equally many clips, chosen by a hash.

    A clip more or less changes few choices of others. Clips shorter than 4 s are neither cut nor composed.

    Args:
        clips: one of each source.
        natural: pairs of clips that are related.
        folder: where the copies are to lie.
        edits_per_clip: the average.
    """
    related = {frozenset((pair.left_id, pair.right_id)) for pair in natural}
    clips_per_edit = max(1, round(edits_per_clip * len(clips) / (len(GRID) * len(STRENGTHS))))
    videos = []
    for transformation in GRID:
        for strength, edit in zip(STRENGTHS, transformation.strengths, strict=True):
            able = [clip for clip in clips if _suits(clip, transformation)]
            for clip in sorted(able, key=lambda clip: choose_rank(edit.name, clip.video_id))[:clips_per_edit]:
                companion = choose_companion(clip, clips, related, edit.name) if edit.needs_companion else None
                video = edit_clip(clip, edit, folder, companion)
                named = replace(video, transform=transformation.name, family=transformation.family)
                videos.append(replace(named, strength=strength))
    return sorted(videos, key=lambda video: video.video_id)


def _suits(clip: Clip, transformation: Transformation) -> bool:
    return transformation.family not in LONG_FAMILIES or clip.duration_seconds >= MIN_EDITED_SECONDS


def choose_companion(clip: Clip, clips: Sequence[Clip], related: set[frozenset[str]], edit_name: str) -> Clip:
    """Choose, by a hash, a clip of another source and scene, of 3 s or more, that is not related."""
    able = [
        other
        for other in clips
        if other.source_id != clip.source_id
        and (not clip.scene_group or other.scene_group != clip.scene_group)
        and other.duration_seconds >= MIN_COMPANION_SECONDS
        and frozenset((clip.video_id, other.video_id)) not in related
    ]
    if not able:
        raise ValueError(
            f"clip {clip.video_id!r} has no companion for {edit_name!r}; give more test clips of 3 s or more"
        )
    return min(able, key=lambda other: choose_rank(edit_name, clip.video_id, other.video_id))


def make(videos: Sequence[Video], processes: int = ENCODERS, on_video: Callable[[int, int], None] | None = None) -> int:
    """Encode the videos that are not there yet, and return how many that were.

    Args:
        videos: what `plan` returned.
        processes: how many videos are encoded at a time.
        on_video: called after each with (videos done, videos to do).
    """
    missing = [video for video in videos if _is_made(video) and not video.path.exists()]
    for video in missing:
        video.path.parent.mkdir(parents=True, exist_ok=True)
    for intro in sorted({path for video in missing for path in video.inputs if path.stem == INTRO_NAME}):
        if not intro.exists():
            _write_whole(intro, lambda path: write_generated(INTRO_NAME, path))
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for num_done, _ in enumerate(pool.map(_make, missing, chunksize=4), start=1):
            if on_video:
                on_video(num_done, len(missing))
    return len(missing)


def _is_made(video: Video) -> bool:
    return bool(video.edit_name) or not video.clip_id


def _make(video: Video) -> None:
    """Make one video; one that its encoder refuses (x265 takes no picture below 32 px) is left out, and told."""
    import av

    try:
        _encode(video)
    except av.FFmpegError as error:
        print(f"not made: {video.video_id}: {error}", flush=True)


def _encode(video: Video) -> None:
    if not video.edit_name:
        _write_whole(video.path, lambda path: write_generated(video.video_id, path))
        return
    edit, seed = limit_inputs(_EDITS[video.edit_name]), choose_rank(video.video_id) % 2**31
    source, companion = video.inputs[0], video.inputs[1] if len(video.inputs) > 1 else None
    _write_whole(
        video.path, lambda path: apply_edit(source, path, edit, companion, seed, max_width_px=MAX_EDITED_WIDTH_PX)
    )


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write under another name first: a run that is broken off leaves no half of a video."""
    unfinished = path.with_name(f"unfinished-{path.name}")
    write(unfinished)
    unfinished.replace(path)


def write_manifest(videos: Sequence[Video], path: Path) -> None:
    """Write the manifest of the nightly job: the columns that it does not know become attributes."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(MANIFEST_COLUMNS)
        for video in videos:
            footage_id = video.footage_id or video.source_id
            kind = (video.transform, video.strength, video.family, video.clip_id)
            writer.writerow((video.video_id, video.path, video.source_id, footage_id, video.split, *kind))
