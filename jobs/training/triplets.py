"""Triplets for the objective triplet: mined among augmented videos, and among takes. Runs on the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jobs.errors import UsageError
from jobs.training.takes import TAKE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from jobs.config.training import TrainingConfig
    from jobs.training.augmentations import AugmentedVideos
    from jobs.training.takes import Takes
    from models.triplet import Triplets


@dataclass(frozen=True)
class MinedTriplets:
    """Triplets with the descriptors that they refer to.

    Attributes:
        rows: float32 (n, dim), averaged descriptors: of the augmented videos, then of the copies of takes.
        triplets: row indices of `rows`.
        num_with_take: number of triplets whose negative is another take of the anchor's video.
    """

    rows: NDArray[np.float32]
    triplets: Triplets
    num_with_take: int


def mine_triplets(
    videos: AugmentedVideos, labelled: Sequence[tuple[str, str]], training: TrainingConfig, takes: Takes
) -> MinedTriplets:
    """Mine hard negatives for the copies of each video, and for the copies of each take.

    Without takes, the result is that of the paper: `models.triplet.mine_hard_negatives`.

    Raises:
        UsageError: there are no hard negatives among the videos.
    """
    from models.triplet import add_triplets, mine_hard_negatives

    averaged = videos.frames.average()
    num_copies = averaged.shape[1]
    rows = averaged.reshape(-1, averaged.shape[2])
    sources = np.repeat(videos.frames.sources, num_copies)
    pairs = list_positive_pairs(videos, labelled, num_copies)
    mined = mine_hard_negatives(rows, pairs, sources, training.max_negative_cosine, training.max_negatives_per_pair)
    if not len(mined):
        raise UsageError(
            "these videos have no hard negatives for the objective triplet: select more videos, or use another "
            "objective"
        )
    if takes.is_empty or not training.take_share:
        return MinedTriplets(rows, mined, 0)
    vectors, of_takes = _mine_takes(takes, training.max_negatives_per_pair, offset=len(rows))
    triplets = add_triplets(mined, of_takes, training.take_share, training.seed)
    return MinedTriplets(np.concatenate([rows, vectors]), triplets, len(triplets) - len(mined))


def _mine_takes(takes: Takes, max_per_pair: int, offset: int) -> tuple[NDArray[np.float32], Triplets]:
    """Return the descriptors of the copies of takes, and triplets among them, numbered from `offset`."""
    from models.triplet import Triplets, mine_takes

    vectors = takes.read_vectors()
    parts = takes.copies.groupby(["parent_id", "part"]).ngroup().to_numpy().astype(np.int64)
    number_of = dict(zip(takes.copies["video_id"], parts, strict=True))
    is_other_take = np.zeros((parts.max() + 1,) * 2, dtype=bool)
    own = takes.list_pairs()
    separable = own[own["relation"] == TAKE]
    left, right = (separable[side].map(number_of).to_numpy(np.int64) for side in ("left_id", "right_id"))
    is_other_take[left, right] = is_other_take[right, left] = True
    found = mine_takes(vectors, parts, is_other_take, max_per_pair)
    return vectors, Triplets(found.anchors + offset, found.positives + offset, found.negatives + offset)


def list_positive_pairs(
    videos: AugmentedVideos, labelled: Sequence[tuple[str, str]], num_copies: int
) -> NDArray[np.int64]:
    """Return the positive pairs: each video with its edited copies, and labelled pairs of videos.

    Returns:
        int64 (p, 2), row indices of a flat (videos x copies) matrix.
    """
    first_rows = {video_id: number * num_copies for number, video_id in enumerate(videos.video_ids)}
    own = [(row, row + copy) for row in first_rows.values() for copy in range(1, num_copies)]
    known = [(first_rows[a], first_rows[b]) for a, b in labelled if a in first_rows and b in first_rows]
    return np.array(own + known, dtype=np.int64)
