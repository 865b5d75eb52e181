"""Hard negatives by the thousand: parts of one clip that share no footage, each with two edited copies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.accuracy.grid import GRID
from benchmarks.accuracy.videos import TAKE, Video, choose_rank, edit_clip
from jobs.demo.editing.edits import Edit, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.accuracy.clips import Clip
    from benchmarks.accuracy.truth import NaturalPair
    from jobs.demo.editing.edits import Cut

MIN_SOURCE_SECONDS = 9.0
MIN_PART_SECONDS, MAX_PART_SECONDS = 4.0, 12.0
GAP_SECONDS = 0.5  # between two parts, so that no frame is in both
PART_NUMBERS = (2, 3, 4)
COPIES_PER_PART = 2
# A part shows one scene from its beginning to its end: edits that cut, combine or reverse make other pairs.
FAMILIES = ("encoding", "photometric", "geometry", "overlay")
# Two frames are twins if no block of the picture differs by more. Noise of encoding stays below; a person that moves
# a hand does not.
_FRAME_PX, _BLOCK_PX, _MAX_BLOCK_DIFFERENCE = 128, 8, 6.0
_TWIN_SHARE = 0.5
_COMPARED_FPS = 8.0


@dataclass(frozen=True)
class Part:
    """One of several equal parts of a clip, without the gaps between them."""

    number: int
    num_parts: int

    @property
    def name(self) -> str:
        """For example `take-1-of-3`."""
        return f"{TAKE}-{self.number}-of-{self.num_parts}"

    def bounds(self, clip_seconds: float) -> tuple[float, float]:
        """Return start and end in the clip, in seconds."""
        share_seconds = clip_seconds / self.num_parts
        start = (self.number - 1) * share_seconds
        return start, start + min(share_seconds - GAP_SECONDS, MAX_PART_SECONDS)


def _cut(part: Part) -> Cut:
    return lambda clip_seconds, _companion_seconds: (Piece(*part.bounds(clip_seconds)),)


_PARTS = tuple(Part(number, count) for count in PART_NUMBERS for number in range(1, count + 1))
_COPY_EDITS = tuple(edit for kind in GRID if kind.family in FAMILIES for edit in kind.strengths)
_FAMILY_OF = {edit.name: kind.family for kind in GRID for edit in kind.strengths}
TAKES: dict[str, Edit] = {
    edit.name: edit
    for part in _PARTS
    for edit in (
        Edit(part.name, cut=_cut(part)),
        *(replace(edit, name=f"{part.name}-{edit.name}", cut=_cut(part)) for edit in _COPY_EDITS),
    )
}
"""The edits that cut a part, and cut and edit a part, by name."""


def plan_takes(clips: Sequence[Clip], natural: Sequence[NaturalPair], folder: Path) -> list[Video]:
    """Plan the parts of the longest clip of each source that lasts 9 s or more, and two edited copies of each part.

    Clips that nobody can separate from those of another source are left out: screens that show the same again and
    again.

    Args:
        clips: of one split.
        natural: what is known of pairs of clips.
        folder: for the videos.
    """
    takes = []
    for clip in choose_sources(clips, natural):
        for part in split_clip(clip.duration_seconds):
            able = sorted(_COPY_EDITS, key=lambda edit: choose_rank(part.name, edit.name, clip.video_id))
            chosen = (part.name, *(f"{part.name}-{edit.name}" for edit in able[:COPIES_PER_PART]))
            takes += [edit_clip(clip, TAKES[name], folder) for name in chosen]
    return [replace(video, transform=TAKE, family=TAKE) for video in takes]


def choose_sources(clips: Sequence[Clip], natural: Sequence[NaturalPair]) -> list[Clip]:
    """Choose the longest clip of each source, if it lasts 9 s or more and does not look like another source."""
    sources = {clip.video_id: clip.source_id for clip in clips}
    ambiguous = {
        video_id
        for pair in natural
        if pair.relation == "ignore" and sources.get(pair.left_id) != sources.get(pair.right_id)
        for video_id in (pair.left_id, pair.right_id)
    }
    longest: dict[str, Clip] = {}
    for clip in sorted(clips, key=lambda clip: (-clip.duration_seconds, clip.video_id)):
        if clip.duration_seconds >= MIN_SOURCE_SECONDS and clip.video_id not in ambiguous:
            longest.setdefault(clip.source_id, clip)
    return list(longest.values())


def split_clip(clip_seconds: float) -> tuple[Part, ...]:
    """Return the parts of a clip of that duration: two to four, of 4 s or more each."""
    most = int(clip_seconds // (MIN_PART_SECONDS + GAP_SECONDS))
    count = min(max(PART_NUMBERS), max(min(PART_NUMBERS), most))
    return tuple(Part(number, count) for number in range(1, count + 1))


def find_inseparable(takes: Iterable[Video]) -> set[frozenset[str]]:
    """Find the pairs of takes of one clip that show the same: frozen or looped footage.

    The frames of two parts are compared pixel by pixel, eight a second. The parts are inseparable if half of the
    frames of one have a twin in the other. A pair of their copies is as inseparable as the parts.

    Args:
        takes: of `plan_takes`; their clips are decoded.

    Returns:
        Pairs of video_ids.
    """
    takes_of: dict[tuple[str, Part], list[Video]] = {}
    for video in takes:
        takes_of.setdefault((video.clip_id, _part_of(video)), []).append(video)
    pairs: set[frozenset[str]] = set()
    for clip_id in sorted({clip_id for clip_id, _ in takes_of}):
        parts = [part for other, part in takes_of if other == clip_id]
        videos = takes_of[clip_id, parts[0]]
        frames = read_parts(videos[0].inputs[0], parts)
        for one, other in combinations(parts, 2):
            if count_twins(frames[one], frames[other]) >= _TWIN_SHARE:
                pairs |= {
                    frozenset((left.video_id, right.video_id))
                    for left in takes_of[clip_id, one]
                    for right in takes_of[clip_id, other]
                }
    return pairs


def _part_of(video: Video) -> Part:
    return next(part for part in _PARTS if f"{video.edit_name}-".startswith(f"{part.name}-"))


def read_parts(path: Path, parts: Sequence[Part]) -> dict[Part, NDArray[np.float32]]:
    """Read the frames of each part, eight a second: float32 (n, 128, 128), grey."""
    frames = list(_sample(path))
    clip_seconds = frames[-1][0]
    return {
        part: np.stack([pixels for seconds, pixels in frames if _is_in(part, seconds, clip_seconds)]) for part in parts
    }


def _is_in(part: Part, seconds: float, clip_seconds: float) -> bool:
    start, end = part.bounds(clip_seconds)
    return start <= seconds < end


def _sample(path: Path) -> Iterator[tuple[float, NDArray[np.float32]]]:
    import av

    due_seconds = first_seconds = None
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            first_seconds = frame.time if first_seconds is None else first_seconds
            seconds = frame.time - first_seconds
            if due_seconds is None or seconds >= due_seconds:
                due_seconds = seconds + 1 / _COMPARED_FPS
                yield seconds, frame.reformat(_FRAME_PX, _FRAME_PX, "gray").to_ndarray().astype(np.float32)


def count_twins(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Return the larger share of frames, of either side, that have a twin on the other, in [0, 1]."""
    left, right = _average_blocks(left), _average_blocks(right)
    is_twin = np.array([np.abs(right - frame).max(axis=1) <= _MAX_BLOCK_DIFFERENCE for frame in left])
    return float(max(is_twin.any(axis=0).mean(), is_twin.any(axis=1).mean()))


def _average_blocks(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average the blocks of frames (n, px, px): float32 (n, blocks)."""
    count = frames.shape[1] // _BLOCK_PX
    blocks: NDArray[np.float32] = frames.reshape(len(frames), count, _BLOCK_PX, count, _BLOCK_PX).mean(axis=(2, 4))
    return blocks.reshape(len(frames), -1)
