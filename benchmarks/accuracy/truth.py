"""The ground truth of the catalogue: which pairs of videos share footage, where, and which pairs are ignored.

It is derived from the stretches of clips that each video shows (`benchmarks.accuracy.videos.Shown`) and from the pairs
of clips in truth.csv of the clips.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING

from benchmarks.accuracy.videos import ORIGINAL, TAKE
from udfs.verifying.relation import name_relation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.accuracy.videos import Shown, Video

COPY, PARTIAL, IGNORE = "copy", "partial", "ignore"
NATURAL, COMPANION = "natural", "companion"
# Pairs that share less than both limits are ignored: too little to require, and too much for a negative.
MIN_SHARED_SECONDS = 3.0
MIN_COVERAGE = 0.5
MIN_VISIBILITY = 0.4  # a smaller inset and a weaker blend are not required either
_MIN_SEGMENT_SECONDS = 0.1
_ALWAYS = 1e9
COLUMNS = (
    "left_id",
    "right_id",
    "relation",
    "transform",
    "left_start_seconds",
    "left_end_seconds",
    "right_start_seconds",
    "right_end_seconds",
)


@dataclass(frozen=True)
class NaturalPair:
    """A row of the clips' truth.csv. `copy` and `partial` pairs show the same footage at the given times."""

    left_id: str
    right_id: str
    relation: str
    left_start_seconds: float = 0.0
    left_end_seconds: float = 0.0
    right_start_seconds: float = 0.0
    right_end_seconds: float = 0.0


@dataclass(frozen=True)
class Segment:
    """A stretch of footage that two videos share. `visibility` is that in the left and in the right video."""

    left: tuple[float, float]
    right: tuple[float, float]
    visibility: tuple[float, float]

    def swap(self) -> Segment:
        """Exchange left and right."""
        return Segment(self.right, self.left, self.visibility[::-1])


@dataclass(frozen=True)
class TruePair:
    """A row of truth.csv: a segment of a pair, or a pair that is ignored."""

    left_id: str
    right_id: str
    relation: str
    transform: str
    bounds: tuple[float, float, float, float] | None = None


def read_natural(path: Path) -> list[NaturalPair]:
    """Read truth.csv of the clips."""
    names = ("a_start", "a_end", "b_start", "b_end")
    with path.open(newline="", encoding="utf-8") as file:
        return [
            NaturalPair(row["id_a"], row["id_b"], row["relation"], *(float(row[n] or 0) for n in names))
            for row in csv.DictReader(file)
        ]


def build_truth(
    videos: Sequence[Video], natural: Sequence[NaturalPair], inseparable: Collection[frozenset[str]] = ()
) -> list[TruePair]:
    """Return the rows of the truth, sorted by ids. Pairs that are not in it are negatives.

    The relation of two videos of the same clip, or of two clips that their truth relates, is:

    - `copy` if the shared footage is at least four fifths of each video, where seconds are weighted by visibility.
    - `ignore` if they share too little footage, hardly visible footage, or none. Two takes of a clip are
      negatives, unless the pair is `inseparable`.
    - `partial` otherwise.

    A pair of unedited clips has the relation of the clips' truth.
    """
    by_id = {video.video_id: video for video in videos}
    shown_of: dict[str, list[tuple[Video, Shown]]] = defaultdict(list)
    for video in videos:
        for shown in video.shown:
            shown_of[shown.clip_id].append((video, shown))
    segments: dict[tuple[str, str], list[Segment]] = defaultdict(list)
    itself = [NaturalPair(clip_id, clip_id, COPY, 0.0, _ALWAYS, 0.0, _ALWAYS) for clip_id in shown_of]
    for link in (*itself, *natural):
        for pair, segment in _compare(shown_of[link.left_id], shown_of[link.right_id], link):
            segments[pair] += [segment] if segment else []
    rows = [row for pair in natural for row in _keep_natural(pair, by_id)]
    for (left_id, right_id), found in segments.items():
        left, right = by_id[left_id], by_id[right_id]
        if not left.transform == right.transform == ORIGINAL:
            is_inseparable = frozenset((left_id, right_id)) in inseparable
            rows += _make_rows(left, right, found, is_inseparable=is_inseparable)
    return sorted(rows, key=lambda row: (row.left_id, row.right_id, row.bounds or ()))


