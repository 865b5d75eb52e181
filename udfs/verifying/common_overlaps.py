"""The overlaps of one video that are common footage: an intro, an ident or a slate that unrelated videos show too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd  # noqa: TC002 - Spark evaluates the annotations of the selector

from udfs.verifying.relation import COMMON_SHARE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

COMMON_DDL = "left_id STRING, right_id STRING"


def find_common_overlaps(
    start_seconds: ArrayLike, end_seconds: ArrayLike, original_ids: Sequence[str], min_videos: int
) -> NDArray[np.bool_]:
    """Find the overlaps of one video that many unrelated videos share.

    1. Round each overlap to whole seconds, half a second up; it covers at least one second.
    2. Count for each second of the video the distinct originals that overlap with it there.
    3. A second is common if `min_videos` originals or more show it.
    4. An overlap is common if at least `COMMON_SHARE` of its seconds are.

    Time is O(n log n + s) for n overlaps and s seconds of the video, whatever the length of the overlaps. A pure
    function: it runs on executors for the nightly job and in the process that answers about one video.

    Args:
        start_seconds: shape (n,), the start of each overlap in the video, 0 or more.
        end_seconds: shape (n,), the end of each, exclusive.
        original_ids: n ids; overlaps with copies of one video have the same id and count once.
        min_videos: 2 or more.

    Returns:
        Shape (n,), in the order of the arguments.
    """
    starts = np.floor(np.asarray(start_seconds, np.float64) + 0.5).astype(np.int64)
    ends = np.maximum(starts + 1, np.floor(np.asarray(end_seconds, np.float64) + 0.5).astype(np.int64))
    if not len(starts):
        return np.zeros(0, np.bool_)
    originals = np.unique(np.asarray(original_ids, dtype=object), return_inverse=True)[1]
    num_videos = _count_originals(starts, ends, originals)
    num_common_before = np.concatenate([[0], np.cumsum(num_videos >= min_videos)])
    shares = (num_common_before[ends] - num_common_before[starts]) / (ends - starts)
    is_common: NDArray[np.bool_] = shares >= COMMON_SHARE
    return is_common


def _count_originals(
    starts: NDArray[np.int64], ends: NDArray[np.int64], originals: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count the distinct originals that overlap with each second from 0 to the last end; shape (max(ends),)."""
    num_seconds = int(ends.max())
    # Each original gets a range of its own on one axis, on which its spans are merged: it counts once a second.
    offsets = originals * (num_seconds + 1)
    order = np.argsort(starts + offsets, kind="stable")
    first, last = (starts + offsets)[order], np.maximum.accumulate((ends + offsets)[order])
    is_new = np.concatenate([[True], first[1:] > last[:-1]])
    is_final = np.concatenate([is_new[1:], [True]])
    merged_starts = first[is_new] % (num_seconds + 1)
    merged_ends = last[is_final] % (num_seconds + 1)
    changes = np.bincount(merged_starts, minlength=num_seconds + 1) - np.bincount(
        merged_ends, minlength=num_seconds + 1
    )
    counts: NDArray[np.int64] = np.cumsum(changes)[:num_seconds]
    return counts


def make_common_pair_selector(min_videos: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Make the function that selects the common overlaps of one video, for `applyInPandas` grouped by video.

    The function runs on executors. It maps left_id, right_id, start_seconds, end_seconds and original_id of the video's
    overlaps to left_id and right_id of the common ones (COMMON_DDL).

    Args:
        min_videos: see `find_common_overlaps`.
    """

    def select_common_pairs(overlaps: pd.DataFrame) -> pd.DataFrame:  # Spark reads the annotations
        bounds = (overlaps["start_seconds"], overlaps["end_seconds"])
        is_common = find_common_overlaps(*bounds, overlaps["original_id"].tolist(), min_videos)
        return overlaps.loc[is_common, ["left_id", "right_id"]]

    return select_common_pairs
