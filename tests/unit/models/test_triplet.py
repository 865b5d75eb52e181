"""Mining and loss of triplets, with vectors that can be checked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.normalise import standardise
from models.training import TrainConfig, train
from models.triplet import (
    PAPER_CONFIG,
    TripletHead,
    Triplets,
    add_triplets,
    mine_hard_negatives,
    mine_takes,
    triplet_loss,
)

# Unit vectors, given by their angle in degrees, and their sources.
ANCHOR, POSITIVE, BETWEEN, BEFORE, BEYOND, SIBLING, TWIN = range(7)
DEGREES = (0, 60, 30, -50, 100, 20, 1)
SOURCES = np.array([0, 0, 1, 2, 3, 0, 4])
PAIR = np.array([[ANCHOR, POSITIVE]])


def at_angles(*degrees: float) -> np.ndarray:
    turned = np.radians(degrees)
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


def mine(
    pairs: np.ndarray = PAIR,
    sources: np.ndarray = SOURCES,
    max_negative_cosine: float = 0.97,
    max_per_pair: int = 20,
) -> list[tuple[int, int, int]]:
    found = mine_hard_negatives(at_angles(*DEGREES), pairs, sources, max_negative_cosine, max_per_pair)
    return list(zip(found.anchors.tolist(), found.positives.tolist(), found.negatives.tolist(), strict=True))


def draw_rows(num: int = 12, dim: int = 6) -> np.ndarray:
    return standardise(np.random.default_rng(4).normal(size=(num, dim))).astype(np.float32)


CONFIG = TrainConfig((5, 3), batch_size=4, epochs=30, learning_rate=0.01, seed=1)
TRIPLETS = Triplets(np.arange(10), np.arange(1, 11), np.arange(2, 12))


def test_both_videos_of_a_pair_find_the_videos_nearer_than_the_other_nearest_first() -> None:
    # The anchor at 0 degrees finds 30 and -50, not 100. The anchor at 60 degrees finds 30, then 100, not -50.
    assert mine() == [
        (ANCHOR, POSITIVE, BETWEEN),
        (ANCHOR, POSITIVE, BEFORE),
        (POSITIVE, ANCHOR, BETWEEN),
        (POSITIVE, ANCHOR, BEYOND),
    ]


def test_the_number_of_negatives_per_anchor_is_limited_to_the_nearest() -> None:
    assert mine(max_per_pair=1) == [(ANCHOR, POSITIVE, BETWEEN), (POSITIVE, ANCHOR, BETWEEN)]


def test_a_video_too_similar_to_anchor_or_positive_is_no_negative() -> None:
    # The cosine at 1 degree from the anchor is .9998. A limit of .85 also excludes the vector at 30 degrees.
    assert TWIN in {negative for _, _, negative in mine(max_negative_cosine=1.0)}
    assert mine(max_negative_cosine=0.85) == [(ANCHOR, POSITIVE, BEFORE), (POSITIVE, ANCHOR, BEYOND)]


def test_a_duplicate_of_the_positive_is_no_negative_of_the_anchor() -> None:
    vectors = at_angles(0, 60, 59)
    found = mine_hard_negatives(vectors, PAIR, np.array([0, 0, 1]), 0.97, 20)
    assert len(found) == 0


def test_a_video_of_the_source_of_anchor_or_positive_is_no_negative() -> None:
    assert SIBLING not in {negative for _, _, negative in mine()}
    of_two_sources = np.array([0, 9, 9, 2, 3, 0, 4])
    assert {negative for _, _, negative in mine(sources=of_two_sources)} == {BEFORE, BEYOND}


def test_all_pairs_are_in_one_direction_first_and_then_in_the_other() -> None:
    found = mine(np.array([[ANCHOR, POSITIVE], [SIBLING, POSITIVE]]), max_per_pair=1)
    assert [(anchor, positive) for anchor, positive, _ in found] == [
        (ANCHOR, POSITIVE),
        (SIBLING, POSITIVE),
        (POSITIVE, ANCHOR),  # No negative is hard for the other pair and dissimilar enough.
    ]


def test_without_hard_negatives_there_are_no_triplets() -> None:
    found = mine_hard_negatives(at_angles(0, 10, 90), PAIR, np.array([0, 0, 1]), 0.97, 20)
    assert len(found) == 0
    assert found.anchors.dtype == np.int64


def test_the_loss_is_0_only_if_the_negative_is_further_by_the_margin() -> None:
    anchors = torch.zeros(2, 2)
    positives, negatives = torch.tensor([[1.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    # 1 - 4 + 1 is below 0, and 4 - 1 + 1 is 4.
    assert float(triplet_loss(anchors, positives, negatives, margin=1.0)) == 2


def test_the_settings_of_the_paper() -> None:
    assert (PAPER_CONFIG.layers, PAPER_CONFIG.margin, PAPER_CONFIG.batch_size) == ((2500, 1000, 500), 1.0, 1000)
    assert (PAPER_CONFIG.learning_rate, PAPER_CONFIG.weight_decay) == (1e-5, 1e-5)


def test_the_network_has_the_layers_of_the_config_and_glorot_initialisation() -> None:
    exported = TripletHead(draw_rows(), TRIPLETS, CONFIG).export()
    assert [weight.shape for weight in exported.weights] == [(6, 5), (5, 3)]
    assert [bias.tolist() for bias in exported.biases] == [[0.0] * 5, [0.0] * 3]
    assert np.abs(exported.weights[0]).max() <= math.sqrt(6 / (6 + 5))
    assert np.abs(exported.weights[0]).max() > 0.8 * math.sqrt(6 / (6 + 5))


def test_the_seed_determines_the_initial_weights() -> None:
    def start(seed: int) -> bytes:
        return TripletHead(draw_rows(), TRIPLETS, replace(CONFIG, seed=seed)).export().weights[0].tobytes()

    assert start(1) == start(1)
    assert start(1) != start(2)


def test_an_epoch_has_each_triplet_once_in_random_order() -> None:
    head = TripletHead(draw_rows(), TRIPLETS, CONFIG)
    batches = list(head.batches(np.random.default_rng(0)))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    anchors = np.concatenate([batch.anchors for batch in batches])
    assert sorted(anchors.tolist()) == list(range(10))
    assert anchors.tolist() != list(range(10))
    for batch in batches:
        np.testing.assert_array_equal(batch.positives, batch.anchors + 1)
        np.testing.assert_array_equal(batch.negatives, batch.anchors + 2)


def test_the_loss_of_a_batch_is_the_triplet_loss_of_unit_vectors() -> None:
    head = TripletHead(draw_rows(), TRIPLETS, CONFIG)
    vectors = torch.from_numpy(head.export().embed(draw_rows()))
    expected = triplet_loss(vectors[:10], vectors[1:11], vectors[2:], CONFIG.margin)
    assert head.loss(TRIPLETS).item() == pytest.approx(float(expected), rel=1e-5)


def test_the_exported_network_embeds_like_the_trained_one() -> None:
    head = TripletHead(draw_rows(), TRIPLETS, CONFIG)
    of_network = head._embed(np.arange(12)).detach().numpy()
    np.testing.assert_allclose(head.export().embed(draw_rows()), of_network, atol=1e-6)


def test_training_reduces_the_loss() -> None:
    _, history = train(TripletHead(draw_rows(), TRIPLETS, CONFIG), CONFIG, lambda _: 0.5)
    assert history[-1].loss < 0.7 * history[1].loss


def mine_takes_at(
    *degrees: float, parts: list[int], is_other: list[list[int]], limit: int = 20
) -> list[tuple[int, int, int]]:
    found = mine_takes(at_angles(*degrees), np.array(parts), np.array(is_other, dtype=bool), limit)
    return list(zip(found.anchors.tolist(), found.positives.tolist(), found.negatives.tolist(), strict=True))


def test_the_negatives_of_a_part_are_the_nearer_copies_of_the_other_parts_of_its_video() -> None:
    # Rows 0 and 1 are copies of a part, 2 and 3 of another part of the video, 4 of a part of another video.
    both, apart = [[0, 1, 0], [1, 0, 0], [0, 0, 0]], [[0, 0, 0]] * 3
    degrees, parts = (0, 30, 10, 20, 5), [0, 0, 1, 1, 2]
    expected = [(0, 1, 2), (0, 1, 3), (1, 0, 3), (1, 0, 2)]
    assert mine_takes_at(*degrees, parts=parts, is_other=both) == expected
    assert mine_takes_at(*degrees, parts=parts, is_other=both, limit=1) == [(0, 1, 2), (1, 0, 3)]
    assert mine_takes_at(*degrees, parts=parts, is_other=apart) == []


def test_a_take_is_a_negative_however_similar_it_is() -> None:
    # The cosine at half a degree is .99996.
    assert mine_takes_at(0, 30, 0.5, parts=[0, 0, 1], is_other=[[0, 1], [1, 0]]) == [(0, 1, 2), (1, 0, 2)]


@pytest.mark.parametrize(("share", "num_added"), [(0.0, 0), (0.25, 2), (0.5, 6), (0.9, 10)])
def test_added_triplets_are_a_share_of_all_if_there_are_enough(share: float, num_added: int) -> None:
    mined = Triplets(np.arange(6), np.arange(6) + 1, np.arange(6) + 2)
    others = Triplets(np.arange(10) + 100, np.arange(10) + 200, np.arange(10) + 300)
    both = add_triplets(mined, others, share, seed=3)
    assert len(both) == 6 + num_added
    assert both.negatives[:6].tolist() == mined.negatives.tolist()
    added = both.anchors[6:]
    assert len(set(added.tolist())) == num_added
    assert (both.positives[6:] - added).tolist() == [100] * num_added
    assert (both.negatives[6:] - added).tolist() == [200] * num_added
