"""Aligns two videos in time: finds the segments in which they show the same footage, and measures the evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from udfs.verifying.change import measure_change, measure_change_agreement
from udfs.verifying.features import Segment
from udfs.verifying.frame_similarity import compare_frames
from udfs.verifying.lines import propose_lines, trace_lines
from udfs.verifying.relation import name_relation
from udfs.verifying.runs import find_runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from udfs.verifying.features import VideoFeatures
    from udfs.verifying.lines import AlignedSegment, CandidateLines, DiagonalRun


@dataclass(frozen=True)
class TimeAlignment:
    """The best alignment of two videos, and the evidence for it.

    Attributes:
        left: the shared footage in the left video. It encloses all aligned segments.
        right: the shared footage in the right video. It encloses all aligned segments.
        left_coverage: share of the content of the left video that the aligned segments fill, in [0, 1].
        right_coverage: share of the content of the right video that they fill, in [0, 1].
        similarity: weighted mean normalised similarity of the aligned frames; about 0 for unrelated videos.
        left_chamfer: mean over the left frames of the best normalised similarity to any right frame.
        right_chamfer: mean over the right frames of the best normalised similarity to any left frame.
        independent_frames: sum of the weights of the aligned frames, the smaller of both sides.
        change_agreement: of the frames of the best segment, in [-4, 4]; about 0 for two takes of one scene and for
            static footage. Further segments are other moments, so their frames are not compared with those of the best.
        attainable_agreement: geometric mean of each side's change agreement with itself, in [0, 4]: what a perfect
            copy would reach.
        change: mean squared deviation of the aligned frames from their mean, the smaller of both sides, in [0, 1].
        segments: the aligned segments, the best first. Both sides of one end together: neither extends beyond what the
            other one shows.
        left_content_seconds: length of the content of the left video.
        right_content_seconds: length of the content of the right video.
    """

    left: Segment
    right: Segment
    left_coverage: float
    right_coverage: float
    similarity: float
    left_chamfer: float
    right_chamfer: float
    independent_frames: float
    change_agreement: float
    attainable_agreement: float
    change: float
    segments: tuple[AlignedSegment, ...] = ()
    left_content_seconds: float = 0.0
    right_content_seconds: float = 0.0

    @property
    def relation(self) -> str:
        """`copy`, `contained` or `overlap`: see `udfs.verifying.relation.name_relation`."""
        return name_relation(
            self.left_coverage, self.right_coverage, self.left_content_seconds, self.right_content_seconds
        )


def align(left: VideoFeatures, right: VideoFeatures) -> TimeAlignment | None:
    """Align two videos along straight lines through time.

    1. Thin videos of more than 2,000 frames (`VideoFeatures.thin`).
    2. Compare all frames, and subtract what the background explains (`compare_frames`; score normalisation, Pizzi et
       al. 2022, arXiv 2202.10261).
    3. Propose lines through the most similar frame pairs at seven speeds (`propose_lines`; temporal Hough voting, Douze
       et al. 2010).
    4. Read the similarities along each line (`trace_lines`).
    5. Find the run with the largest sum of weighted similarities above a minimum, then up to three further runs: copies
       may have insertions, cuts, reordered parts and repetitions (`find_runs`; maximum subarray, Bentley 1984; rules in
       docs/decisions/0005).
    6. Measure bounds, coverage and evidence (Chamfer similarity: Kordopatis-Zilos et al. 2019, ViSiL, arXiv 1908.07410,
       section 3).

    Args:
        left: frames of the left video.
        right: frames of the right video, with vectors of the same model.

    Returns:
        The alignment, or None if no frames agree. Runs on: executor, and the machine that checks one video; memory
        below 100 MB.
    """
    left, right = left.thin(), right.thin()
    similarities = compare_frames(left, right)
    speeds, offsets = propose_lines(similarities, left, right)
    lines = trace_lines(similarities, left, right, speeds, offsets)
    runs = find_runs(lines)
    return _measure_alignment(similarities, lines, runs) if runs else None


def _measure_alignment(
    similarities: NDArray[np.float32], lines: CandidateLines, runs: list[DiagonalRun]
) -> TimeAlignment:
    """Measure where the aligned frames are, and the evidence for them."""
    left, right = lines.left, lines.right
    i = np.concatenate([np.arange(run.begin, run.end) for run in runs])
    j = np.concatenate([lines.right_frames_of(run) for run in runs])
    segments = tuple(lines.bound(run) for run in runs)
    best = runs[0]
    sides = left.vectors[best.begin : best.end], right.vectors[lines.right_frames_of(best)]
    own = [max(0.0, measure_change_agreement(side, side)) for side in sides]
    return TimeAlignment(
        left=_enclose(segment.left for segment in segments),
        right=_enclose(segment.right for segment in segments),
        left_coverage=_measure_coverage((segment.left for segment in segments), left.content),
        right_coverage=_measure_coverage((segment.right for segment in segments), right.content),
        similarity=float(np.average(similarities[i, j], weights=left.weights[i])),
        left_chamfer=float(similarities.max(axis=1).mean()),
        right_chamfer=float(similarities.max(axis=0).mean()),
        independent_frames=float(min(left.weights[np.unique(i)].sum(), right.weights[np.unique(j)].sum())),
        change_agreement=measure_change_agreement(*sides),
        attainable_agreement=math.sqrt(own[0] * own[1]),
        change=min(measure_change(left.vectors[i]), measure_change(right.vectors[j])),
        segments=segments,
        left_content_seconds=left.content.end_seconds - left.content.start_seconds,
        right_content_seconds=right.content.end_seconds - right.content.start_seconds,
    )


def _enclose(segments: Iterable[Segment]) -> Segment:
    """Return the smallest segment that encloses all of them."""
    starts, ends = zip(*segments, strict=True)
    return Segment(min(starts), max(ends))


def _measure_coverage(segments: Iterable[Segment], content: Segment) -> float:
    """Return the share of a video's content that segments fill, in [0, 1]; time in several segments counts once."""
    content_seconds = content.end_seconds - content.start_seconds
    if content_seconds <= 0:
        return 1.0
    covered_seconds, covered_until = 0.0, content.start_seconds
    for start, end in sorted(segments):
        inside = min(end, content.end_seconds)
        covered_seconds += max(0.0, inside - max(start, covered_until))
        covered_until = max(covered_until, inside)
    return min(1.0, covered_seconds / content_seconds)
