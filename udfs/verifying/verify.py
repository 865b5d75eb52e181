"""Candidate pairs to the evidence for them: their frames side by side, on executors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from udfs.embedding.embed import unpack_vectors
from udfs.verifying.align import TimeAlignment, VideoFeatures, align

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from models.verifier import Verifier

_SIDES = ("left", "right")
EVIDENCE_DDL = (
    "left_id STRING, right_id STRING, cosine_similarity DOUBLE, alignment_similarity DOUBLE, relation STRING, "
    "left_start_seconds DOUBLE, left_end_seconds DOUBLE, right_start_seconds DOUBLE, right_end_seconds DOUBLE, "
    "left_coverage DOUBLE, right_coverage DOUBLE, evidence ARRAY<DOUBLE>"
)
JUDGED_DDL = f"{EVIDENCE_DDL}, match_probability DOUBLE"
BOUND_COLUMNS = (
    "left_start_seconds",
    "left_end_seconds",
    "right_start_seconds",
    "right_end_seconds",
    "left_coverage",
    "right_coverage",
)
"""The columns of a pair that say where its videos share footage, and how much of each that fills."""
_DECIMALS = 6
_SURELY_SIMILAR = 0.4
_SURELY_CHANGING = 0.005
_SURELY_AGREEING = 0.3
_AGREEMENT_OF_NOISE = 0.03


def gather_evidence(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Align the two videos of each candidate pair: a row each -> EVIDENCE_DDL, those without any alignment left out.

    Takes left_id, right_id, and of each side, as `left_vector` and so on, vector, end_seconds, frame_seconds,
    frame_vectors and frame_backgrounds of `embeddings`. Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    for batch in batches:
        rows = [
            row
            for pair in cast("list[dict[str, Any]]", batch.to_dict("records"))
            if (row := _compare(pair)) is not None
        ]
        if rows:
            yield pd.DataFrame(rows)


def judge_pairs(batches: Iterator[pd.DataFrame], verifier: Verifier) -> Iterator[pd.DataFrame]:
    """Gather the evidence of candidate pairs and weigh it: as `gather_evidence` -> JUDGED_DDL.

    Runs on: executor, by `mapInPandas`; on the machine that is asked about one video.
    """
    import numpy as np

    for rows in gather_evidence(batches):
        evidence = np.array(rows["evidence"].tolist(), dtype=np.float64)
        yield rows.assign(match_probability=verifier.judge(evidence))


def _compare(pair: dict[str, Any]) -> dict[str, Any] | None:
    """Return the row of one pair, or None where nothing aligns."""
    left, right = (_read_sequence(pair, side) for side in _SIDES)
    alignment = align(left, right)
    if alignment is None:
        return None
    cosine = round(float(pair["left_vector"].astype(float) @ pair["right_vector"].astype(float)), _DECIMALS)
    bounds = {name: round(getattr(alignment, name), _DECIMALS) for name in BOUND_COLUMNS}
    return {
        "left_id": pair["left_id"],
        "right_id": pair["right_id"],
        "cosine_similarity": max(-1.0, min(1.0, cosine)),
        "alignment_similarity": round(alignment.similarity, _DECIMALS),
        "relation": alignment.relation,
        "evidence": weigh_evidence(alignment),
    } | bounds


def weigh_evidence(alignment: TimeAlignment) -> list[float]:
    """Return the pieces of evidence that a verifier takes, in the order of `models.verifier.EVIDENCE`.

    The caps are where more of a piece tells no more: frames that agree beyond .4 show one picture, and whether anything
    changes matters, not how much. How far changes agree is told by the share of what they could: edits take from both.
    Where next to nothing changes that would be a ratio of noise, so both are held against a little more.
    """
    agreement = alignment.change_agreement / (alignment.attainable_agreement + _AGREEMENT_OF_NOISE)
    return [
        max(alignment.left_chamfer, alignment.right_chamfer),
        min(alignment.similarity, _SURELY_SIMILAR),
        math.log1p(alignment.independent_frames),
        max(alignment.left_coverage, alignment.right_coverage),
        min(alignment.left_coverage, alignment.right_coverage),
        min(alignment.change, _SURELY_CHANGING),
        min(max(agreement, 0.0), _SURELY_AGREEING),
    ]


def _read_sequence(pair: dict[str, Any], side: str) -> VideoFeatures:
    """Read one side's frames."""
    seconds = pair[f"{side}_frame_seconds"]
    return VideoFeatures(
        unpack_vectors(pair[f"{side}_frame_vectors"], len(seconds)),
        seconds,
        pair[f"{side}_frame_backgrounds"],
        pair[f"{side}_end_seconds"],
    )