def _keep_natural(pair: NaturalPair, by_id: dict[str, Video]) -> list[TruePair]:
    if pair.left_id not in by_id or pair.right_id not in by_id:
        return []
    bounds = (pair.left_start_seconds, pair.left_end_seconds, pair.right_start_seconds, pair.right_end_seconds)
    shown = None if pair.relation == IGNORE else bounds
    return [TruePair(pair.left_id, pair.right_id, pair.relation, NATURAL, shown)]


def _compare(
    left: Sequence[tuple[Video, Shown]], right: Sequence[tuple[Video, Shown]], link: NaturalPair
) -> Iterator[tuple[tuple[str, str], Segment | None]]:
    """Compare each stretch of one clip with each of another: yield the pair of videos and its segment, if any."""
    stretches = combinations(left, 2) if link.left_id == link.right_id else product(left, right)
    for (one, one_shown), (other, other_shown) in stretches:
        if one.video_id == other.video_id:
            continue
        segment = intersect(one_shown, other_shown, link)
        if one.video_id < other.video_id:
            yield (one.video_id, other.video_id), segment
        else:
            yield (other.video_id, one.video_id), segment and segment.swap()


def intersect(one: Shown, other: Shown, link: NaturalPair) -> Segment | None:
    """Return the segment that two stretches share, or None.

    Args:
        one: a stretch of the left clip of the link.
        other: a stretch of the right clip.
        link: the times at which the two clips show the same footage; times between are interpolated linearly.
    """
    if link.relation == IGNORE:
        return None
    pace = (link.left_end_seconds - link.left_start_seconds) / (link.right_end_seconds - link.right_start_seconds)

    def to_left(seconds: float) -> float:
        return link.left_start_seconds + (seconds - link.right_start_seconds) * pace

    def to_right(seconds: float) -> float:
        return link.right_start_seconds + (seconds - link.left_start_seconds) / pace

    start = max(one.clip_start_seconds, to_left(other.clip_start_seconds), link.left_start_seconds)
    end = min(one.clip_end_seconds, to_left(other.clip_end_seconds), link.left_end_seconds)
    if end - start < _MIN_SEGMENT_SECONDS:
        return None
    return Segment(
        one.locate(start, end),
        other.locate(to_right(start), to_right(end)),
        (one.visibility, other.visibility),
    )


def _make_rows(left: Video, right: Video, segments: Sequence[Segment], *, is_inseparable: bool) -> list[TruePair]:
    """Return the rows of a pair of videos of related footage, of which at least one is edited."""
    if not segments and left.transform == right.transform == TAKE and not is_inseparable:
        return []
    visible = [segment for segment in segments if min(segment.visibility) >= MIN_VISIBILITY]
    relation = _relate(left, right, visible)
    transform = _name_transform(left, right)
    if relation == IGNORE:
        return [TruePair(left.video_id, right.video_id, IGNORE, transform)]
    return [
        TruePair(left.video_id, right.video_id, relation, transform, (*segment.left, *segment.right))
        for segment in visible
    ]


def _relate(left: Video, right: Video, segments: Sequence[Segment]) -> str:
    seconds = [measure_union([getattr(segment, side) for segment in segments]) for side in ("left", "right")]
    coverages = [
        round(length * max((segment.visibility[side] for segment in segments), default=0.0) / video.duration_seconds, 6)
        for side, (length, video) in enumerate(zip(seconds, (left, right), strict=True))
    ]
    if max(coverages) < MIN_COVERAGE and min(seconds) < MIN_SHARED_SECONDS:
        return IGNORE
    return COPY if name_relation(*coverages) == COPY else PARTIAL


def measure_union(intervals: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of intervals, in seconds."""
    covered, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def _name_transform(left: Video, right: Video) -> str:
    """Return the transformation from one video to the other, `companion` if one contains the other, or ""."""
    for clip, made in ((left, right), (right, left)):
        if clip.transform == ORIGINAL:
            if made.clip_id == clip.video_id:
                return made.transform
            if any(shown.from_companion and shown.clip_id == clip.video_id for shown in made.shown):
                return COMPANION
    return ""


def write_truth(pairs: Iterable[TruePair], path: Path) -> None:
    """Write truth.csv for `jobs.evaluation.truth.load_truth`, with bounds in seconds, rounded to milliseconds."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for pair in pairs:
            bounds = ["", "", "", ""] if pair.bounds is None else [f"{abs(seconds):.3f}" for seconds in pair.bounds]
            writer.writerow((pair.left_id, pair.right_id, pair.relation, pair.transform, *bounds))
