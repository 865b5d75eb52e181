"""Figures of clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jobs.evaluation.ranking import PrecisionRecall

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray


def measure_bcubed(
    predicted: Mapping[str, str],
    true: Mapping[str, str],
    video_ids: Collection[str],
    unjudged: pd.DataFrame | None = None,
) -> PrecisionRecall:
    """Return the B-cubed precision and recall of clusters (Bagga and Baldwin 1998; Amigo et al. 2009).

    With C(v) the predicted and T(v) the true cluster of video v, v included, the precision is the mean over all
    videos of |C(v) & T(v)| / |C(v)|, and the recall that of |C(v) & T(v)| / |T(v)|. A video in no cluster is alone
    in its own; so a set of which most videos are single scores high whatever is found.

    Args:
        predicted: video_id -> cluster_id.
        true: video_id -> cluster_id.
        video_ids: the videos that count, at least one; others in the clusters are passed over.
        unjudged: columns left_id and right_id: pairs each once that may be in one cluster or not. Such a pair leaves
            |C(v)| of both unless the truth has them together.

    Raises:
        ValueError: there are no videos.
    """
    ids = pd.Index(sorted(set(video_ids)))
    if not len(ids):
        raise ValueError("video_ids must name at least one video, got none")
    clusters, labels = _number(ids, predicted), _number(ids, true)
    together = _count_like(clusters * len(ids) + labels)
    sizes = _count_like(clusters)
    if unjudged is not None:
        left, right = (ids.get_indexer(pd.Index(unjudged[name])) for name in ("left_id", "right_id"))
        is_known = (left >= 0) & (right >= 0)
        left, right = left[is_known], right[is_known]
        is_dropped = (clusters[left] == clusters[right]) & (labels[left] != labels[right])
        for side in (left, right):
            np.subtract.at(sizes, side[is_dropped], 1)
    return PrecisionRecall(float((together / sizes).mean()), float((together / _count_like(labels)).mean()))


def _number(ids: pd.Index[Any], clusters: Mapping[str, str]) -> NDArray[np.int64]:
    """Number the cluster of each video, one of its own where it is in none: int64 (n,), below n."""
    keys = [(True, clusters[video_id]) if video_id in clusters else (False, video_id) for video_id in ids]
    numbers: dict[tuple[bool, str], int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _count_like(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count, for each element, those equal to it, itself included."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return counts[inverse].astype(np.int64)
