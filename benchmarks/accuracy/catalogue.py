"""Makes a labelled catalogue: unedited real clips, edited copies of the clips of one split, and hard negatives.

The catalogue of the test split measures accuracy. The verifier is fitted on the catalogue of the calibrate split.

`plan` is pure, and `make` encodes the missing videos. `write_manifest` writes the manifest of the nightly job, and
`benchmarks.accuracy.truth.write_truth` the truth for its evaluation.
"""

from __future__ import annotations

import csv
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import chain
from multiprocessing import get_context
from typing import TYPE_CHECKING

from benchmarks.accuracy.clips import read_clips
from benchmarks.accuracy.grid import GRID, STRENGTHS
from benchmarks.accuracy.layouts import LAYOUTS, plan_layouts, write_layout
from benchmarks.accuracy.negatives import (
    INTRO_EDIT,
    INTRO_NAME,
    plan_after_intro,
    plan_flat,
    write_generated,
)
from benchmarks.accuracy.takes import TAKES, plan_takes
from benchmarks.accuracy.videos import Video, choose_rank, edit_clip, keep_clip, limit_inputs
from jobs.demo.editing.transcode import apply_edit, survey_clip

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from benchmarks.accuracy.clips import Clip
    from benchmarks.accuracy.grid import Transformation
    from benchmarks.accuracy.truth import NaturalPair

EDITS_PER_CLIP = 11
MIN_EDITED_SECONDS = 4.0  # shortest clip for `LONG_FAMILIES`, and preferred for all other edits
MIN_COMPANION_SECONDS = 3.0
LONG_FAMILIES = ("temporal", "composition", "reversal")
MAX_EDITED_WIDTH_PX = 480
ENCODERS = 2
HELD_OUT = ("calibrate", "test")
MANIFEST_COLUMNS = ("video_id", "uri", "source_id", "footage_id", "split", "transform", "strength", "family", "clip_id")
_EDITS = {edit.name: edit for edit in (*(e for t in GRID for e in t.strengths), INTRO_EDIT)} | TAKES


