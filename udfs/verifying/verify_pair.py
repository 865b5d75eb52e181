"""The kernel of verification: two videos -> their alignment, the evidence, and the probability of shared footage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from udfs.verifying.align import align

if TYPE_CHECKING:
    from models.verifier import Verifier
    from udfs.verifying.align import TimeAlignment
    from udfs.verifying.features import VideoFeatures

# Caps, above which a piece of evidence adds nothing: frames that similar show one picture, and it matters whether
# anything changes, not how much.
_MAX_SIMILARITY = 0.4
_MAX_CHANGE = 0.005
_MAX_CHANGE_AGREEMENT = 0.3
_AGREEMENT_NOISE = 0.03  # added to the denominator: a ratio of small numbers is noise


@dataclass(frozen=True)
class PairMatch:
    """Two videos that align.

    Attributes:
        alignment: where they show the same footage.
        evidence: the pieces of evidence in the order of `models.verifier.EVIDENCE`.
        match_probability: that the two share footage, in [0, 1]; None without a verifier.
    """

    alignment: TimeAlignment
    evidence: tuple[float, ...]
    match_probability: float | None

    @property
    def relation(self) -> str:
        """`copy`, `contained` or `overlap`: see `udfs.verifying.relation.name_relation`."""
        return self.alignment.relation


def verify_pair(left: VideoFeatures, right: VideoFeatures, verifier: Verifier | None = None) -> PairMatch | None:
    """Align two videos and evaluate the evidence that they share footage.

    Args:
        left: frames of the left video.
        right: frames of the right video, with vectors of the same model.
        verifier: computes the probability from the evidence; None to return the evidence only.

    Returns:
        The match, or None if no frames agree. A match may still have a low probability: the caller applies the
        threshold. Runs on: executor, and the machine that checks one video.
    """
    alignment = align(left, right)
    if alignment is None:
        return None
    evidence = measure_evidence(alignment)
    probability = None if verifier is None else float(verifier.predict_probability(np.array([evidence]))[0])
    return PairMatch(alignment, evidence, probability)


def measure_evidence(alignment: TimeAlignment) -> tuple[float, ...]:
    """Return the pieces of evidence in the order of `models.verifier.EVIDENCE`.

    Change agreement is the share of what the changes of each side could reach, because edits reduce both.
    docs/decisions/0005 has the measurements.
    """
    agreement = alignment.change_agreement / (alignment.attainable_agreement + _AGREEMENT_NOISE)
    return (
        max(alignment.left_chamfer, alignment.right_chamfer),
        min(alignment.similarity, _MAX_SIMILARITY),
        math.log1p(alignment.independent_frames),
        max(alignment.left_coverage, alignment.right_coverage),
        min(alignment.left_coverage, alignment.right_coverage),
        min(alignment.change, _MAX_CHANGE),
        min(max(agreement, 0.0), _MAX_CHANGE_AGREEMENT),
    )
