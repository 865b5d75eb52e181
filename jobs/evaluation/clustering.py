"""Precision and recall of clusters."""

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
    ignored_pairs: pd.DataFrame | None = None,
) -> PrecisionRecall:
    """Return the B-cubed precision and recall of clusters (Bagga and Baldwin 1998; Amigo et al. 2009).

    C(v) is the predicted and T(v) the true cluster of video v, both including v. The precision is the mean over all
    videos of |C(v) & T(v)| / |C(v)|, and the recall is the mean of |C(v) & T(v)| / |T(v)|. A video in no cluster is a
    cluster of its own. So if most videos of a set have no copies, both are high for most predictions.

    Args:
        predicted: video_id -> cluster_id.
        true: video_id -> cluster_id.
        video_ids: the videos that are counted, at least one; other videos in the clusters are ignored.
        ignored_pairs: pairs that may or may not be in one cluster: columns left_id and right_id, each pair once. Unless
            the videos of such a pair are in one true cluster, |C(v)| of either does not count the other.

    Raises:
        ValueError: there are no videos.
    """
    ids = pd.Index(sorted(set(video_ids)))
    if not len(ids):
        raise ValueError("video_ids must have at least one video, got none")
    clusters, labels = _number(ids, predicted), _number(ids, true)
    together = _count_like(clusters * len(ids) + labels)
    sizes = _count_like(clusters)
    if ignored_pairs is not None:
        left, right = (ids.get_indexer(pd.Index(ignored_pairs[name])) for name in ("left_id", "right_id"))
        is_known = (left >= 0) & (right >= 0)
        left, right = left[is_known], right[is_known]
        is_dropped = (clusters[left] == clusters[right]) & (labels[left] != labels[right])
        for side in (left, right):
            np.subtract.at(sizes, side[is_dropped], 1)
    return PrecisionRecall(float((together / sizes).mean()), float((together / _count_like(labels)).mean()))


def _number(ids: pd.Index[Any], clusters: Mapping[str, str]) -> NDArray[np.int64]:
    """Return the number of each video's cluster: int64 (n,), in [0, n). A video in no cluster has its own number."""
    keys = [(True, clusters[video_id]) if video_id in clusters else (False, video_id) for video_id in ids]
    numbers: dict[tuple[bool, str], int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _count_like(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, for each element, the number of equal elements, including itself."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return counts[inverse].astype(np.int64)