def read_measured_clips(folder: Path, split: str = "test") -> tuple[list[Clip], set[str]]:
    """Read clips.csv, and measure the durations of the clips of a split by decoding them.

    Returns:
        The clips, and the video_ids of clips of the split that PyAV cannot decode; they keep the duration of clips.csv.
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
    """Return all videos of the catalogue: clips, edited copies of the clips of a split, and hard negatives.

    Clips of the train split are left out, because the backbone was trained on them and no user's catalogue contains
    such videos.

    Args:
        clips: all clips; clips of other splits are not edited.
        natural: the related pairs of clips; related clips are never combined in one video.
        folder: folder of the encoded videos.
        edits_per_clip: average number of edited copies of a source of the split.
        unreadable: video_ids of clips that cannot be edited.
        split: the split whose clips are edited.
    """
    readable = [clip for clip in clips if clip.split == split and clip.video_id not in unreadable]
    edited = choose_edited(readable)
    copies = plan_edits(edited, natural, folder, edits_per_clip)
    takes = plan_takes(readable, natural, folder)
    negatives = [*takes, *plan_after_intro(edited, folder), *plan_flat(folder), *plan_layouts(split, folder)]
    shown = [clip for clip in clips if clip.split in (split, *HELD_OUT)]
    return [*map(keep_clip, shown), *copies, *negatives]


def choose_edited(clips: Sequence[Clip]) -> list[Clip]:
    """Choose one clip of each source, sorted by video_id: the shortest of 4 s or more, else the longest."""
    best: dict[str, Clip] = {}
    for clip in sorted(clips, key=_order_for_editing):
        best.setdefault(clip.source_id, clip)
    return sorted(best.values(), key=lambda clip: clip.video_id)


def _order_for_editing(clip: Clip) -> tuple[bool, float, str]:
    is_short = clip.duration_seconds < MIN_EDITED_SECONDS
    return is_short, -clip.duration_seconds if is_short else clip.duration_seconds, clip.video_id


def plan_edits(clips: Sequence[Clip], natural: Sequence[NaturalPair], folder: Path, edits_per_clip: int) -> list[Video]:
    """Apply each strength of each transformation to the same number of clips, chosen by a hash.

    One more or one less clip changes few choices. Clips shorter than `MIN_EDITED_SECONDS` get no `LONG_FAMILIES`.

    Args:
        clips: one clip of each source.
        natural: the related pairs of clips.
        folder: folder of the copies.
        edits_per_clip: average number of edited copies of a clip.
    """
    related = {frozenset((pair.left_id, pair.right_id)) for pair in natural}
    clips_per_edit = max(1, round(edits_per_clip * len(clips) / (len(GRID) * len(STRENGTHS))))
    videos = []
    for transformation in GRID:
        for strength, edit in zip(STRENGTHS, transformation.strengths, strict=True):
            suitable = [clip for clip in clips if _is_suitable(clip, transformation)]
            for clip in sorted(suitable, key=lambda clip: choose_rank(edit.name, clip.video_id))[:clips_per_edit]:
                companion = choose_companion(clip, clips, related, edit.name) if edit.needs_companion else None
                video = edit_clip(clip, edit, folder, companion)
                named = replace(video, transform=transformation.name, family=transformation.family)
                videos.append(replace(named, strength=strength))
    return sorted(videos, key=lambda video: video.video_id)


def _is_suitable(clip: Clip, transformation: Transformation) -> bool:
    return transformation.family not in LONG_FAMILIES or clip.duration_seconds >= MIN_EDITED_SECONDS


def choose_companion(clip: Clip, clips: Sequence[Clip], related: set[frozenset[str]], edit_name: str) -> Clip:
    """Choose, by a hash, an unrelated clip of another source and scene, of `MIN_COMPANION_SECONDS` or more."""
    suitable = [
        other
        for other in clips
        if other.source_id != clip.source_id
        and (not clip.scene_group or other.scene_group != clip.scene_group)
        and other.duration_seconds >= MIN_COMPANION_SECONDS
        and frozenset((clip.video_id, other.video_id)) not in related
    ]
    if not suitable:
        raise ValueError(
            f"clip {clip.video_id!r} has no companion for {edit_name!r}; add unrelated test clips of "
            f"{MIN_COMPANION_SECONDS:g} s or more"
        )
    return min(suitable, key=lambda other: choose_rank(edit_name, clip.video_id, other.video_id))


def make(videos: Sequence[Video], processes: int = ENCODERS, on_video: Callable[[int, int], None] | None = None) -> int:
    """Encode the missing videos, and return their number.

    Args:
        videos: result of `plan`.
        processes: number of videos encoded in parallel.
        on_video: called after each video with (videos done, videos in all).
    """
    missing = [video for video in videos if _is_encoded(video) and not video.path.exists()]
    for video in missing:
        video.path.parent.mkdir(parents=True, exist_ok=True)
    for intro in sorted({path for video in missing for path in video.inputs if path.stem == INTRO_NAME}):
        if not intro.exists():
            _write_whole(intro, lambda path: write_generated(INTRO_NAME, path))
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        # Generated videos are complete before the edits that read them begin.
        batches = ([video for video in missing if bool(video.edit_name) == is_edited] for is_edited in (False, True))
        made = chain.from_iterable(pool.map(_make, batch, chunksize=4) for batch in batches)
        for num_done, _ in enumerate(made, start=1):
            if on_video:
                on_video(num_done, len(missing))
    return len(missing)


def _is_encoded(video: Video) -> bool:
    return bool(video.edit_name) or not video.clip_id


def _make(video: Video) -> None:
    """Encode a video. If the encoder rejects it (x265 needs pictures of at least 32 px), print a message."""
    import av

    try:
        _encode(video)
    except av.FFmpegError as error:
        print(f"not made: {video.video_id}: {error}", flush=True)


def _encode(video: Video) -> None:
    if not video.edit_name:
        write = write_layout if video.video_id in LAYOUTS else write_generated
        _write_whole(video.path, lambda path: write(video.video_id, path))
        return
    edit, seed = _EDITS[video.edit_name], choose_rank(video.video_id) % 2**31
    edit = limit_inputs(edit) if video.is_limited else edit
    source, companion = video.inputs[0], video.inputs[1] if len(video.inputs) > 1 else None
    _write_whole(
        video.path, lambda path: apply_edit(source, path, edit, companion, seed, max_width_px=MAX_EDITED_WIDTH_PX)
    )


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write to a temporary name first, so that an interrupted run leaves no incomplete video."""
    unfinished = path.with_name(f"unfinished-{path.name}")
    write(unfinished)
    unfinished.replace(path)


def write_manifest(videos: Sequence[Video], path: Path) -> None:
    """Write the manifest of the nightly job. Columns that the job does not define become attributes."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(MANIFEST_COLUMNS)
        for video in videos:
            footage_id = video.footage_id or video.source_id
            kind = (video.transform, video.strength, video.family, video.clip_id)
            writer.writerow((video.video_id, video.path, video.source_id, footage_id, video.split, *kind))
