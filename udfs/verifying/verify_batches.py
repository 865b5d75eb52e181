"""The adapter of `verify_pair` for data frames: rows of candidate pairs -> rows of pairs that align."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from udfs.embedding.embed import unpack_vectors
from udfs.verifying.features import VideoFeatures
from udfs.verifying.verify_pair import verify_pair

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import ArrayLike

    from models.verifier import Verifier
    from udfs.verifying.align import TimeAlignment

ALIGNED_DDL = (
    "left_id STRING, right_id STRING, cosine_similarity DOUBLE, alignment_similarity DOUBLE, relation STRING, "
    "left_start_seconds DOUBLE, left_end_seconds DOUBLE, right_start_seconds DOUBLE, right_end_seconds DOUBLE, "
    "left_coverage DOUBLE, right_coverage DOUBLE, evidence ARRAY<DOUBLE>"
)
VERIFIED_DDL = f"{ALIGNED_DDL}, match_probability DOUBLE"
BOUND_COLUMNS = (
    "left_start_seconds",
    "left_end_seconds",
    "right_start_seconds",
    "right_end_seconds",
    "left_coverage",
    "right_coverage",
)
"""The columns of a pair with the bounds of the shared footage in both videos, and the share of each that it fills."""
_DECIMALS = 6


def align_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Align candidate pairs: one row per pair -> one row of ALIGNED_DDL per pair that aligns.

    Each row has left_id, right_id and, for each side, the columns vector, end_seconds, frame_seconds, frame_vectors and
    frame_backgrounds of `embeddings`, prefixed by the side (`left_vector`). Runs on: executor, by `mapInPandas`.
    """
    return _verify(batches, None)


def verify_batches(batches: Iterator[pd.DataFrame], verifier: Verifier) -> Iterator[pd.DataFrame]:
    """Align candidate pairs and compute their probabilities: rows as for `align_batches` -> VERIFIED_DDL.

    Runs on: executor, by `mapInPandas`, and the machine that checks one video.
    """
    return _verify(batches, verifier)


def _verify(batches: Iterator[pd.DataFrame], verifier: Verifier | None) -> Iterator[pd.DataFrame]:
    """Verify each pair of each batch, and leave out pairs that do not align and batches without any that does."""
    import pandas as pd

    for batch in batches:
        pairs = cast("list[dict[str, Any]]", batch.to_dict("records"))
        rows = [row for pair in pairs if (row := _verify_row(pair, verifier)) is not None]
        if rows:
            yield pd.DataFrame(rows)


def _verify_row(pair: dict[str, Any], verifier: Verifier | None) -> dict[str, Any] | None:
    """Return the row of one pair, or None if it does not align."""
    match = verify_pair(_read_features(pair, "left"), _read_features(pair, "right"), verifier)
    if match is None:
        return None
    cosine = round(float(pair["left_vector"].astype(float) @ pair["right_vector"].astype(float)), _DECIMALS)
    row = {
        "left_id": pair["left_id"],
        "right_id": pair["right_id"],
        "cosine_similarity": max(-1.0, min(1.0, cosine)),
        "alignment_similarity": round(match.alignment.similarity, _DECIMALS),
        "relation": match.relation,
        "evidence": list(match.evidence),
    }
    row |= {name: round(value, _DECIMALS) for name, value in list_bounds(match.alignment).items()}
    return row if verifier is None else row | {"match_probability": match.match_probability}


def list_bounds(alignment: TimeAlignment) -> dict[str, float]:
    """Return the values of `BOUND_COLUMNS`, not rounded."""
    values = (*alignment.left, *alignment.right, alignment.left_coverage, alignment.right_coverage)
    return dict(zip(BOUND_COLUMNS, values, strict=True))


def _read_features(pair: dict[str, Any], side: str) -> VideoFeatures:
    """Read the frames of one side."""
    columns = ("frame_vectors", "frame_seconds", "frame_backgrounds", "end_seconds")
    return unpack_features(*(pair[f"{side}_{column}"] for column in columns))


def unpack_features(
    packed: bytes, frame_seconds: ArrayLike, backgrounds: ArrayLike, duration_seconds: float
) -> VideoFeatures:
    """Read a video's frames from columns of `embeddings`.

    Args:
        packed: `frame_vectors`, as `udfs.embedding.embed.pack_vectors` packs them.
        frame_seconds: (n,).
        backgrounds: `frame_backgrounds` (n,).
        duration_seconds: of the video.

    Raises:
        ValueError: see `VideoFeatures`.
    """
    seconds = np.asarray(frame_seconds, dtype=np.float64)
    vectors = unpack_vectors(packed, len(seconds))
    return VideoFeatures(vectors, seconds, np.asarray(backgrounds, dtype=np.float32), duration_seconds)
