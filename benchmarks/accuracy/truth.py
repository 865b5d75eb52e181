"""What is true of the catalogue: which pairs of videos share footage, where, and which count neither for nor against.

The truth follows from which stretches of which clips each video shows (`benchmarks.accuracy.videos.Shown`), and from
what truth.csv of the clips says of pairs of clips.
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
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.accuracy.videos import Shown, Video

COPY, PARTIAL, IGNORE = "copy", "partial", "ignore"
NATURAL, COMPANION = "natural", "companion"
# What shares less than both of these is too little to ask for, and not nothing either.
MIN_SHARED_SECONDS = 3.0
MIN_COVERAGE = 0.5
MIN_VISIBILITY = 0.4  # a smaller inset, and what shines through more weakly, is not asked for either
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
    """A line of the clips' own truth: `copy` and `partial` pairs show the same at the given times."""

    left_id: str
    right_id: str
    relation: str
    left_start_seconds: float = 0.0
    left_end_seconds: float = 0.0
    right_start_seconds: float = 0.0
    right_end_seconds: float = 0.0


@dataclass(frozen=True)
class Segment:
    """Where two videos show the same; `visibility` is the left and the right one's."""

    left: tuple[float, float]
    right: tuple[float, float]
    visibility: tuple[float, float]

    def swap(self) -> Segment:
        """Exchange left and right."""
        return Segment(self.right, self.left, self.visibility[::-1])


@dataclass(frozen=True)
class TruePair:
    """A line of truth.csv: a segment of a pair, or a pair that does not count."""

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


def build_truth(videos: Sequence[Video], natural: Sequence[NaturalPair]) -> list[TruePair]:
    """Return the lines of the truth, in the order of their ids; pairs that are not in it are negatives.

    A pair that shares footage is a `copy` where what it shares is at least four fifths of either video, else
    `partial`; seconds are weighed by how visible the footage is. It is `ignore` where it shares little, hardly
    visibly, or nothing of one clip, or of two that the clips' own truth relates; but the two takes of a clip are
    negatives. A pair of clips as they are is what their own truth says.
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
    lines = [line for pair in natural for line in _keep_natural(pair, by_id)]
    for (left_id, right_id), found in segments.items():
        left, right = by_id[left_id], by_id[right_id]
        if not left.transform == right.transform == ORIGINAL:
            lines += _judge(left, right, found)
    return sorted(lines, key=lambda line: (line.left_id, line.right_id, line.bounds or ()))


def _keep_natural(pair: NaturalPair, by_id: dict[str, Video]) -> list[TruePair]:
    if pair.left_id not in by_id or pair.right_id not in by_id:
        return []
    bounds = (pair.left_start_seconds, pair.left_end_seconds, pair.right_start_seconds, pair.right_end_seconds)
    shown = None if pair.relation == IGNORE else bounds
    return [TruePair(pair.left_id, pair.right_id, pair.relation, NATURAL, shown)]


def _compare(
    left: Sequence[tuple[Video, Shown]], right: Sequence[tuple[Video, Shown]], link: NaturalPair
) -> Iterator[tuple[tuple[str, str], Segment | None]]:
    """Yield, for each stretch of one clip and each of another, the pair of videos and the segment that they share."""
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
    """Return what two stretches share, where the clip of the first is the left one of the link; None if nothing.

    The link tells which times of the two clips show the same: in between they run evenly.
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


def _judge(left: Video, right: Video, segments: Sequence[Segment]) -> list[TruePair]:
    """Return the lines of a pair of videos of related footage that are not both clips as they are."""
    if not segments and left.transform == right.transform == TAKE:
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
    """Return how many seconds some intervals cover together."""
    covered, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def _name_transform(left: Video, right: Video) -> str:
    """Return how the one was made of the other: a transformation, or as its companion; "" if neither was."""
    for clip, made in ((left, right), (right, left)):
        if clip.transform == ORIGINAL:
            if made.clip_id == clip.video_id:
                return made.transform
            if any(shown.from_companion and shown.clip_id == clip.video_id for shown in made.shown):
                return COMPANION
    return ""


def write_truth(pairs: Iterable[TruePair], path: Path) -> None:
    """Write the truth as `jobs.evaluation.truth.load_truth` reads it; bounds in seconds, to the millisecond."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for pair in pairs:
            bounds = ["", "", "", ""] if pair.bounds is None else [f"{abs(seconds):.3f}" for seconds in pair.bounds]
            writer.writerow((pair.left_id, pair.right_id, pair.relation, pair.transform, *bounds))
