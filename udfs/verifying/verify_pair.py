"""The kernel of verification: two videos -> their alignment, and the evidence of the first look."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from udfs.verifying.align import align
from udfs.verifying.frame_similarity import SAME_PICTURE_SIMILARITY

if TYPE_CHECKING:
    from udfs.verifying.align import TimeAlignment
    from udfs.verifying.features import VideoFeatures

# Caps, above which a piece of evidence adds nothing: it matters whether anything changes, not how much.
_MAX_CHANGE = 0.005
_MAX_CHANGE_AGREEMENT = 0.3
_MAX_OFFSET_SECONDS = 2.0
_MAX_ALIGNED_SECONDS = 20.0
_MIN_SECONDS = 0.01
_AGREEMENT_NOISE = 0.03  # added to the denominator: a ratio of small numbers is noise


@dataclass(frozen=True)
class PairMatch:
    """Two videos that align.

    Attributes:
        alignment: where they show the same footage.
        evidence: the pieces of evidence in the order of `models.verifier.FIRST_LOOK`.
    """

    alignment: TimeAlignment
    evidence: tuple[float, ...]

    @property
    def relation(self) -> str:
        """`copy`, `contained` or `overlap`: see `udfs.verifying.relation.name_relation`."""
        return self.alignment.relation


def verify_pair(left: VideoFeatures, right: VideoFeatures) -> PairMatch | None:
    """Align two videos and measure the first look's evidence that they share footage.

    Args:
        left: frames of the left video.
        right: frames of the right video, with vectors of the same model.

    Returns:
        The match, or None if no frames agree. A match may still be improbable: `udfs.registering.look_batches` decides.
        Runs on: executor, and the machine that checks one video.
    """
    alignment = align(left, right)
    return None if alignment is None else PairMatch(alignment, measure_evidence(alignment))


def measure_evidence(alignment: TimeAlignment) -> tuple[float, ...]:
    """Return the pieces of evidence in the order of `models.verifier.FIRST_LOOK`.

    Change agreement is the share of what the changes of each side could reach, because edits reduce both. Offset, speed
    and length of the best segment say how much agreement to expect: without an offset, frames of a copy are sampled at
    the same moments; with one, they are out of phase, and what moves fast differs.
    docs/decisions/0005 has the measurements.
    """
    agreement = alignment.change_agreement / (alignment.attainable_agreement + _AGREEMENT_NOISE)
    left, right = alignment.segments[0]
    left_seconds, right_seconds = left.end_seconds - left.start_seconds, right.end_seconds - right.start_seconds
    return (
        max(alignment.left_chamfer, alignment.right_chamfer),
        min(alignment.similarity, SAME_PICTURE_SIMILARITY),
        math.log1p(alignment.independent_frames),
        max(alignment.left_coverage, alignment.right_coverage),
        min(alignment.left_coverage, alignment.right_coverage),
        min(alignment.change, _MAX_CHANGE),
        min(max(agreement, 0.0), _MAX_CHANGE_AGREEMENT),
        min(abs(left.start_seconds - right.start_seconds), _MAX_OFFSET_SECONDS),
        abs(math.log(max(right_seconds, _MIN_SECONDS) / max(left_seconds, _MIN_SECONDS))),
        min(left_seconds, right_seconds, _MAX_ALIGNED_SECONDS),
    )
