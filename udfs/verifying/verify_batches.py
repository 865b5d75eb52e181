"""The adapter of `verify_pair` for data frames: rows of candidate pairs -> rows of pairs that align."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from udfs.embedding.embed import unpack_vectors
from udfs.verifying.content import find_content
from udfs.verifying.features import VideoFeatures
from udfs.verifying.moments import choose_moments
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
    "left_coverage DOUBLE, right_coverage DOUBLE, evidence ARRAY<DOUBLE>, "
    "moments ARRAY<STRUCT<left: INT, right_before: INT, right_after: INT>>"
)
"""`evidence` is that of the first look; `moments` are the frames that the second look compares."""
BOUND_COLUMNS = (
    "left_start_seconds",
    "left_end_seconds",
    "right_start_seconds",
    "right_end_seconds",
    "left_coverage",
    "right_coverage",
)
"""The columns of a pair with the bounds of the shared footage in both videos, and the share of either content."""
_DECIMALS = 6


def align_batches(batches: Iterator[pd.DataFrame], verifier: Verifier | None = None) -> Iterator[pd.DataFrame]:
    """Align candidate pairs: one row per pair -> one row of ALIGNED_DDL per pair that aligns and stays open.

    Each row has left_id, right_id and, for each side, the columns vector, end_seconds, frame_seconds, frame_vectors and
    frame_backgrounds of `embeddings`, and frame_details of `thumbnails` or null, prefixed by the side (`left_vector`).
    With a verifier, a pair is left out if the
    first look decides it: its probability is below `min_open_probability`. Runs on: executor, by `mapInPandas`, and the
    machine that checks one video.
    """
    import pandas as pd

    for batch in batches:
        pairs = cast("list[dict[str, Any]]", batch.to_dict("records"))
        rows = [row for pair in pairs if (row := _align_row(pair)) is not None]
        if verifier is not None and rows:
            evidence = np.array([row["evidence"] for row in rows])
            is_open = verifier.predict_first_look(evidence) >= verifier.min_open_probability
            rows = [row for row, stays in zip(rows, is_open, strict=True) if stays]
        if rows:
            yield pd.DataFrame(rows)


def _align_row(pair: dict[str, Any]) -> dict[str, Any] | None:
    """Return the row of one pair, or None if it does not align."""
    left, right = _read_features(pair, "left"), _read_features(pair, "right")
    match = verify_pair(left, right)
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
        "moments": [
            moment._asdict() for moment in choose_moments(left.seconds, right.seconds, match.alignment.segments)
        ],
    }
    return row | {name: round(value, _DECIMALS) for name, value in list_bounds(match.alignment).items()}


def list_bounds(alignment: TimeAlignment) -> dict[str, float]:
    """Return the values of `BOUND_COLUMNS`, not rounded."""
    values = (*alignment.left, *alignment.right, alignment.left_coverage, alignment.right_coverage)
    return dict(zip(BOUND_COLUMNS, values, strict=True))


def _read_features(pair: dict[str, Any], side: str) -> VideoFeatures:
    """Read the frames of one side."""
    columns = ("frame_vectors", "frame_seconds", "frame_backgrounds", "end_seconds", "frame_details")
    return unpack_features(*(pair[f"{side}_{column}"] for column in columns))


def unpack_features(
    packed: bytes,
    frame_seconds: ArrayLike,
    backgrounds: ArrayLike,
    duration_seconds: float,
    details: ArrayLike | None = None,
) -> VideoFeatures:
    """Read a video's frames from columns of `embeddings`, and its content from the details of `thumbnails`.

    Args:
        packed: `frame_vectors`, as `udfs.embedding.embed.pack_vectors` packs them.
        frame_seconds: (n,).
        backgrounds: `frame_backgrounds` (n,).
        duration_seconds: of the video.
        details: `frame_details` (n,). With None or another length the whole video is content.

    Raises:
        ValueError: see `VideoFeatures`.
    """
    seconds = np.asarray(frame_seconds, dtype=np.float64)
    vectors = unpack_vectors(packed, len(seconds))
    content = None
    if details is not None and np.shape(details) == seconds.shape:
        content = find_content(np.asarray(details, dtype=np.float32), seconds, duration_seconds)
    return VideoFeatures(vectors, seconds, np.asarray(backgrounds, dtype=np.float32), duration_seconds, content)
