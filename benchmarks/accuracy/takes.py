"""Takes as hard negatives: parts of one clip that share no footage, each with two edited copies."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.accuracy.grid import GRID
from benchmarks.accuracy.videos import TAKE, Video, choose_rank, edit_clip
from jobs.demo.editing.edits import Edit, Piece
from jobs.demo.editing.transcode import read_timed_frames
from udfs.describing.takes import (
    COMPARED_FPS,
    COMPARED_PX,
    COPIES_PER_PART,
    PART_NUMBERS,
    Part,
    are_inseparable,
    choose_longest,
    split_video,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.accuracy.clips import Clip
    from benchmarks.accuracy.truth import NaturalPair
    from jobs.demo.editing.edits import Cut
    from udfs.describing.takes import Bounds

# Edits of other families cut, combine or reverse footage, so that copies of two parts could share some.
FAMILIES = ("encoding", "photometric", "geometry", "overlay")


def _cut(part: Part) -> Cut:
    return lambda clip_seconds, _companion_seconds: (Piece(*part.bounds(clip_seconds)),)


_PARTS = tuple(Part(number, count) for count in PART_NUMBERS for number in range(1, count + 1))
_COPY_EDITS = tuple(edit for kind in GRID if kind.family in FAMILIES for edit in kind.strengths)
TAKES: dict[str, Edit] = {
    edit.name: edit
    for part in _PARTS
    for edit in (
        Edit(part.name, cut=_cut(part)),
        *(replace(edit, name=f"{part.name}-{edit.name}", cut=_cut(part)) for edit in _COPY_EDITS),
    )
}
"""The edits by name: those that only cut a part, and those that also edit it."""


def plan_takes(clips: Sequence[Clip], natural: Sequence[NaturalPair], folder: Path) -> list[Video]:
    """Plan the parts of the longest clip of each source that lasts 9 s or more, and two edited copies of each part.

    Args:
        clips: clips of one split.
        natural: known pairs of clips.
        folder: the folder of the videos.
    """
    takes = []
    for clip in choose_sources(clips, natural):
        for part in split_video(clip.duration_seconds):
            able = sorted(_COPY_EDITS, key=lambda edit: choose_rank(part.name, edit.name, clip.video_id))
            chosen = (part.name, *(f"{part.name}-{edit.name}" for edit in able[:COPIES_PER_PART]))
            # Takes are short, and they are cut from the whole clip.
            takes += [edit_clip(clip, TAKES[name], folder, is_limited=False) for name in chosen]
    return [replace(video, transform=TAKE, family=TAKE) for video in takes]


def choose_sources(clips: Sequence[Clip], natural: Sequence[NaturalPair]) -> list[Clip]:
    """Choose the longest clip of each source, if it lasts 9 s or more.

    Clips whose relation to a clip of another source is `ignore` are left out, such as recordings of similar screens.
    """
    sources = {clip.video_id: clip.source_id for clip in clips}
    ambiguous = {
        video_id
        for pair in natural
        if pair.relation == "ignore" and sources.get(pair.left_id) != sources.get(pair.right_id)
        for video_id in (pair.left_id, pair.right_id)
    }
    clear = {clip.video_id: clip for clip in clips if clip.video_id not in ambiguous}
    chosen = choose_longest((clip.video_id, clip.source_id, clip.duration_seconds) for clip in clear.values())
    return [clear[video_id] for video_id in chosen.values()]


def find_inseparable(takes: Iterable[Video]) -> set[frozenset[str]]:
    """Find the pairs of takes of one clip that show the same: frozen or looped footage.

    All frames of two parts are compared, eight per second (`udfs.describing.takes.are_inseparable`). All copies of
    inseparable parts are inseparable too.

    Args:
        takes: videos of `plan_takes`. Their clips are decoded, the videos themselves are not.

    Returns:
        Pairs of video_ids.
    """
    takes_of: dict[Path, dict[Bounds, list[Video]]] = defaultdict(lambda: defaultdict(list))
    for video in takes:
        (shown,) = video.shown
        takes_of[video.inputs[0]][shown.clip_start_seconds, shown.clip_end_seconds].append(video)
    pairs: set[frozenset[str]] = set()
    for path, parts in takes_of.items():
        frames = read_parts(path, parts)
        for one, other in combinations(parts, 2):
            if are_inseparable(frames[one], frames[other]):
                together = product(parts[one], parts[other])
                pairs |= {frozenset((left.video_id, right.video_id)) for left, right in together}
    return pairs


def read_parts(path: Path, parts: Iterable[Bounds]) -> dict[Bounds, NDArray[np.float32]]:
    """Read the frames of each part of a clip, eight per second: float32 (n, 128, 128), grey."""
    frames: dict[Bounds, list[NDArray[np.float32]]] = {part: [] for part in parts}
    due_seconds = 0.0
    for seconds, frame in read_timed_frames(path):
        if seconds >= due_seconds:
            due_seconds = seconds + 1 / COMPARED_FPS
            pixels = frame.reformat(COMPARED_PX, COMPARED_PX, "gray").to_ndarray().astype(np.float32)
            for (start, end), pictures in frames.items():
                if start <= seconds < end:
                    pictures.append(pixels)
    return {part: np.stack(pictures) for part, pictures in frames.items()}
