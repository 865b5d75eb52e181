"""Triplets for the objective triplet, with and without takes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from jobs.config.training import TrainingConfig
from jobs.training.augmentations import AugmentedVideos
from jobs.training.takes import Takes
from jobs.training.triplets import list_positive_pairs, mine_triplets
from models.normalise import standardise
from models.training import AugmentedFrames
from models.triplet import mine_hard_negatives

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_VIDEOS, NUM_COPIES, DIM = 8, 3, 6


def draw_videos(num_videos: int = NUM_VIDEOS) -> AugmentedVideos:
    """Videos v0, v1, ... of one frame and one source each, with noisy copies."""
    chance = np.random.default_rng(6)
    videos = chance.normal(size=(num_videos, 1, DIM)) + chance.normal(scale=1.5, size=(num_videos, NUM_COPIES, DIM))
    numbers = np.arange(num_videos)
    return AugmentedVideos(
        AugmentedFrames(videos.astype(np.float16), numbers, numbers),
        tuple(f"v{number}" for number in numbers),
        tuple("abcdefgh"[:num_videos]),
        ("",) * num_videos,
        numbers < 0,
        ((("crop",),) * (NUM_COPIES - 1),) * num_videos,
        "fingerprint",
    )


class KnownTakes(Takes):
    """Two parts of each of three videos, with three copies each. The parts of the third video look the same."""

    @property
    def is_empty(self) -> bool:
        return False

    def read_vectors(self) -> NDArray[np.float32]:
        return standardise(np.random.default_rng(7).normal(size=(len(self.copies), DIM))).astype(np.float32)


def make_takes() -> KnownTakes:
    rows = [
        (f"{parent}{part}{copy}", parent, parent, part, copy, [3 - part] if parent == "z" else [])
        for parent in "xyz"
        for part in (1, 2)
        for copy in range(3)
    ]
    return KnownTakes(
        pd.DataFrame(rows, columns=["video_id", "parent_id", "source", "part", "copy_index", "same_parts"])
    )


def mine(takes: Takes, **changed: float) -> SimpleNamespace:
    training = TrainingConfig(objective="triplet", max_negatives_per_pair=2, **changed)
    mined = mine_triplets(draw_videos(), [], training, takes)
    columns = (mined.triplets.anchors, mined.triplets.positives, mined.triplets.negatives)
    return SimpleNamespace(rows=mined.rows, found=np.stack(columns, axis=1), num_with_take=mined.num_with_take)


def mine_as_the_paper() -> NDArray[np.int64]:
    videos = draw_videos()
    rows = videos.frames.average().reshape(-1, DIM)
    pairs = list_positive_pairs(videos, [], NUM_COPIES)
    found = mine_hard_negatives(rows, pairs, np.repeat(np.arange(NUM_VIDEOS), NUM_COPIES), 0.97, 2)
    return np.stack([found.anchors, found.positives, found.negatives], axis=1)


def test_positives_are_each_video_with_its_copies_and_labelled_pairs_of_unedited_videos() -> None:
    pairs = list_positive_pairs(draw_videos(num_videos=3), [("v2", "v0"), ("v1", "not chosen")], NUM_COPIES)
    assert pairs.tolist() == [[0, 1], [0, 2], [3, 4], [3, 5], [6, 7], [6, 8], [6, 0]]


def test_a_share_of_0_is_the_mining_of_the_paper() -> None:
    expected = mine_as_the_paper()
    assert len(expected) > 10
    for takes in (make_takes(), Takes.none()):
        mined = mine(takes, take_share=0.0)
        assert mined.found.tolist() == expected.tolist()
        assert len(mined.rows) == NUM_VIDEOS * NUM_COPIES
        assert mined.num_with_take == 0


def test_takes_are_a_share_of_the_triplets_and_the_others_are_those_of_the_paper() -> None:
    expected = mine_as_the_paper()
    mined = mine(make_takes(), take_share=0.25)
    assert mined.found[: len(expected)].tolist() == expected.tolist()
    assert mined.num_with_take == len(mined.found) - len(expected)
    assert mined.num_with_take == round(len(expected) / 3)
    assert mine(make_takes(), take_share=0.25).found.tolist() == mined.found.tolist()


def test_anchor_and_positive_are_copies_of_one_part_and_the_negative_is_of_another_part_of_its_video() -> None:
    takes = make_takes()
    mined = mine(takes, take_share=0.9)
    names = takes.copies["video_id"].to_numpy()
    of_takes = mined.found[len(mine_as_the_paper()) :] - NUM_VIDEOS * NUM_COPIES
    assert len(of_takes) > 10
    vectors = takes.read_vectors()
    for anchor, positive, negative in of_takes:
        assert names[anchor][:2] == names[positive][:2] != names[negative][:2]
        assert names[anchor][0] == names[negative][0] != "z"
        assert vectors[anchor] @ vectors[negative] > vectors[anchor] @ vectors[positive]


@pytest.mark.parametrize("share", [0.25, 0.9])
def test_takes_that_all_look_the_same_add_no_triplets(share: float) -> None:
    takes = make_takes()
    frozen = replace(takes, copies=takes.copies[takes.copies["parent_id"] == "z"].reset_index(drop=True))
    mined = mine(frozen, take_share=share)
    assert mined.found.tolist() == mine_as_the_paper().tolist()
