"""Connected components of a graph of videos, on the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def connected_components(left_ids: NDArray[Any], right_ids: NDArray[Any]) -> dict[str, str]:
    """Label each video with the smallest video_id in its connected component.

    Args:
        left_ids: object (p,), video_ids of one end of each pair.
        right_ids: object (p,), video_ids of the other end.

    Returns:
        video_id -> label for every id that occurs, sorted by video_id. It does not depend on the order of pairs.
        Runs on: driver; memory grows with the number of pairs.
    """
    from scipy.sparse import coo_array, csgraph

    if not len(left_ids):
        return {}
    names, ends = np.unique(np.concatenate([left_ids, right_ids]).astype(str), return_inverse=True)
    left, right = np.split(ends, 2)
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(len(names), len(names)))
    num_components, labels = csgraph.connected_components(graph, directed=False)
    smallest = np.full(num_components, len(names))
    np.minimum.at(smallest, labels, np.arange(len(names)))
    return dict(zip(names.tolist(), names[smallest[labels]].tolist(), strict=True))
