"""Chooses what the strips of a pair show: matched moments, and the stored thumbnails nearest to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from udfs.illustrating.pictures import choose_moments, draw_similarity_matrix
from udfs.verifying.align import align
from udfs.verifying.features import Segment
from udfs.verifying.lines import AlignedSegment
from udfs.verifying.verify_batches import unpack_features

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from udfs.illustrating.pictures import Moments
    from udfs.verifying.features import VideoFeatures

MATCHED_DDL = (
    "number INT NOT NULL COMMENT 'of the pair', "
    "left_seconds ARRAY<DOUBLE> NOT NULL COMMENT 'matched moments', right_seconds ARRAY<DOUBLE> NOT NULL, "
    "left_numbers ARRAY<INT> COMMENT 'thumbnails at these moments; null without thumbnails', right_numbers ARRAY<INT>, "
    "match BINARY COMMENT 'WebP of the frame similarities; null where the model keeps no frames', "
    "segments ARRAY<ARRAY<DOUBLE>> NOT NULL COMMENT 'aligned, the best first: left start and end, right start and end'"
)
_SIDES = ("left", "right")


class Chosen(NamedTuple):
    """What the strip of one side shows: as many frames as that of the other side.

    Attributes:
        seconds: of the moments. They are the times of the thumbnails, if the video has any.
        numbers: of the thumbnails, from 0; None if the video has none.
    """

    seconds: list[float]
    numbers: list[int] | None


def match_batches(batches: Iterator[pd.DataFrame], num_moments: int) -> Iterator[pd.DataFrame]:
    """Match the moments of pairs: one row per pair -> one row of MATCHED_DDL per pair.

    Each row has the number of the pair, the bounds of the shared footage and, for each side, the columns
    duration_seconds, frame_seconds, frame_vectors and frame_backgrounds of `embeddings` (null if the model keeps no
    frames), and thumbnail_seconds (null without thumbnails), prefixed by the side (`left_thumbnail_seconds`).
    A strip has at most `num_moments` frames. Runs on: executor, by `mapInPandas`.
    """
    import pandas as pd

    for batch in batches:
        rows = cast("list[dict[str, Any]]", batch.to_dict("records"))
        if rows:
            yield pd.DataFrame([_match(row, num_moments) for row in rows])


def choose_frames(moments: Moments, left_times: ArrayLike | None, right_times: ArrayLike | None) -> tuple[Chosen, ...]:
    """Choose the thumbnails nearest to moments; returns the left and the right side.

    A video with thumbnails is shown at their times. The other video follows by as much, so that both sides still match.
    Moments that would show the same two thumbnails again are left out.

    Args:
        moments: matched moments, at least one.
        left_times: ascending seconds (n,) of the left video's thumbnails; None or empty without thumbnails.
        right_times: the same for the right video.
    """
    seconds = [np.array(of_side, np.float64) for of_side in moments]
    times = [None if t is None or np.size(t) == 0 else np.asarray(t, np.float64) for t in (left_times, right_times)]
    numbers: list[NDArray[np.int64] | None] = [None, None]
    for side, other in ((0, 1), (1, 0)):
        stored = times[side]
        if stored is not None:
            nearest = np.abs(seconds[side][:, None] - stored[None, :]).argmin(axis=1)
            if numbers[other] is None:
                seconds[other] = np.maximum(np.round(seconds[other] + stored[nearest] - seconds[side], 3), 0.0)
            seconds[side], numbers[side] = stored[nearest], nearest
    # Unique in both sides together, in the order of the moments.
    _, first = np.unique(np.stack(seconds), axis=1, return_index=True)
    kept = np.sort(first)
    return tuple(
        Chosen(s[kept].tolist(), None if n is None else n[kept].tolist()) for s, n in zip(seconds, numbers, strict=True)
    )


def _match(row: dict[str, Any], num_moments: int) -> dict[str, Any]:
    """Return the row of one pair."""
    segments, picture = _align(row)
    moments = choose_moments(segments, num_moments)
    chosen = choose_frames(moments, *(row[f"{side}_thumbnail_seconds"] for side in _SIDES))
    listed = [[*left, *right] for left, right in segments]
    matched = {"number": row["number"], "match": picture, "segments": listed}
    for side, of_side in zip(_SIDES, chosen, strict=True):
        matched |= {f"{side}_{name}": value for name, value in of_side._asdict().items()}
    return matched


def _align(row: dict[str, Any]) -> tuple[tuple[AlignedSegment, ...], bytes | None]:
    """Align a pair, and draw its similarity matrix if the model keeps frames."""
    bounds = (Segment(float(row[f"{side}_start_seconds"]), float(row[f"{side}_end_seconds"])) for side in _SIDES)
    segments: tuple[AlignedSegment, ...] = (AlignedSegment(*bounds),)
    left, right = (_read_features(row, side) for side in _SIDES)
    if left is None or right is None:
        return segments, None
    alignment = align(left, right)
    if alignment is not None:
        segments = alignment.segments
    return segments, draw_similarity_matrix(left, right, segments)


def _read_features(row: dict[str, Any], side: str) -> VideoFeatures | None:
    """Read the frames of one side; None if the model keeps no frames."""
    if row[f"{side}_frame_vectors"] is None:
        return None
    columns = ("frame_vectors", "frame_seconds", "frame_backgrounds", "duration_seconds")
    return unpack_features(*(row[f"{side}_{column}"] for column in columns))
